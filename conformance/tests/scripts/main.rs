//! Scripts of members of groups, in every client that has them, and runs of Kafka's own tools (`tools`): against a `klamm` of each test's own, and, where
//! `KLAMM_CONFORMANCE_BOOTSTRAP` names Apache Kafka, against it at the same time; what the scripts tell must be equal.
#![allow(clippy::disallowed_methods)] // Drives real processes from outside; nothing here is simulated.

mod script;

use std::{env, thread};

use klamm_conformance::{Server, Tool};

use crate::script::{Script, Told};

/// One test for each client that takes commands.
macro_rules! with_each_client {
    ($script:path, without: $without:expr) => {
        with_each_client! { $script, $without,
            kafka_python KafkaPython confluent Confluent aiokafka Aiokafka kafkajs Kafkajs
            java Java franz_go FranzGo sarama Sarama
        }
    };
    ($script:path, $without:expr, $($name:ident $tool:ident)*) => {
        $(
            #[test]
            fn $name() {
                crate::agree(klamm_conformance::Tool::$tool, &$without, $script);
            }
        )*
    };
}

mod auto_commit;
mod cooperative;
mod deaths;
mod members;
mod pausing;
mod seeking;
mod statics;
mod tools;

/// Runs `script` with `tool` against both. The libraries in `without` must say that they can't; no other may.
fn agree(tool: Tool, without: &[Tool], script: fn(&mut Script) -> Told) {
    let klamm = Server::start(&["-c", "group.initial.rebalance.delay.ms=0"]);
    let run = |address: &str| {
        let mut script_run = Script::new(tool, address);
        match script(&mut script_run) {
            Ok(()) => script_run.told,
            Err(unsupported) => vec![unsupported],
        }
    };
    let (ours, theirs) = thread::scope(|scope| {
        let theirs = env::var("KLAMM_CONFORMANCE_BOOTSTRAP").ok().map(|kafka| {
            let address = kafka.clone();
            (kafka, scope.spawn(move || run(&address)))
        });
        let ours = run(klamm.addr());
        // Kafka's side may be tried again: some clients now and then get no group from it in time. Ours may not.
        let theirs = theirs.map(|(kafka, first)| first.join().unwrap_or_else(|_| run(&kafka)));
        (ours, theirs)
    });
    let can = !ours[0].starts_with(script::UNSUPPORTED);
    assert_eq!(can, !without.contains(&tool), "{tool:?}: {ours:?}");
    println!("{tool:?}:\n  {}", ours.join("\n  "));
    match theirs {
        Some(theirs) => assert_eq!(ours, theirs, "{tool:?}: what Klamm gave, and what Apache Kafka gave"),
        None => println!("  not compared: KLAMM_CONFORMANCE_BOOTSTRAP does not name Apache Kafka"),
    }
}
