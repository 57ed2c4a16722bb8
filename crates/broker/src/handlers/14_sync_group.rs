//! SyncGroup v0-5. Waits for the leader's assignment.

use bytes::Bytes;
use klamm_group::{Answer, Event, Sync};
use klamm_protocol::{Blob, ErrorCode, SyncGroupRequest, SyncGroupResponse};

use crate::{
    authorizer::{Operation, Resource},
    groups,
    session::{Incoming, Stop},
};

/// The first version that must name the protocol (KIP-559).
const PROTOCOL_SINCE: i16 = 5;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: SyncGroupRequest<'a>,
) -> Result<SyncGroupResponse<'a>, Stop> {
    let refuse = |error_code| Ok(SyncGroupResponse { error_code, ..Default::default() });
    let names_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if incoming.version >= PROTOCOL_SINCE && !names_protocol {
        return refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    if !incoming.may(Operation::Read, Resource::Group(&request.group_id)) {
        return refuse(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    }
    let assignment = |given: &klamm_protocol::sync_group::SyncGroupRequestAssignment<'_>| {
        ((&*given.member_id).into(), Bytes::copy_from_slice(&given.assignment))
    };
    let sync = Sync {
        group: (&*request.group_id).into(),
        member: (&*request.member_id).into(),
        instance: request.group_instance_id.as_deref().map(Into::into),
        generation: request.generation_id,
        protocol_type: request.protocol_type.as_deref().map(Into::into),
        protocol: request.protocol_name.as_deref().map(Into::into),
        assignments: request.assignments.iter().map(assignment).collect(),
    };
    let text = |text: std::sync::Arc<str>| text.to_string().into();
    match incoming.broker.groups.ask(move |token| Event::Sync(token, sync)).await {
        Ok(Answer::Sync(Ok(synced))) => Ok(SyncGroupResponse {
            protocol_type: synced.protocol_type.map(text),
            protocol_name: synced.protocol.map(text),
            assignment: Blob::Owned(synced.assignment.to_vec()),
            ..Default::default()
        }),
        Ok(Answer::Sync(Err(error))) => refuse(groups::code(error)),
        Ok(_) => refuse(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(error_code) => refuse(error_code),
    }
}
