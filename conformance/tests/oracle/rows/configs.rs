//! Configurations: described and altered.

use serde_json::{Value, json};

use crate::run::Run;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;
const METRICS: i8 = 16;
const GROUP: i8 = 32;

/// Keys of brokers that both have, beside those that are asked in every version.
const SHARED_KEYS: [&str; 23] = [
    "auto.create.topics.enable",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "connections.max.idle.ms",
    "fetch.max.bytes",
    "group.initial.rebalance.delay.ms",
    "group.max.session.timeout.ms",
    "group.max.size",
    "group.min.session.timeout.ms",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.type",
    "log.retention.bytes",
    "log.retention.check.interval.ms",
    "max.incremental.fetch.session.cache.slots",
    "message.max.bytes",
    "offset.metadata.max.bytes",
    "offsets.retention.check.interval.ms",
    "offsets.retention.minutes",
    "producer.id.expiration.ms",
    "socket.request.max.bytes",
];

/// Asks all of them.
pub(crate) fn rows(run: &mut Run) {
    describing(run);
    order(run);
    altering(run);
    adding(run);
}

fn describe(kind: i8, name: &str, keys: Value) -> Value {
    json!({"resources": [{"resourceType": kind, "resourceName": name, "configurationKeys": keys}], "includeSynonyms": true})
}

fn describing(run: &mut Run) {
    let topic = run.topic_with("described", 1, json!([{"name": "retention.ms", "value": "5000"}]));
    let absent = run.name("absent");
    for keys in [
        json!(["retention.ms"]),
        json!(["segment.bytes"]),
        json!(["cleanup.policy"]),
        json!(["compression.type"]),
        json!(["max.message.bytes"]),
        json!(["message.timestamp.type"]),
        json!(["no.such.config"]),
        json!([]),
        json!(["retention.ms", "retention.ms"]),
        json!(["retention.ms", "no.such.config", "flush.ms"]),
    ] {
        run.ask(&format!("{keys}"), "DescribeConfigs", .., describe(TOPIC, &topic, keys));
    }
    let one = json!(["retention.ms"]);
    run.ask("an unknown topic", "DescribeConfigs", .., describe(TOPIC, &absent, one.clone()));
    let unknown = json!(["no.such.config"]);
    run.ask(
        "an unknown topic, an unknown configuration",
        "DescribeConfigs",
        4,
        describe(TOPIC, &absent, unknown),
    );
    run.ask("an empty topic", "DescribeConfigs", .., describe(TOPIC, "", one.clone()));
    run.ask("a bad name", "DescribeConfigs", .., describe(TOPIC, "a b", one.clone()));
    run.ask("an unknown broker", "DescribeConfigs", .., describe(BROKER, "77", one.clone()));
    run.ask("a broker that is no number", "DescribeConfigs", .., describe(BROKER, "x", one.clone()));
    let brokers = |name: &str, keys: Value| describe(BROKER, name, keys);
    for key in [
        "num.partitions",
        "default.replication.factor",
        "log.retention.hours",
        "log.cleanup.policy",
        "no.such.config",
    ] {
        run.ask(&format!("of the broker: {key}"), "DescribeConfigs", .., brokers("1", json!([key])));
    }
    for key in SHARED_KEYS {
        run.ask(&format!("of the broker: {key}"), "DescribeConfigs", 4, brokers("1", json!([key])));
    }
    for key in ["listeners", "advertised.listeners", "node.id", "log.dirs"] {
        run.ask(&format!("of the broker: {key}"), "DescribeConfigs", 4, brokers("1", json!([key])));
    }
    run.ask("of all brokers", "DescribeConfigs", .., brokers("", json!(["num.partitions"])));
    for (row, name) in [("a group", "g"), ("no group", "")] {
        run.ask(row, "DescribeConfigs", .., describe(GROUP, name, Value::Null));
        run.ask(row, "DescribeConfigs", 4, describe(GROUP, name, json!(["consumer.session.timeout.ms"])));
    }
    for (row, name) in [("client metrics", "m"), ("no client metrics", "")] {
        run.ask(row, "DescribeConfigs", .., describe(METRICS, name, Value::Null));
        run.ask(row, "DescribeConfigs", 4, describe(METRICS, name, json!(["interval.ms"])));
    }
    let twice = |kind: i8, name: &str, keys: Value| {
        json!({"resources": [
        {"resourceType": kind, "resourceName": name, "configurationKeys": keys},
        {"resourceType": kind, "resourceName": name, "configurationKeys": ["retention.bytes"]}]})
    };
    run.ask("a topic twice", "DescribeConfigs", .., twice(TOPIC, &topic, one.clone()));
    run.ask("a broker twice", "DescribeConfigs", 4, twice(BROKER, "1", json!(["num.partitions"])));
    run.ask("an unknown topic twice", "DescribeConfigs", 4, twice(TOPIC, &absent, one.clone()));
    run.ask("no resource type", "DescribeConfigs", .., describe(0, "x", one.clone()));
    run.ask("an unknown resource type", "DescribeConfigs", .., describe(99, "x", one));
    run.ask("nothing", "DescribeConfigs", .., json!({"resources": []}));
}

/// Some clients read configurations by place.
fn order(run: &mut Run) {
    let topic = run.topic("ordered", 1);
    let by_name =
        ["cleanup.policy", "compression.type", "flush.ms", "max.message.bytes", "retention.ms", "segment.ms"];
    let of_brokers =
        ["default.replication.factor", "group.max.size", "listeners", "log.dirs", "num.partitions"];
    for (row, kind, name, keys) in
        [("a topic's", TOPIC, topic.as_str(), json!(by_name)), ("a broker's", BROKER, "1", json!(of_brokers))]
    {
        let request = describe(kind, name, keys);
        let answer = run.prepare("DescribeConfigs", 4, request.clone());
        let configs = answer["results"][0]["configs"].as_array().cloned().unwrap_or_default();
        let names: Vec<_> = configs.iter().map(|config| config["name"].clone()).collect();
        run.keep(format!("DescribeConfigs v4: {row} in order"), request, "", json!(names));
    }
}

fn altering(run: &mut Run) {
    let topic = run.topic("altered", 1);
    let absent = run.name("absent");
    let of = |kind: i8, name: &str, configs: Value| json!({"validateOnly": true, "resources": [{"resourceType": kind, "resourceName": name, "configs": configs}]});
    let one = |name: &str, value: Value| json!([{"name": name, "value": value}]);
    let retention = one("retention.ms", json!("1000"));
    run.ask("a value", "AlterConfigs", .., of(TOPIC, &topic, retention.clone()));
    run.ask("a bad value", "AlterConfigs", .., of(TOPIC, &topic, one("retention.ms", json!("abc"))));
    run.ask("a value out of range", "AlterConfigs", .., of(TOPIC, &topic, one("retention.ms", json!("-2"))));
    run.ask("an unknown key", "AlterConfigs", .., of(TOPIC, &topic, one("no.such.config", json!("1"))));
    run.ask("a null value", "AlterConfigs", .., of(TOPIC, &topic, one("retention.ms", Value::Null)));
    run.ask("an unknown topic", "AlterConfigs", .., of(TOPIC, &absent, retention.clone()));
    run.ask("an empty topic", "AlterConfigs", .., of(TOPIC, "", retention.clone()));
    run.ask(
        "an unknown broker",
        "AlterConfigs",
        ..,
        of(BROKER, "77", one("log.cleaner.threads", json!("2"))),
    );
    run.ask("an unknown resource type", "AlterConfigs", .., of(99, &topic, retention.clone()));
    run.ask("a logger", "AlterConfigs", .., of(LOGGER, "1", one("root", json!("INFO"))));
    run.ask("nothing", "AlterConfigs", .., json!({"resources": []}));
}

fn adding(run: &mut Run) {
    let topic = run.topic("added", 1);
    let absent = run.name("absent");
    let of = |kind: i8, name: &str, configs: Value| json!({"validateOnly": true, "resources": [{"resourceType": kind, "resourceName": name, "configs": configs}]});
    let one = |name: &str, operation: i8, value: Value| json!([{"name": name, "configOperation": operation, "value": value}]);
    for (row, configs) in [
        ("set", one("retention.ms", 0, json!("1000"))),
        ("delete", one("retention.ms", 1, Value::Null)),
        ("append to a list", one("cleanup.policy", 2, json!("compact"))),
        ("subtract from a list", one("cleanup.policy", 3, json!("delete"))),
        ("subtract what is not in it", one("cleanup.policy", 3, json!("compact"))),
        ("append to what is no list", one("retention.ms", 2, json!("1"))),
        ("subtract from what is no list", one("retention.ms", 3, json!("1"))),
        ("append null", one("cleanup.policy", 2, Value::Null)),
        ("append a bad value", one("cleanup.policy", 2, json!("nonsense"))),
        ("append a good and a bad value", one("cleanup.policy", 2, json!("compact,nonsense"))),
        ("append what is in it", one("cleanup.policy", 2, json!("delete"))),
        ("append a bad replica", one("leader.replication.throttled.replicas", 2, json!("x"))),
        ("set to null", one("retention.ms", 0, Value::Null)),
        ("an unknown operation", one("retention.ms", 9, json!("1"))),
        ("an unknown key", one("no.such.config", 0, json!("1"))),
        ("delete an unknown key", one("no.such.config", 1, Value::Null)),
        ("a bad value", one("retention.ms", 0, json!("abc"))),
        ("no configurations", json!([])),
        (
            "a key twice",
            json!([{"name": "retention.ms", "configOperation": 0, "value": "1"}, {"name": "retention.ms", "configOperation": 1, "value": null}]),
        ),
    ] {
        run.ask(row, "IncrementalAlterConfigs", .., of(TOPIC, &topic, configs));
    }
    let throttled = |name: &str, pairs: usize| json!({"name": name, "configOperation": 0, "value": vec!["0:1"; pairs].join(",")});
    let (leader, follower) =
        ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas");
    run.ask("a long list", "IncrementalAlterConfigs", 1, of(TOPIC, &topic, json!([throttled(leader, 8000)])));
    let both = json!([throttled(leader, 8000), throttled(follower, 8000)]);
    run.ask("two long lists", "IncrementalAlterConfigs", 1, of(TOPIC, &topic, both));
    let retention = one("retention.ms", 0, json!("1000"));
    run.ask("an unknown topic", "IncrementalAlterConfigs", .., of(TOPIC, &absent, retention.clone()));
    run.ask("an empty topic", "IncrementalAlterConfigs", .., of(TOPIC, "", retention.clone()));
    run.ask("an unknown broker", "IncrementalAlterConfigs", .., of(BROKER, "77", retention.clone()));
    run.ask("a broker that is no number", "IncrementalAlterConfigs", .., of(BROKER, "x", retention.clone()));
    run.ask("an unknown resource type", "IncrementalAlterConfigs", .., of(99, &topic, retention.clone()));
    let twice = json!({"validateOnly": true, "resources": [
        {"resourceType": TOPIC, "resourceName": topic, "configs": retention},
        {"resourceType": TOPIC, "resourceName": topic, "configs": retention}]});
    run.ask("a topic twice", "IncrementalAlterConfigs", .., twice);
    run.ask("nothing", "IncrementalAlterConfigs", .., json!({"resources": []}));
    run.ask("no types", "ListConfigResources", 1, json!({"resourceTypes": [99]}));
    run.ask("brokers", "ListConfigResources", 1, json!({"resourceTypes": [BROKER]}));
    run.ask("client metrics", "ListConfigResources", 0, json!({}));
}
