//! ListPartitionReassignments v0 (KIP-455). With one broker nothing is ever reassigned.

use klamm_protocol::{ErrorCode, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::{
    authorizer::{Operation, Resource},
    session::{Incoming, Stop},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    _: ListPartitionReassignmentsRequest<'a>,
) -> Result<ListPartitionReassignmentsResponse<'a>, Stop> {
    let error_code = match incoming.may(Operation::Describe, Resource::Cluster) {
        true => ErrorCode::NONE,
        false => ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    };
    Ok(ListPartitionReassignmentsResponse { error_code, error_message: None, ..Default::default() })
}
