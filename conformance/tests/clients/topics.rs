//! CreateTopics, DeleteTopics, Metadata.

use std::thread;
use std::time::{Duration, Instant};

use klamm_conformance::{Broker, Client, Tool, unique};
use serde_json::{Value, json};

use crate::pair;

const INVALID_TOPIC: i64 = 17;
const TOPIC_ALREADY_EXISTS: i64 = 36;
const UNKNOWN_TOPIC: i64 = 3;

with_each_client!(check);

fn check(tool: Tool) {
    let (broker, mut client) = pair(tool);
    let topic = unique("topics");
    client.tell(
        json!({"do": "create", "topic": topic, "partitions": 3, "configs": {"retention.ms": "3600000"}}),
    );
    let partitions = eventually(&mut client, &topic, |found| found.is_some()).expect("created");
    let metadata = client.tell(json!({"do": "metadata"}));

    let brokers = metadata["brokers"].as_array().expect("brokers");
    assert_eq!(brokers.len(), 1, "{metadata}");
    let (host, port) = broker.addr().split_once(':').expect("HOST:PORT");
    assert_eq!(
        (brokers[0][1].as_str(), brokers[0][2].to_string()),
        (Some(host), port.to_owned()),
        "{metadata}"
    );
    let id = &brokers[0][0];
    assert_eq!(partitions, json!([[0, id], [1, id], [2, id]]), "partitions and their leaders");

    refuses(&mut client, json!({"do": "create", "topic": topic, "partitions": 1}), TOPIC_ALREADY_EXISTS);
    refuses(&mut client, json!({"do": "create", "topic": "no/slash"}), INVALID_TOPIC);
    client.tell(json!({"do": "delete", "topic": topic}));
    eventually(&mut client, &topic, |found| found.is_none());
    refuses(&mut client, json!({"do": "delete", "topic": topic}), UNKNOWN_TOPIC);
}

#[test]
fn kafka_topics() {
    let broker = Broker::start();
    let topic = unique("tool");
    let run = |arguments: &[&str]| {
        let output = Tool::Topics.run(&[&["--bootstrap-server", broker.addr()], arguments].concat(), vec![]);
        String::from_utf8(output).expect("text")
    };
    run(&["--create", "--topic", &topic, "--partitions", "2"]);
    assert!(run(&["--list"]).lines().any(|line| line == topic), "the topic is listed");
    run(&["--delete", "--topic", &topic]);
    assert!(!run(&["--list"]).lines().any(|line| line == topic), "the topic is gone");
}

fn refuses(client: &mut Client, command: Value, code: i64) {
    match client.ask(command.clone()) {
        Ok(answer) => panic!("{command} was accepted: {answer}"),
        Err(refusal) => assert_eq!(refusal.code, Some(code), "{command}: {}", refusal.error),
    }
}

/// Asks for metadata until `topic` is as wanted: Kafka's metadata follow a change a little later.
fn eventually(client: &mut Client, topic: &str, wanted: impl Fn(Option<&Value>) -> bool) -> Option<Value> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let metadata = client.tell(json!({"do": "metadata"}));
        let found = metadata["topics"].get(topic);
        if wanted(found) {
            return found.cloned();
        }
        assert!(Instant::now() < deadline, "{topic} in {metadata}");
        thread::sleep(Duration::from_millis(100));
    }
}
