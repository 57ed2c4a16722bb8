//! LeaveGroup v0-5. v3: several members at once, static ones by their instance id (KIP-345).

use klamm_group::{Answer, Event, Leave, Leaving};
use klamm_protocol::{
    ErrorCode, LeaveGroupRequest, LeaveGroupResponse,
    leave_group::{MemberIdentity, MemberResponse},
};

use crate::{
    authorizer::{Operation, Resource},
    groups,
    session::{Incoming, Stop},
};

/// The first version with several members.
const BATCHED_SINCE: i16 = 3;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: LeaveGroupRequest<'a>,
) -> Result<LeaveGroupResponse<'a>, Stop> {
    let refuse = |error_code| Ok(LeaveGroupResponse { error_code, ..Default::default() });
    if !incoming.may(Operation::Read, Resource::Group(&request.group_id)) {
        return refuse(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    }
    let batched = incoming.version >= BATCHED_SINCE;
    let leaving = if batched {
        request.members
    } else {
        vec![MemberIdentity { member_id: request.member_id, ..Default::default() }]
    };
    let who = |identity: &MemberIdentity<'_>| Leaving {
        member: (&*identity.member_id).into(),
        instance: identity.group_instance_id.as_deref().map(Into::into),
    };
    let leave = Leave { group: (&*request.group_id).into(), members: leaving.iter().map(who).collect() };
    let left = match incoming.broker.groups.ask(move |token| Event::Leave(token, leave)).await {
        Ok(Answer::Leave(Ok(left))) => left,
        Ok(Answer::Leave(Err(error))) => return refuse(groups::code(error)),
        Ok(_) => return refuse(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(error_code) => return refuse(error_code),
    };
    let codes = left.into_iter().map(|left| left.err().map_or(ErrorCode::NONE, groups::code));
    if !batched {
        return refuse(codes.into_iter().next().unwrap_or_default());
    }
    let member = |(identity, error_code): (MemberIdentity<'a>, ErrorCode)| MemberResponse {
        member_id: identity.member_id,
        group_instance_id: identity.group_instance_id,
        error_code,
    };
    Ok(LeaveGroupResponse {
        members: leaving.into_iter().zip(codes).map(member).collect(),
        ..Default::default()
    })
}
