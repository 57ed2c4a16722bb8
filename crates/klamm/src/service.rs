//! Joins the network to the broker: a session for each connection.

use std::sync::Arc;

use bytes::Bytes;
use klamm_broker::Broker;
use klamm_net::{Answer, Call, Ends, Service, Session};

/// The broker as the network sees it.
pub(crate) struct KafkaService(pub(crate) Arc<Broker>);

pub(crate) struct KafkaSession(klamm_broker::Session);

impl Service for KafkaService {
    type Session = KafkaSession;

    fn open(&self, ends: Ends) -> KafkaSession {
        KafkaSession(klamm_broker::Session::open(Arc::clone(&self.0), ends.local, ends.peer))
    }
}

impl Session for KafkaSession {
    fn call(&mut self, frame: Bytes) -> Call {
        let (overlaps, answer) = self.0.call(frame);
        let answer = async move {
            match answer.await {
                klamm_broker::Answer::Frame(frame) => Answer::Frame(frame),
                klamm_broker::Answer::Nothing => Answer::Nothing,
                klamm_broker::Answer::Close(reason) => Answer::close(reason),
            }
        };
        Call { overlaps, answer: Box::pin(answer) }
    }

    fn bytes_beside(&self) -> usize {
        self.0.bytes_beside()
    }
}
