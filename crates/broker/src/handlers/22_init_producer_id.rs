//! InitProducerId v0-5, for idempotent producers. Each call gives a new id at epoch 0, as Kafka does without a
//! transactional id. Left out: transactional ids, which are refused.

use klamm_protocol::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse};

use crate::{
    authorizer::{Operation, Resource},
    session::{Incoming, Stop},
};

pub(crate) async fn handle(
    incoming: &Incoming,
    request: InitProducerIdRequest<'_>,
) -> Result<InitProducerIdResponse, Stop> {
    let refuse = |error_code| {
        Ok(InitProducerIdResponse { error_code, producer_id: -1, producer_epoch: -1, ..Default::default() })
    };
    // An id goes with an epoch, and neither is told by who has no id yet.
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return refuse(ErrorCode::INVALID_REQUEST);
    }
    match request.transactional_id.as_deref() {
        None => {}
        Some("") => return refuse(ErrorCode::INVALID_REQUEST),
        Some(_) => return refuse(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
    }
    // Who may write somewhere may do so idempotently (KIP-679).
    let may = incoming.may(Operation::IdempotentWrite, Resource::Cluster)
        || incoming.may(Operation::Write, Resource::AnyTopic);
    if !may {
        return refuse(ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    }
    match incoming.broker.producer_id().await {
        Ok(producer_id) => {
            Ok(InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() })
        }
        Err(error_code) => refuse(error_code),
    }
}
