//! A transactional id is refused at once, and not by a code on which clients ask again. Of `klamm` only: transactions are not
//! built.

use klamm_conformance::{Raw, Server};
use klamm_protocol::{ErrorCode, FindCoordinatorRequest, InitProducerIdRequest, MetadataRequest};

const REFUSED: ErrorCode = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;

#[test]
fn producers_with_a_transactional_id_give_up_at_once() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(server.addr());
    for version in 1..=6 {
        let request = match version {
            ..4 => FindCoordinatorRequest { key: "t".into(), key_type: 1, ..Default::default() },
            4.. => FindCoordinatorRequest {
                coordinator_keys: vec!["t".into()],
                key_type: 1,
                ..Default::default()
            },
        };
        let answer = raw.ask(version, &request);
        let (code, text) = match version {
            ..4 => (answer.error_code, answer.error_message.as_deref()),
            4.. => {
                let coordinator = &answer.coordinators[0];
                (coordinator.error_code, coordinator.error_message.as_deref())
            }
        };
        assert_eq!(code, REFUSED, "v{version}");
        assert!(text.is_some_and(|text| text.contains("transactional.id")), "v{version}: {text:?}");
        assert!(!code.is_retriable());
    }
    let request = InitProducerIdRequest { transactional_id: Some("t".into()), ..Default::default() };
    let request = InitProducerIdRequest { producer_id: -1, producer_epoch: -1, ..request };
    assert_eq!(raw.ask(4, &request).error_code, REFUSED);
    assert_eq!(raw.ask(9, &MetadataRequest::default()).brokers.len(), 1, "it still serves");
}
