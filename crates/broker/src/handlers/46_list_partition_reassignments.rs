//! ListPartitionReassignments v0 (KIP-455). With one broker nothing is ever reassigned.

use klamm_protocol::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::session::{Incoming, Stop};

pub(crate) async fn handle<'a>(
    _: &Incoming,
    _: ListPartitionReassignmentsRequest<'a>,
) -> Result<ListPartitionReassignmentsResponse<'a>, Stop> {
    Ok(ListPartitionReassignmentsResponse { error_message: None, ..Default::default() })
}
