//! Heartbeat v0-4.

use klamm_group::{Answer, Event, Heartbeat};
use klamm_protocol::{ErrorCode, HeartbeatRequest, HeartbeatResponse};

use crate::{
    authorizer::{Operation, Resource},
    groups,
    session::{Incoming, Stop},
};

pub(crate) async fn handle(
    incoming: &Incoming,
    request: HeartbeatRequest<'_>,
) -> Result<HeartbeatResponse, Stop> {
    let answer = |error_code| Ok(HeartbeatResponse { error_code, ..Default::default() });
    if !incoming.may(Operation::Read, Resource::Group(&request.group_id)) {
        return answer(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    }
    let heartbeat = Heartbeat {
        group: (&*request.group_id).into(),
        member: (&*request.member_id).into(),
        instance: request.group_instance_id.as_deref().map(Into::into),
        generation: request.generation_id,
    };
    match incoming.broker.groups.ask(move |token| Event::Heartbeat(token, heartbeat)).await {
        Ok(Answer::Heartbeat(result)) => answer(result.err().map_or(ErrorCode::NONE, groups::code)),
        Ok(_) => answer(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(error_code) => answer(error_code),
    }
}
