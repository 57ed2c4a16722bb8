//! Real clients against the broker: a `klamm` of each test's own, or the broker at `KLAMM_CONFORMANCE_BOOTSTRAP`.
#![allow(clippy::disallowed_methods)] // Drives real processes and files from outside; nothing here is simulated.

use klamm_conformance::{Broker, Client, Tool};

/// A broker and one client of it.
fn pair(tool: Tool) -> (Broker, Client) {
    let broker = Broker::start();
    let client = Client::start(tool, broker.addr());
    (broker, client)
}

/// One test for each client that takes commands.
macro_rules! with_each_client {
    ($check:path) => {
        #[test]
        fn kafka_python() {
            $check(klamm_conformance::Tool::KafkaPython);
        }
        #[test]
        fn confluent() {
            $check(klamm_conformance::Tool::Confluent);
        }
        #[test]
        fn aiokafka() {
            $check(klamm_conformance::Tool::Aiokafka);
        }
        #[test]
        fn kafkajs() {
            $check(klamm_conformance::Tool::Kafkajs);
        }
        #[test]
        fn java() {
            $check(klamm_conformance::Tool::Java);
        }
        #[test]
        fn franz_go() {
            $check(klamm_conformance::Tool::FranzGo);
        }
        #[test]
        fn sarama() {
            $check(klamm_conformance::Tool::Sarama);
        }
    };
}

mod cross;
mod kcat;
mod offsets;
mod restart;
mod round_trip;
mod topics;
mod wake;
