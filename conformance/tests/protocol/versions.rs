//! Every version that ApiVersions tells is exercised here: an API without a row in [`exercise`] fails the test.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use klamm_conformance::{Broker, Raw, batch, records, to_fetch, to_produce, unique};
use klamm_protocol::create_topics::{CreatableTopic, CreatableTopicConfig};
use klamm_protocol::delete_topics::DeleteTopicState;
use klamm_protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::metadata::MetadataRequestTopic;
use klamm_protocol::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, DeleteTopicsRequest, ErrorCode,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, Uuid,
};

use crate::{admin, groups, pair};

/// The first versions of Produce and Fetch that name topics by id.
const BY_ID: i16 = 13;
/// Produce versions that are told for librdkafka's sake and not served.
const PRODUCE_TOLD_ONLY: RangeInclusive<i16> = 0..=2;

#[test]
fn every_version_that_is_told_is_served() {
    let (broker, mut raw) = pair();
    let table = told(&api_versions(&mut raw, 4));
    raw.producer(); // Apache Kafka needs a while before it gives the first one.
    let topic = unique("versions");
    raw.create(&topic, 1, &[]);
    for (key, versions) in table {
        let Ok(api) = ApiKey::try_from(key) else { panic!("an API of number {key} is told") };
        for version in versions {
            if api == ApiKey::Produce && PRODUCE_TOLD_ONLY.contains(&version) {
                continue;
            }
            let known = exercise(&mut raw, &topic, api, version);
            assert!(known || matches!(broker, Broker::External(_)), "{api} is told and not tested");
            if !known {
                break;
            }
        }
    }
}

#[test]
fn versions_beside_those_told_close_the_connection() {
    let (broker, mut raw) = pair();
    for (key, versions) in told(&api_versions(&mut raw, 4)) {
        let Ok(api) = ApiKey::try_from(key) else { continue };
        if api == ApiKey::ApiVersions {
            continue;
        }
        for version in [versions.start() - 1, versions.end() + 1] {
            let mut raw = Raw::connect(broker.addr());
            raw.write(&bare_request(key, version));
            assert!(raw.frame().is_none(), "{api} v{version} is answered");
        }
    }
    for version in PRODUCE_TOLD_ONLY {
        let mut raw = Raw::connect(broker.addr());
        raw.write(&bare_request(0, version));
        assert!(raw.frame().is_none(), "Produce v{version} is answered");
    }
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let (_broker, mut raw) = pair();
    for version in [5, 99, i16::MAX] {
        raw.write(&bare_request(ApiKey::ApiVersions.key(), version));
        let frame = raw.frame().expect("an answer");
        assert_eq!(frame[..4], 77i32.to_be_bytes(), "v{version}: the correlation id");
        assert_eq!(frame[4..6], ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes(), "v{version}: the code");
        assert_eq!(frame[6..], [0, 0, 0, 1, 0, 18, 0, 0, 0, 4], "v{version}: the versions to choose from");
    }
    assert!(api_versions(&mut raw, 3).error_code.is_ok(), "the connection lives on");
}

#[test]
fn software_names_of_api_versions_are_checked() {
    let (_broker, mut raw) = pair();
    for (name, version, fits) in [
        ("k-l.m", "1.0", true),
        ("", "1", false),
        ("-k", "1", false),
        ("k\n", "1", false),
        ("k", "1 2", false),
    ] {
        let request =
            ApiVersionsRequest { client_software_name: name.into(), client_software_version: version.into() };
        let code = raw.ask(3, &request).error_code;
        assert_eq!(code == ErrorCode::NONE, fits, "{name:?} {version:?}: {code:?}");
    }
}

/// Length, then a header with correlation id 77 and no client id, flexible or not: some bytes are left over.
fn bare_request(key: i16, version: i16) -> Vec<u8> {
    let mut body = vec![];
    body.extend(key.to_be_bytes());
    body.extend(version.to_be_bytes());
    body.extend(77i32.to_be_bytes());
    body.extend([0xff, 0xff, 0, 0, 0]);
    [(body.len() as i32).to_be_bytes().to_vec(), body].concat()
}

fn api_versions(raw: &mut Raw, version: i16) -> ApiVersionsResponse<'static> {
    let request =
        ApiVersionsRequest { client_software_name: "klamm".into(), client_software_version: "1".into() };
    raw.ask(version, &request)
}

fn told(answer: &ApiVersionsResponse<'_>) -> BTreeMap<i16, RangeInclusive<i16>> {
    answer.api_keys.iter().map(|row| (row.api_key, row.min_version..=row.max_version)).collect()
}

/// Asks for what every version can, judges the answer. False for an API that it has no row for.
fn exercise(raw: &mut Raw, topic: &str, api: ApiKey, version: i16) -> bool {
    let what = format!("{api} v{version}");
    match api {
        ApiKey::Produce => produce(raw, topic, version, &what),
        ApiKey::Fetch => fetch(raw, topic, version, &what),
        ApiKey::ListOffsets => list_offsets(raw, topic, version, &what),
        ApiKey::Metadata => metadata(raw, topic, version, &what),
        ApiKey::ApiVersions => {
            let answer = api_versions(raw, version);
            assert!(answer.error_code.is_ok(), "{what}: {answer:?}");
            assert_eq!(told(&answer), told(&api_versions(raw, 4)), "{what} tells the same");
        }
        ApiKey::CreateTopics => create(raw, version, &what),
        ApiKey::DeleteTopics => delete(raw, version, &what),
        ApiKey::InitProducerId => {
            let request = InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms: 60_000,
                ..Default::default()
            };
            let (first, second) = (raw.ask(version, &request), raw.ask(version, &request));
            assert!(first.error_code.is_ok() && second.error_code.is_ok(), "{what}: {first:?} {second:?}");
            assert!(first.producer_id >= 0 && first.producer_epoch == 0, "{what}: {first:?}");
            assert_ne!(first.producer_id, second.producer_id, "{what}");
        }
        _ if groups::exercise(raw, topic, api, version, &what) => {}
        _ => return admin::exercise(raw, topic, api, version, &what),
    }
    true
}

fn produce(raw: &mut Raw, topic: &str, version: i16, what: &str) {
    let end = raw.end(topic, 0);
    let id = raw.topic_id(topic);
    let mut request = to_produce(topic, 0, batch(&["a", "b"]));
    request.topic_data[0].topic_id = id;
    let answer = raw.ask(version, &request);
    let data = &answer.responses[0];
    assert_eq!((&*data.name, data.topic_id), if version < BY_ID { (topic, Uuid::ZERO) } else { ("", id) });
    let partition = &data.partition_responses[0];
    assert_eq!((partition.error_code, partition.base_offset), (ErrorCode::NONE, end), "{what}");
    assert_eq!(partition.log_append_time_ms, -1, "{what}");
    assert_eq!(partition.log_start_offset, if version >= 5 { 0 } else { -1 }, "{what}");

    // Errors, too: they carry fields of their own.
    let mut bad = batch(&["a"]).to_vec();
    *bad.last_mut().expect("bytes") ^= 1;
    let mut request = to_produce(topic, 0, bad);
    request.topic_data[0].topic_id = id;
    let partition = &raw.ask(version, &request).responses[0].partition_responses[0];
    assert_eq!((partition.error_code, partition.base_offset), (ErrorCode::CORRUPT_MESSAGE, -1), "{what}");
    let mut request = to_produce("not-there", 0, batch(&["a"]));
    request.topic_data[0].topic_id = Uuid([7; 16]);
    let partition = &raw.ask(version, &request).responses[0].partition_responses[0];
    assert_eq!(partition.error_code, unknown_topic(version), "{what}");
    assert_eq!(raw.end(topic, 0), end + 2, "{what}: nothing else was appended");
}

fn unknown_topic(version: i16) -> ErrorCode {
    if version < BY_ID { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION } else { ErrorCode::UNKNOWN_TOPIC_ID }
}

fn fetch(raw: &mut Raw, topic: &str, version: i16, what: &str) {
    let base = raw.append(topic, 0, batch(&["x", "y", "z"]));
    let id = raw.topic_id(topic);
    for isolation_level in [0, 1] {
        let mut request = to_fetch(topic, 0, base);
        request.topics[0].topic_id = id;
        request.isolation_level = isolation_level;
        let answer = raw.ask(version, &request);
        assert_eq!((answer.error_code, answer.session_id), (ErrorCode::NONE, 0), "{what}");
        let data = &answer.responses[0];
        assert_eq!(
            (&*data.topic, data.topic_id),
            if version < BY_ID { (topic, Uuid::ZERO) } else { ("", id) }
        );
        let partition = &data.partitions[0];
        assert_eq!((partition.partition_index, partition.error_code), (0, ErrorCode::NONE), "{what}");
        assert_eq!((partition.high_watermark, partition.last_stable_offset), (base + 3, base + 3), "{what}");
        assert_eq!(partition.log_start_offset, if version >= 5 { 0 } else { -1 }, "{what}");
        let expected = [(base, "x"), (base + 1, "y"), (base + 2, "z")];
        assert_eq!(records(partition), expected.map(|(o, v)| (o, v.to_owned())), "{what}");
    }
    let mut request = to_fetch("not-there", 0, 0);
    request.topics[0].topic_id = Uuid([7; 16]);
    let answer = raw.ask(version, &request);
    assert_eq!(answer.responses[0].partitions[0].error_code, unknown_topic(version), "{what}");
    // A follower that may not: before version 7 only partitions have room for a code.
    let mut request = to_fetch(topic, 0, base);
    request.topics[0].topic_id = id;
    match version {
        ..=14 => request.replica_id = 2,
        15.. => request.replica_state.replica_id = 2,
    }
    let answer = raw.ask(version, &request);
    if version < 7 {
        assert!(answer.responses[0].partitions[0].error_code.is_err(), "{what}");
    }
}

fn list_offsets(raw: &mut Raw, topic: &str, version: i16, what: &str) {
    let base = raw.append(topic, 0, batch(&["x", "y", "z"]));
    let ask = |raw: &mut Raw, topic: &str, timestamp| {
        let partitions =
            vec![ListOffsetsPartition { timestamp, current_leader_epoch: -1, ..Default::default() }];
        let topics = vec![ListOffsetsTopic { name: topic.to_owned().into(), partitions }];
        raw.ask(version, &ListOffsetsRequest { replica_id: -1, topics, ..Default::default() })
            .topics
            .remove(0)
            .partitions
            .remove(0)
    };
    let latest = ask(raw, topic, -1);
    assert_eq!(
        (latest.error_code, latest.offset, latest.timestamp),
        (ErrorCode::NONE, base + 3, -1),
        "{what}"
    );
    assert_eq!(latest.leader_epoch >= 0, version >= 4, "{what}: {latest:?}");
    assert_eq!(ask(raw, topic, -2).offset, 0, "{what}");
    let timed = ask(raw, topic, 1_790_000_000_002);
    assert_eq!((timed.error_code, timed.timestamp), (ErrorCode::NONE, 1_790_000_000_002), "{what}");
    assert_eq!(ask(raw, topic, i64::MAX).offset, -1, "{what}: no record that late");
    let unknown = ask(raw, "not-there", -1);
    assert_eq!((unknown.error_code, unknown.offset), (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1), "{what}");
}

fn metadata(raw: &mut Raw, topic: &str, version: i16, what: &str) {
    let named =
        |name: &str| MetadataRequestTopic { name: Some(name.to_owned().into()), ..Default::default() };
    let made = unique("by-metadata");
    let request = MetadataRequest {
        topics: Some(vec![named(topic), named("no/slash")]),
        allow_auto_topic_creation: true,
        include_topic_authorized_operations: version >= 8,
        include_cluster_authorized_operations: (8..=10).contains(&version),
    };
    let answer = raw.ask(version, &request);
    assert_eq!(answer.brokers.len(), 1, "{what}: {answer:?}");
    let id = answer.brokers[0].node_id;
    assert_eq!(answer.controller_id, if version >= 1 { id } else { -1 }, "{what}");
    assert_eq!(answer.cluster_id.is_some(), version >= 2, "{what}");
    assert_eq!(answer.cluster_authorized_operations != i32::MIN, (8..=10).contains(&version), "{what}");
    let find =
        |name: &str| answer.topics.iter().find(|t| t.name.as_deref() == Some(name)).expect("the topic");
    let found = find(topic);
    assert_eq!((found.error_code, found.is_internal), (ErrorCode::NONE, false), "{what}");
    assert_eq!(found.topic_id != Uuid::ZERO, version >= 10, "{what}");
    assert_eq!(found.topic_authorized_operations != i32::MIN, version >= 8, "{what}");
    let partition = &found.partitions[0];
    assert_eq!((partition.leader_id, partition.partition_index), (id, 0), "{what}");
    assert_eq!(partition.leader_epoch >= 0, version >= 7, "{what}");
    assert_eq!((&partition.replica_nodes, &partition.isr_nodes), (&vec![id], &vec![id]), "{what}");
    assert_eq!(find("no/slash").error_code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{what}");

    let all =
        raw.ask(version, &MetadataRequest { topics: (version == 0).then(Vec::new), ..Default::default() });
    assert!(
        all.topics.iter().any(|t| t.name.as_deref() == Some(topic)),
        "{what}: null (v0: empty) means all"
    );
    if version >= 1 {
        let none = raw.ask(version, &MetadataRequest { topics: Some(vec![]), ..Default::default() });
        assert!(none.topics.is_empty() && none.brokers.len() == 1, "{what}: empty means none");
    }
    if version >= 4 {
        let topics = Some(vec![named(&made)]);
        let request = MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() };
        let code = raw.ask(version, &request).topics[0].error_code;
        assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "{what}: not made unasked");
    }
    if version >= 12 {
        let by_id = |topic_id| MetadataRequestTopic { topic_id, name: None };
        let topics = Some(vec![by_id(found.topic_id), by_id(Uuid([7; 16]))]);
        let answer = raw.ask(version, &MetadataRequest { topics, ..Default::default() });
        assert!(answer.topics.iter().any(|t| t.name.as_deref() == Some(topic)), "{what} by id: {answer:?}");
        let unknown = answer.topics.iter().find(|t| t.topic_id == Uuid([7; 16])).expect("the other");
        assert_eq!((unknown.error_code, &unknown.name), (ErrorCode::UNKNOWN_TOPIC_ID, &None), "{what}");
    }
}

fn create(raw: &mut Raw, version: i16, what: &str) {
    let name = unique("created");
    let config = |value: &'static str| {
        vec![CreatableTopicConfig { name: "retention.ms".into(), value: Some(value.into()) }]
    };
    let topic = |name: &str, configs| CreatableTopic {
        name: name.to_owned().into(),
        num_partitions: 2,
        replication_factor: 1,
        configs,
        ..Default::default()
    };
    let topics = vec![
        topic(&name, config("1000")),
        topic("no/slash", vec![]),
        topic(&unique("bad"), config("a day")),
        CreatableTopic { replication_factor: 3, ..topic(&unique("replicated"), vec![]) },
    ];
    let request = CreateTopicsRequest { topics, timeout_ms: 10_000, validate_only: false };
    let answer = raw.ask(version, &request);
    let code = |part: &str| {
        answer.topics.iter().find(|t| t.name.contains(part)).map(|t| t.error_code).expect("a topic's answer")
    };
    assert_eq!(code("no/slash"), ErrorCode::INVALID_TOPIC_EXCEPTION, "{what}");
    assert_eq!(code("bad"), ErrorCode::INVALID_CONFIG, "{what}");
    assert_eq!(code("replicated"), ErrorCode::INVALID_REPLICATION_FACTOR, "{what}");
    let made = answer.topics.iter().find(|t| t.name == name).expect("the topic");
    assert_eq!((made.error_code, &made.error_message), (ErrorCode::NONE, &None), "{what}");
    assert_eq!(made.topic_id != Uuid::ZERO, version >= 7, "{what}");
    if version >= 5 {
        assert_eq!((made.num_partitions, made.replication_factor), (2, 1), "{what}");
        let configs = made.configs.as_ref().expect("configurations");
        let retention = configs.iter().find(|c| c.name == "retention.ms").expect("the configuration");
        assert_eq!((retention.value.as_deref(), retention.config_source), (Some("1000"), 1), "{what}");
    }
    let again = CreateTopicsRequest { topics: vec![topic(&name, vec![])], validate_only: true, ..request };
    assert_eq!(raw.ask(version, &again).topics[0].error_code, ErrorCode::TOPIC_ALREADY_EXISTS, "{what}");
    let name = unique("only-validated");
    let only = CreateTopicsRequest { topics: vec![topic(&name, vec![])], ..again };
    assert_eq!(raw.ask(version, &only).topics[0].error_code, ErrorCode::NONE, "{what}");
    assert_eq!(raw.topic(&name).error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "{what}: only validated");
}

fn delete(raw: &mut Raw, version: i16, what: &str) {
    let (name, other) = (unique("deleted"), unique("deleted"));
    raw.create(&name, 1, &[]);
    let id = raw.create(&other, 1, &[]).topic_id;
    let mut request = DeleteTopicsRequest { timeout_ms: 10_000, ..Default::default() };
    if version < 6 {
        request.topic_names = vec![name.clone().into(), other.clone().into(), "not-there".into()];
    } else {
        let named =
            |name: &str| DeleteTopicState { name: Some(name.to_owned().into()), ..Default::default() };
        let by_id = |topic_id| DeleteTopicState { name: None, topic_id };
        request.topics = vec![named(&name), by_id(id), named("not-there"), by_id(Uuid([7; 16]))];
    }
    let answer = raw.ask(version, &request);
    let code = |wanted: &str| {
        answer.responses.iter().find(|r| r.name.as_deref() == Some(wanted)).map(|r| r.error_code)
    };
    assert_eq!((code(&name), code(&other)), (Some(ErrorCode::NONE), Some(ErrorCode::NONE)), "{what}");
    assert_eq!(code("not-there"), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{what}");
    if version >= 6 {
        let unknown = answer.responses.iter().find(|r| r.topic_id == Uuid([7; 16])).expect("the unknown id");
        assert_eq!(unknown.error_code, ErrorCode::UNKNOWN_TOPIC_ID, "{what}");
    }
    // Kafka's brokers follow a little later.
    let deadline = Instant::now() + Duration::from_secs(5);
    while raw.produce(&name, 0, batch(&["late"])).error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
        assert!(Instant::now() < deadline, "{what}: it is gone");
    }
}
