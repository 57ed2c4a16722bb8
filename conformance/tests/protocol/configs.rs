//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs.

use klamm_conformance::{Raw, Server, batch, unique};
use klamm_protocol::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult,
};
use klamm_protocol::{
    AlterConfigsRequest, DescribeConfigsRequest, ErrorCode, IncrementalAlterConfigsRequest, alter_configs,
    incremental_alter_configs as incremental,
};

use crate::admin::until;
use crate::pair;

pub(crate) const TOPIC: i8 = 2;
pub(crate) const BROKER: i8 = 4;
pub(crate) const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(crate) fn describe(
    raw: &mut Raw,
    version: i16,
    kind: i8,
    name: &str,
    keys: Option<&[&str]>,
) -> DescribeConfigsResult<'static> {
    let resource = DescribeConfigsResource {
        resource_type: kind,
        resource_name: name.to_owned().into(),
        configuration_keys: keys.map(|keys| keys.iter().map(|key| (*key).to_owned().into()).collect()),
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: version >= 3,
    };
    raw.ask(version, &request).results.remove(0)
}

fn row(raw: &mut Raw, topic: &str, key: &str) -> DescribeConfigsResourceResult<'static> {
    describe(raw, 4, TOPIC, topic, Some(&[key])).configs.remove(0)
}

fn value(raw: &mut Raw, topic: &str, key: &str) -> String {
    row(raw, topic, key).value.expect("a value").into_owned()
}

type Told = (ErrorCode, Option<String>);

fn change_as(
    raw: &mut Raw,
    version: i16,
    resource: (i8, &str),
    configs: &[(&str, i8, Option<&str>)],
    validate_only: bool,
) -> Told {
    let config = |(name, config_operation, value): &(&str, i8, Option<&str>)| incremental::AlterableConfig {
        name: (*name).to_owned().into(),
        config_operation: *config_operation,
        value: value.map(|value| value.to_owned().into()),
    };
    let resource = incremental::AlterConfigsResource {
        resource_type: resource.0,
        resource_name: resource.1.into(),
        configs: configs.iter().map(config).collect(),
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only };
    let answer = raw.ask(version, &request).responses.remove(0);
    (answer.error_code, answer.error_message.map(Into::into))
}

pub(crate) fn change(raw: &mut Raw, topic: &str, configs: &[(&str, i8, Option<&str>)]) -> Told {
    change_as(raw, 1, (TOPIC, topic), configs, false)
}

fn replace(raw: &mut Raw, version: i16, resource: (i8, &str), configs: &[(&str, Option<&str>)]) -> Told {
    let config = |(name, value): &(&str, Option<&str>)| alter_configs::AlterableConfig {
        name: (*name).to_owned().into(),
        value: value.map(|value| value.to_owned().into()),
    };
    let resource = alter_configs::AlterConfigsResource {
        resource_type: resource.0,
        resource_name: resource.1.into(),
        configs: configs.iter().map(config).collect(),
    };
    let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer = raw.ask(version, &request).responses.remove(0);
    (answer.error_code, answer.error_message.map(Into::into))
}

/// DescribeConfigs, what every version can.
pub(crate) fn describe_every_version(raw: &mut Raw, topic: &str, version: i16, what: &str) {
    let all = describe(raw, version, TOPIC, topic, None);
    assert!(all.error_code.is_ok() && all.configs.len() > 30, "{what}: {all:?}");
    let bytes = all.configs.iter().find(|c| c.name == "max.message.bytes").expect("the configuration");
    assert_eq!((bytes.value.as_deref(), bytes.config_source), (Some("1048588"), 5), "{what}");
    assert_eq!(bytes.synonyms[0].name, "message.max.bytes", "{what}");
    assert_eq!(bytes.config_type, if version >= 3 { 3 } else { 0 }, "{what}");
    assert_eq!(bytes.documentation.as_deref().unwrap_or_default().is_empty(), version < 3, "{what}");
    let unknown = describe(raw, version, TOPIC, "not-there", None);
    assert_eq!(unknown.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "{what}");
}

/// AlterConfigs, what every version can.
pub(crate) fn alter_every_version(raw: &mut Raw, version: i16, what: &str) {
    let name = unique("altered");
    raw.create(&name, 1, &[]);
    assert_eq!(
        replace(raw, version, (TOPIC, &name), &[("retention.ms", Some("77"))]).0,
        ErrorCode::NONE,
        "{what}"
    );
    until(|| value(raw, &name, "retention.ms") == "77");
    let bad = replace(raw, version, (TOPIC, &name), &[("no.such", Some("77"))]);
    assert_eq!((bad.0, bad.1.is_some()), (ErrorCode::INVALID_CONFIG, true), "{what}");
}

/// IncrementalAlterConfigs, what every version can.
pub(crate) fn change_every_version(raw: &mut Raw, version: i16, what: &str) {
    let name = unique("changed");
    raw.create(&name, 1, &[]);
    let set: &[_] = &[("retention.ms", SET, Some("77"))];
    assert_eq!(change_as(raw, version, (TOPIC, &name), set, true).0, ErrorCode::NONE, "{what}");
    assert_eq!(row(raw, &name, "retention.ms").config_source, 5, "{what}: only validated");
    assert_eq!(change_as(raw, version, (TOPIC, &name), set, false).0, ErrorCode::NONE, "{what}");
    until(|| value(raw, &name, "retention.ms") == "77");
    let bad = change_as(raw, version, (TOPIC, &name), &[("no.such", SET, Some("77"))], false);
    assert_eq!((bad.0, bad.1.is_some()), (ErrorCode::INVALID_CONFIG, true), "{what}");
}

#[test]
fn a_topics_configuration_is_told() {
    let (_broker, mut raw) = pair();
    let name = unique("told");
    raw.create(&name, 1, &[("max.message.bytes", "5000")]);
    let own = row(&mut raw, &name, "max.message.bytes");
    assert_eq!((own.value.as_deref(), own.config_source, own.read_only), (Some("5000"), 1, false));
    let synonyms: Vec<_> = own.synonyms.iter().map(|s| (&*s.name, s.value.as_deref(), s.source)).collect();
    let expected = [("max.message.bytes", Some("5000"), 1), ("message.max.bytes", Some("1048588"), 5)];
    assert_eq!(synonyms, expected);
    let kinds = [
        ("preallocate", 1),
        ("compression.type", 2),
        ("min.insync.replicas", 3),
        ("retention.ms", 5),
        ("min.cleanable.dirty.ratio", 6),
        ("cleanup.policy", 7),
        ("leader.replication.throttled.replicas", 7),
    ];
    for (key, kind) in kinds {
        let row = row(&mut raw, &name, key);
        assert_eq!((row.config_type, row.is_sensitive), (kind, false), "{key}");
    }
    for (key, synonyms) in
        [("retention.ms", 0), ("flush.ms", 0), ("segment.bytes", 1), ("remote.storage.enable", 0)]
    {
        assert_eq!(row(&mut raw, &name, key).synonyms.len(), synonyms, "{key}");
    }
    assert!(describe(&mut raw, 4, TOPIC, &name, Some(&["no.such"])).configs.is_empty());
    assert!(describe(&mut raw, 4, TOPIC, &name, Some(&[])).configs.len() > 30, "no keys are all keys");
    let code = |raw: &mut Raw, kind, name: &str| describe(raw, 4, kind, name, None).error_code;
    assert_eq!(code(&mut raw, TOPIC, "no/slash"), ErrorCode::INVALID_TOPIC_EXCEPTION);
    assert_eq!(code(&mut raw, 77, "x"), ErrorCode::INVALID_REQUEST);
    assert_eq!(code(&mut raw, BROKER, "99"), ErrorCode::INVALID_REQUEST);
    assert_eq!(code(&mut raw, BROKER, "x"), ErrorCode::INVALID_REQUEST);
}

#[test]
fn a_brokers_configuration_is_told() {
    let (_broker, mut raw) = pair();
    let id = raw.topic("not-there").error_code; // A connection that works.
    assert!(id.is_err());
    let all = describe(&mut raw, 4, BROKER, "1", None);
    let listed = all.configs.iter().find(|c| c.name == "message.max.bytes").expect("the key");
    assert_eq!((listed.value.as_deref(), listed.config_source, listed.config_type), (Some("1048588"), 5, 3));
    assert!(listed.documentation.is_some(), "{listed:?}");
    for (key, value, kind) in [
        ("broker.id", "1", 3),
        ("log.retention.hours", "168", 3),
        ("log.retention.bytes", "-1", 5),
        ("log.cleanup.policy", "delete", 7),
        ("log.segment.bytes", "1073741824", 3),
        ("compression.type", "producer", 2),
        ("log.message.timestamp.before.max.ms", "9223372036854775807", 5),
    ] {
        let row = all.configs.iter().find(|c| c.name == key).expect(key);
        assert_eq!(
            (row.value.as_deref(), row.config_type, row.is_sensitive),
            (Some(value), kind, false),
            "{key}"
        );
    }
    for key in ["log.retention.ms", "log.retention.minutes"] {
        let row = all.configs.iter().find(|c| c.name == key).expect(key);
        assert_eq!((row.value.as_deref(), row.config_source, row.synonyms.len()), (None, 5, 0), "{key}");
    }
    assert!(
        all.configs.iter().any(|c| c.name == "listeners") && all.configs.iter().any(|c| c.name == "log.dirs")
    );
}

#[test]
fn groups_and_subscriptions_are_described() {
    let (_broker, mut raw) = pair();
    for kind in [32, 16] {
        assert_eq!(describe(&mut raw, 4, kind, "somebody", None).error_code, ErrorCode::NONE, "{kind}");
        assert_eq!(describe(&mut raw, 4, kind, "", None).error_code, ErrorCode::INVALID_REQUEST, "{kind}");
    }
}

#[test]
fn a_topic_has_what_its_broker_was_given() {
    let server = Server::start(&["-c", "message.max.bytes=3000"]);
    let mut raw = Raw::connect(server.addr());
    let name = unique("given");
    raw.create(&name, 1, &[]);
    let given = row(&mut raw, &name, "max.message.bytes");
    assert_eq!((given.value.as_deref(), given.config_source), (Some("3000"), 4));
    let synonyms: Vec<_> = given.synonyms.iter().map(|s| (&*s.name, s.value.as_deref(), s.source)).collect();
    let expected = [("message.max.bytes", Some("3000"), 4), ("message.max.bytes", Some("1048588"), 5)];
    assert_eq!(synonyms, expected);
    let class = row(&mut raw, &name, "klamm.storage.class");
    assert_eq!((class.value.as_deref(), class.read_only), (Some("disk"), true));
    let told = change(&mut raw, &name, &[("klamm.storage.class", SET, Some("memory"))]);
    assert_eq!(told.0, ErrorCode::INVALID_CONFIG, "it is settled: {told:?}");
    assert_eq!(change(&mut raw, &name, &[("klamm.storage.class", SET, Some("disk"))]).0, ErrorCode::NONE);
    let told = change_as(&mut raw, 1, (BROKER, "1"), &[("num.partitions", SET, Some("2"))], false);
    assert_eq!(told.0, ErrorCode::INVALID_REQUEST, "a broker's is not changed: {told:?}");
}

#[test]
fn changes() {
    let (_broker, mut raw) = pair();
    let name = unique("changed");
    raw.create(&name, 1, &[("retention.ms", "1000")]);
    let told = change(
        &mut raw,
        &name,
        &[("cleanup.policy", APPEND, Some("compact")), ("retention.ms", DELETE, None)],
    );
    assert_eq!(told, (ErrorCode::NONE, None));
    until(|| value(&mut raw, &name, "cleanup.policy") == "delete,compact");
    assert_eq!(row(&mut raw, &name, "retention.ms").config_source, 5);
    assert_eq!(change(&mut raw, &name, &[("cleanup.policy", SUBTRACT, Some("delete"))]).0, ErrorCode::NONE);
    until(|| value(&mut raw, &name, "cleanup.policy") == "compact");

    let refused = |raw: &mut Raw, configs: &[(&str, i8, Option<&str>)]| change(raw, &name, configs);
    let invalid = |why: &str| (ErrorCode::INVALID_CONFIG, Some(why.to_owned()));
    assert_eq!(
        refused(&mut raw, &[("no.such", SET, Some("1"))]),
        invalid("Unknown topic config name: no.such")
    );
    assert_eq!(
        refused(&mut raw, &[("retention.ms", APPEND, Some("1"))]),
        invalid("Can't APPEND to key retention.ms because its type is not LIST.")
    );
    let set = |raw: &mut Raw, key, value| change_as(raw, 1, (TOPIC, &name), &[(key, SET, Some(value))], true);
    for (key, value, why) in [
        ("retention.ms", "x", "Not a number of type LONG"),
        ("retention.ms", "-2", "Value must be at least -1"),
        ("segment.bytes", "99999999999", "Not a number of type INT"),
        ("preallocate", "yes", "Expected value to be either true or false"),
        ("message.timestamp.type", "x", "String must be one of: CreateTime, LogAppendTime"),
        ("compression.gzip.level", "0", "Value must be between 1 and 9 or equal to -1"),
        ("compression.zstd.level", "23", "Value must be no more than 22"),
    ] {
        let why = format!("Invalid value {value} for configuration {key}: {why}");
        assert_eq!(set(&mut raw, key, value), invalid(&why));
    }
    assert_eq!(set(&mut raw, "remote.storage.enable", "true").0, ErrorCode::INVALID_CONFIG);
    for (key, value) in [("retention.ms", " 5 "), ("cleanup.policy", ""), ("preallocate", "TRUE")] {
        assert_eq!(set(&mut raw, key, value), (ErrorCode::NONE, None), "{key} {value:?}");
    }
    let crossed: &[_] =
        &[("min.compaction.lag.ms", SET, Some("50")), ("max.compaction.lag.ms", SET, Some("5"))];
    assert_eq!(
        refused(&mut raw, crossed),
        invalid("conflict topic config setting min.compaction.lag.ms (50) > max.compaction.lag.ms (5)")
    );
    assert_eq!(refused(&mut raw, &[("cleanup.policy", APPEND, Some("shred"))]).0, ErrorCode::INVALID_CONFIG);
    let request = |why: &str| (ErrorCode::INVALID_REQUEST, Some(why.to_owned()));
    assert_eq!(
        refused(&mut raw, &[("retention.ms", SET, None)]),
        request("Null value not supported for : retention.ms")
    );
    assert_eq!(
        refused(&mut raw, &[("retention.ms", SET, Some("1")), ("retention.ms", DELETE, None)]),
        request("Error due to duplicate config keys")
    );
    assert!(refused(&mut raw, &[("retention.ms", 9, Some("1"))]).0.is_err(), "no such operation");
    assert_eq!(
        change(&mut raw, "not-there", &[("retention.ms", SET, Some("1"))]),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some("The topic 'not-there' does not exist.".to_owned()))
    );
    let twice = || incremental::AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: name.as_str().into(),
        configs: vec![],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![twice(), twice()], validate_only: false };
    let answer = raw.ask(1, &request);
    let codes: Vec<_> = answer.responses.iter().map(|r| r.error_code).collect();
    assert!(codes.iter().all(|code| *code == ErrorCode::INVALID_REQUEST) && !codes.is_empty(), "{codes:?}");
    assert_eq!(value(&mut raw, &name, "cleanup.policy"), "compact", "nothing else was changed");
}

#[test]
fn a_replaced_configuration_forgets_the_rest() {
    let (_broker, mut raw) = pair();
    let name = unique("replaced");
    raw.create(&name, 1, &[("retention.ms", "1000"), ("cleanup.policy", "compact")]);
    assert_eq!(replace(&mut raw, 2, (TOPIC, &name), &[("segment.ms", Some("99"))]), (ErrorCode::NONE, None));
    until(|| value(&mut raw, &name, "segment.ms") == "99");
    assert_eq!(value(&mut raw, &name, "retention.ms"), "604800000");
    assert_eq!(value(&mut raw, &name, "cleanup.policy"), "delete");
    assert_eq!(replace(&mut raw, 2, (TOPIC, &name), &[("segment.ms", None)]).0, ErrorCode::INVALID_REQUEST);
    let double: &[_] = &[("segment.ms", Some("1")), ("segment.ms", Some("2"))];
    assert_eq!(replace(&mut raw, 2, (TOPIC, &name), double).0, ErrorCode::INVALID_REQUEST);
    assert_eq!(replace(&mut raw, 2, (TOPIC, "not-there"), &[]).0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(value(&mut raw, &name, "segment.ms"), "99");
}

/// From the next batch on.
#[test]
fn changes_hold_at_once() {
    let (_broker, mut raw) = pair();
    let name = unique("obeyed");
    raw.create(&name, 1, &[]);
    let large = batch(&["x".repeat(2000)]);
    raw.append(&name, 0, large.clone());
    assert_eq!(change(&mut raw, &name, &[("max.message.bytes", SET, Some("1000"))]).0, ErrorCode::NONE);
    until(|| raw.produce(&name, 0, large.clone()).error_code == ErrorCode::MESSAGE_TOO_LARGE);
    let configs: &[_] =
        &[("max.message.bytes", DELETE, None), ("message.timestamp.type", SET, Some("LogAppendTime"))];
    assert_eq!(change(&mut raw, &name, configs).0, ErrorCode::NONE);
    until(|| raw.produce(&name, 0, large.clone()).log_append_time_ms > 0);
}
