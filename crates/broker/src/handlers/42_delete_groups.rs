//! DeleteGroups v0-2 (KIP-229).

use std::collections::HashSet;

use klamm_group::{Answer, Event, GroupId};
use klamm_protocol::{
    DeleteGroupsRequest, DeleteGroupsResponse, ErrorCode, delete_groups::DeletableGroupResult,
};

use crate::{
    authorizer::{Operation, Resource},
    groups,
    session::{Incoming, Stop},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DeleteGroupsRequest<'a>,
) -> Result<DeleteGroupsResponse<'a>, Stop> {
    let mut results = Vec::with_capacity(request.groups_names.len());
    let mut seen = HashSet::new();
    for group_id in request.groups_names {
        // Told once, as Kafka does.
        if !seen.insert(group_id.to_string()) {
            continue;
        }
        let error_code = delete(incoming, &group_id).await.err().unwrap_or_default();
        results.push(DeletableGroupResult { group_id, error_code });
    }
    Ok(DeleteGroupsResponse { results, ..Default::default() })
}

async fn delete(incoming: &Incoming, group: &str) -> Result<(), ErrorCode> {
    if !incoming.may(Operation::Delete, Resource::Group(group)) {
        return Err(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    }
    let group = GroupId::from(group);
    match incoming.broker.groups.ask(move |token| Event::DeleteGroup(token, group)).await? {
        Answer::DeleteGroup(result) => result.map_err(groups::code),
        _ => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
    }
}
