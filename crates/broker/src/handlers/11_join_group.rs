//! JoinGroup v0-9: the classic protocol. v4: a member gets its id first (KIP-394). v5: static members (KIP-345).
//! v9: the leader may skip the assignment (KIP-814).

use bytes::Bytes;
use klamm_group::{Answer, Event, Join, Joined, Protocol};
use klamm_protocol::{
    Blob, ErrorCode, JoinGroupRequest, JoinGroupResponse, join_group::JoinGroupResponseMember,
};

use crate::{
    authorizer::{Operation, Resource},
    groups,
    session::{Incoming, Stop},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: JoinGroupRequest<'a>,
) -> Result<JoinGroupResponse<'a>, Stop> {
    let version = incoming.version;
    let refuse = |error_code, member: String| {
        Ok(JoinGroupResponse {
            error_code,
            generation_id: -1,
            // Before v7 a name can't be null.
            protocol_name: (version < 7).then(Default::default),
            member_id: member.into(),
            ..Default::default()
        })
    };
    if !incoming.may(Operation::Read, Resource::Group(&request.group_id)) {
        return refuse(ErrorCode::GROUP_AUTHORIZATION_FAILED, String::new());
    }
    let protocol = |protocol: &klamm_protocol::join_group::JoinGroupRequestProtocol<'_>| Protocol {
        name: (&*protocol.name).into(),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    };
    let join = Join {
        group: (&*request.group_id).into(),
        member: (&*request.member_id).into(),
        instance: request.group_instance_id.as_deref().map(Into::into),
        client_id: incoming.client_id.clone(),
        client_host: format!("/{}", incoming.peer.ip().to_canonical()).into(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: if version == 0 {
            request.session_timeout_ms
        } else {
            request.rebalance_timeout_ms
        },
        protocol_type: (&*request.protocol_type).into(),
        protocols: request.protocols.iter().map(protocol).collect(),
        suffix: uuid(incoming.broker.env.entropy.bytes16()),
        needs_member_id: version >= 4,
        can_skip_assignment: version >= 9,
    };
    match incoming.broker.groups.ask(move |token| Event::Join(token, join)).await {
        Ok(Answer::Join(Ok(joined))) => Ok(accept(version, joined)),
        Ok(Answer::Join(Err(refused))) => {
            refuse(groups::code(refused.error), refused.member.as_str().to_owned())
        }
        Ok(_) => refuse(ErrorCode::UNKNOWN_SERVER_ERROR, String::new()),
        Err(error_code) => refuse(error_code, String::new()),
    }
}

fn accept<'a>(version: i16, joined: Joined) -> JoinGroupResponse<'a> {
    let text = |text: &str| text.to_owned().into();
    let member = |member: klamm_group::JoinedMember| JoinGroupResponseMember {
        member_id: text(member.id.as_str()),
        group_instance_id: member.instance.filter(|_| version >= 5).map(|instance| text(instance.as_str())),
        metadata: Blob::Owned(member.metadata.to_vec()),
    };
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: joined.protocol_type.as_deref().map(text),
        protocol_name: joined.protocol.as_deref().map(text),
        leader: text(joined.leader.as_str()),
        skip_assignment: joined.skip_assignment,
        member_id: text(joined.member.as_str()),
        members: joined.members.into_iter().map(member).collect(),
        ..Default::default()
    }
}

/// A random UUID in its usual form, as Kafka puts it behind a member's client id.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
