//! FindCoordinator v0-6 (batched from v4, KIP-699). This broker coordinates every group. Left out: share groups, and
//! transactional ids, which are refused by the one code on which every client gives up at once: on others, librdkafka
//! asks again until its time is over.

use klamm_protocol::{
    ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, Str, find_coordinator::Coordinator,
};

use crate::{
    authorizer::{Operation, Resource},
    errors,
    session::{Incoming, Stop},
};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;
/// The first version that asks for several at once.
const BATCHED_SINCE: i16 = 4;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: FindCoordinatorRequest<'a>,
) -> Result<FindCoordinatorResponse<'a>, Stop> {
    if incoming.version >= BATCHED_SINCE {
        let find = |key: Str<'a>| find(incoming, key, request.key_type);
        let coordinators = request.coordinator_keys.into_iter().map(find).collect();
        return Ok(FindCoordinatorResponse { coordinators, ..Default::default() });
    }
    let found = find(incoming, request.key, request.key_type);
    // Before version 4, Kafka also says so when all is well.
    let said = if found.error_code.is_ok() { ErrorCode::NONE.name() } else { said(found.error_code) };
    Ok(FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: Some(said.into()),
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    })
}

/// Kafka's text for an error.
fn said(error_code: ErrorCode) -> &'static str {
    match error_code {
        ErrorCode::INVALID_REQUEST => errors::MALFORMED,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => errors::NO_TRANSACTIONS,
        ErrorCode::GROUP_AUTHORIZATION_FAILED => "Group authorization failed.",
        other => other.text(),
    }
}

fn find<'a>(incoming: &Incoming, key: Str<'a>, kind: i8) -> Coordinator<'a> {
    let error_code = match kind {
        GROUP if !incoming.may(Operation::Describe, Resource::Group(&key)) => {
            ErrorCode::GROUP_AUTHORIZATION_FAILED
        }
        GROUP => ErrorCode::NONE,
        TRANSACTION => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        _ => ErrorCode::INVALID_REQUEST,
    };
    if error_code.is_err() {
        let error_message = Some(if kind == SHARE { "" } else { said(error_code) }.into());
        return Coordinator { key, node_id: -1, port: -1, error_code, error_message, ..Default::default() };
    }
    let (host, port) = incoming.broker.address(incoming.local);
    Coordinator { key, node_id: incoming.broker.config.id, host: host.into(), port, ..Default::default() }
}
