//! CreateTopics and Metadata beyond what clients try: auto-creation, names, requests of odd forms.

use klamm_conformance::{Raw, Server, batch, unique};
use klamm_protocol::create_topics::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use klamm_protocol::delete_topics::DeleteTopicState;
use klamm_protocol::metadata::MetadataRequestTopic;
use klamm_protocol::{CreateTopicsRequest, DeleteTopicsRequest, ErrorCode, MetadataRequest, Uuid};

use crate::pair;

/// Names that no topic can have.
fn bad_names() -> Vec<String> {
    let mut names: Vec<_> =
        ["", ".", "..", "../x", "a/b", "a b", "ü", "a\0b", "a\r\nb", "\x1b[31mred"].map(str::to_owned).into();
    names.push("x".repeat(250));
    names
}

#[test]
fn names_that_no_topic_can_have() {
    let (_broker, mut raw) = pair();
    for name in bad_names() {
        let topics = vec![plain(&name)];
        let made = raw.ask(5, &CreateTopicsRequest { topics, timeout_ms: 1000, ..Default::default() });
        assert_eq!(made.topics[0].error_code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{name:?}");
        for allow in [true, false] {
            let code = metadata(&mut raw, &name, allow);
            assert_eq!(code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{name:?}, auto-creation {allow}");
        }
        let code = raw.produce(&name, 0, batch(&["x"])).error_code;
        assert!(
            [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::INVALID_TOPIC_EXCEPTION].contains(&code),
            "{name:?}: {code:?}"
        );
        raw.fetch(&name, 0, 0);
        raw.offset(&name, 0, -1, -1);
    }
    let longest = format!("{}{}", unique("x"), "x".repeat(249));
    raw.create(&longest[..249], 1, &[]);
}

#[test]
fn auto_creation_on_and_off() {
    let (_broker, mut raw) = pair();
    let name = unique("auto");
    assert_eq!(metadata(&mut raw, &name, false), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "not wanted");
    let code = metadata(&mut raw, &name, true);
    assert!(
        [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::LEADER_NOT_AVAILABLE]
            .contains(&code)
    );
    let off = Server::start(&["-c", "auto.create.topics.enable=false"]);
    let mut raw = Raw::connect(off.addr());
    assert_eq!(metadata(&mut raw, &name, true), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "not allowed");
    assert_eq!(raw.topic(&name).error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn auto_created_topics_have_the_default_partitions() {
    let server = Server::start(&["-c", "num.partitions=4"]);
    let mut raw = Raw::connect(server.addr());
    let name = unique("auto");
    assert_eq!(metadata(&mut raw, &name, true), ErrorCode::NONE);
    assert_eq!(raw.topic(&name).partitions.len(), 4);
}

#[test]
fn odd_requests_get_a_code() {
    let (broker, mut raw) = pair();
    let name = unique("odd");
    let mut code = |topics: Vec<CreatableTopic<'static>>| {
        let request = CreateTopicsRequest { topics, timeout_ms: 10_000, validate_only: true };
        raw.ask(7, &request).topics[0].error_code
    };
    assert_eq!(code(vec![plain(&name), plain(&name)]), ErrorCode::INVALID_REQUEST, "named twice");
    assert_eq!(
        code(vec![CreatableTopic { num_partitions: 0, ..plain(&name) }]),
        ErrorCode::INVALID_PARTITIONS
    );
    assert_eq!(
        code(vec![CreatableTopic { num_partitions: -2, ..plain(&name) }]),
        ErrorCode::INVALID_PARTITIONS
    );
    let factor = |replication_factor| vec![CreatableTopic { replication_factor, ..plain(&name) }];
    assert_eq!(code(factor(0)), ErrorCode::INVALID_REPLICATION_FACTOR);
    assert_eq!(code(factor(2)), ErrorCode::INVALID_REPLICATION_FACTOR);
    let config = |name: &'static str, value: Option<&'static str>| {
        let configs = vec![CreatableTopicConfig { name: name.into(), value: value.map(Into::into) }];
        vec![CreatableTopic { configs, ..plain("odd-config") }]
    };
    assert_eq!(code(config("no.such.config", Some("1"))), ErrorCode::INVALID_CONFIG);
    assert_eq!(code(config("retention.ms", Some("x"))), ErrorCode::INVALID_CONFIG);
    assert_eq!(code(config("retention.ms", None)), ErrorCode::INVALID_CONFIG);
    let assigned = |assignments: &[(i32, i32)]| {
        let of = |&(partition_index, broker): &(i32, i32)| CreatableReplicaAssignment {
            partition_index,
            broker_ids: vec![broker],
        };
        let assignments = assignments.iter().map(of).collect();
        let (num_partitions, replication_factor) = (-1, -1);
        vec![CreatableTopic { assignments, num_partitions, replication_factor, ..plain("odd-assigned") }]
    };
    assert_eq!(code(assigned(&[(0, 1), (1, 1)])), ErrorCode::NONE);
    assert_eq!(code(assigned(&[(0, 9)])), ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(code(assigned(&[(0, 1), (2, 1)])), ErrorCode::INVALID_REPLICA_ASSIGNMENT);

    // A name and an id, or neither.
    for topic in [
        DeleteTopicState { name: Some(name.clone().into()), topic_id: Uuid([7; 16]) },
        DeleteTopicState { name: None, topic_id: Uuid::ZERO },
    ] {
        let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
        // Kafka refuses the request as a whole, in the same code.
        let mut raw = Raw::connect(broker.addr());
        if let Some(answer) = raw.try_ask(6, &request) {
            assert_eq!(answer.responses[0].error_code, ErrorCode::INVALID_REQUEST);
        }
    }
}

/// Versions 10 and 11 have room for ids and null names in requests, and none in answers.
#[test]
fn ids_in_metadata_before_version_12_are_refused() {
    let (broker, _) = pair();
    for version in [10, 11] {
        for topic in [
            MetadataRequestTopic { topic_id: Uuid([7; 16]), name: None },
            MetadataRequestTopic { topic_id: Uuid([7; 16]), name: Some("named".into()) },
            MetadataRequestTopic { topic_id: Uuid::ZERO, name: None },
        ] {
            let mut raw = Raw::connect(broker.addr());
            let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
            let answer = raw.try_ask(version, &request).expect("an answer");
            assert_eq!(answer.topics[0].error_code, ErrorCode::INVALID_REQUEST, "v{version}: {answer:?}");
        }
    }
}

#[test]
fn names_that_differ_in_dots_and_underscores_collide() {
    let (broker, mut raw) = pair();
    let name = unique("col.lides");
    raw.create(&name, 1, &[]);
    let topics = vec![plain(&name.replace('.', "_"))];
    let answer = raw.ask(7, &CreateTopicsRequest { topics, timeout_ms: 1000, ..Default::default() });
    assert_eq!(answer.topics[0].error_code, ErrorCode::INVALID_TOPIC_EXCEPTION);
    drop(broker);
}

fn plain(name: &str) -> CreatableTopic<'static> {
    CreatableTopic {
        name: name.to_owned().into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    }
}

fn metadata(raw: &mut Raw, name: &str, allow_auto_topic_creation: bool) -> ErrorCode {
    let topic = MetadataRequestTopic { name: Some(name.to_owned().into()), ..Default::default() };
    let topics = Some(vec![topic]);
    raw.ask(9, &MetadataRequest { topics, allow_auto_topic_creation, ..Default::default() }).topics[0]
        .error_code
}
