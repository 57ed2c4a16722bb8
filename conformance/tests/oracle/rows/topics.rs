//! Topics: made, grown, deleted, described by page; their logs' starts moved.

use serde_json::{Value, json};

use super::{UNKNOWN_ID, topic_of};
use crate::run::Run;

/// Asks all of them.
pub(crate) fn rows(run: &mut Run) {
    creating(run);
    assigning(run);
    configuring(run);
    growing(run);
    deleting(run);
    records(run);
    pages(run);
}

fn create(topics: Value) -> Value {
    json!({"topics": topics, "timeoutMs": 10000})
}

fn validate(topic: Value) -> Value {
    json!({"topics": [topic], "timeoutMs": 10000, "validateOnly": true})
}

fn creating(run: &mut Run) {
    for version in 2..=7 {
        let name = run.name(&format!("made-{version}"));
        let made = create(json!([{"name": name, "numPartitions": 2, "replicationFactor": 1}]));
        run.ask("a topic", "CreateTopics", version, made.clone());
        run.settle(&name);
        run.ask("a topic that is there", "CreateTopics", version, made);
    }
    run.ask("no topics", "CreateTopics", .., create(json!([])));
    let name = run.name("fresh");
    let plain = json!({"name": name, "numPartitions": 1, "replicationFactor": 1});
    run.ask("validated only", "CreateTopics", .., validate(plain.clone()));
    run.ask("twice in a request", "CreateTopics", .., create(json!([plain, plain])));
    for (row, partitions) in [("no partitions", 0), ("-2 partitions", -2), ("the default partitions", -1)] {
        let topic = json!({"name": name, "numPartitions": partitions, "replicationFactor": 1});
        run.ask(row, "CreateTopics", 4..=7, validate(topic));
    }
    for (row, replicas) in [
        ("no replicas", 0),
        ("-2 replicas", -2),
        ("3 replicas", 3),
        ("the default replicas", -1),
        ("32767 replicas", 32767),
    ] {
        let topic = json!({"name": name, "numPartitions": 1, "replicationFactor": replicas});
        run.ask(row, "CreateTopics", 4..=7, validate(topic));
    }
    let (long, longest) = ("x".repeat(250), "y".repeat(249));
    for (row, name) in [
        ("an empty name", ""),
        ("one dot", "."),
        ("two dots", ".."),
        ("a path", "../x"),
        ("a space", "a b"),
        ("a slash", "a/b"),
        ("umlauts", "käse"),
        ("250 characters", &long),
        ("249 characters", &longest),
        ("a colon", "a:b"),
    ] {
        let topic = json!({"name": name, "numPartitions": 1, "replicationFactor": 1});
        run.ask(row, "CreateTopics", 5, validate(topic));
    }
    let dotted = run.name("with.dot");
    run.topic("with.dot", 1);
    let topic = json!({"name": dotted.replace('.', "_"), "numPartitions": 1, "replicationFactor": 1});
    run.ask("a name that collides", "CreateTopics", 5, validate(topic));
    let topic = json!({"name": name, "numPartitions": 1, "replicationFactor": 1});
    run.ask(
        "a negative timeout",
        "CreateTopics",
        ..,
        json!({"topics": [topic], "timeoutMs": -1, "validateOnly": true}),
    );
    run.ask(
        "one good, one bad",
        "CreateTopics",
        7,
        json!({"topics": [topic, {"name": "a b", "numPartitions": 1, "replicationFactor": 1}], "timeoutMs": 1000, "validateOnly": true}),
    );
}

fn assigning(run: &mut Run) {
    let name = run.name("assigned");
    let of = |partition: i32, brokers: &[i32]| json!({"partitionIndex": partition, "brokerIds": brokers});
    for (row, assignments) in [
        ("one partition", json!([of(0, &[1])])),
        ("two partitions", json!([of(0, &[1]), of(1, &[1])])),
        ("a gap", json!([of(0, &[1]), of(2, &[1])])),
        ("not from 0 on", json!([of(1, &[1])])),
        ("a partition twice", json!([of(0, &[1]), of(0, &[1])])),
        ("a broker twice", json!([of(0, &[1, 1])])),
        ("an unknown broker", json!([of(0, &[7])])),
        ("a negative broker", json!([of(0, &[-1])])),
        ("no brokers", json!([of(0, &[])])),
        ("uneven counts", json!([of(0, &[1]), of(1, &[1, 2])])),
        ("a negative partition", json!([of(-1, &[1])])),
    ] {
        let topic =
            json!({"name": name, "numPartitions": -1, "replicationFactor": -1, "assignments": assignments});
        run.ask(&format!("assigned: {row}"), "CreateTopics", 7, validate(topic));
    }
    let both =
        json!({"name": name, "numPartitions": 1, "replicationFactor": -1, "assignments": [of(0, &[1])]});
    run.ask("a count beside assignments", "CreateTopics", 7, validate(both));
    let both =
        json!({"name": name, "numPartitions": -1, "replicationFactor": 1, "assignments": [of(0, &[1])]});
    run.ask("replicas beside assignments", "CreateTopics", 7, validate(both));
}

fn configuring(run: &mut Run) {
    let name = run.name("configured");
    let with = |key: &str, value: Value| {
        let configs = json!([{"name": key, "value": value}]);
        validate(json!({"name": name, "numPartitions": 1, "replicationFactor": 1, "configs": configs}))
    };
    for (key, value) in [
        ("retention.ms", "abc"),
        ("retention.ms", "-2"),
        ("retention.ms", ""),
        ("cleanup.policy", "compact,delete"),
        ("cleanup.policy", "nonsense"),
        ("cleanup.policy", "delete,nonsense"),
        ("cleanup.policy", "delete,delete"),
        ("cleanup.policy", ""),
        ("compression.type", "nope"),
        ("compression.zstd.level", "99"),
        ("compression.zstd.level", "-999999"),
        ("compression.gzip.level", "0"),
        ("compression.lz4.level", "18"),
        ("min.cleanable.dirty.ratio", "2"),
        ("min.cleanable.dirty.ratio", "-0.5"),
        ("min.cleanable.dirty.ratio", "x"),
        ("leader.replication.throttled.replicas", "x"),
        ("leader.replication.throttled.replicas", "*"),
        ("follower.replication.throttled.replicas", "0:1,x:1"),
        ("follower.replication.throttled.replicas", "0:1,,1:1"),
        ("max.message.bytes", "-1"),
        ("max.message.bytes", "99999999999"),
        ("min.insync.replicas", "0"),
        ("message.timestamp.type", "Whenever"),
        ("segment.bytes", "1"),
        ("preallocate", "maybe"),
        ("retention.ms", "99999999999999999999"),
        ("delete.retention.ms", "-1"),
        ("flush.messages", "0"),
        ("local.retention.ms", "-3"),
        ("segment.ms", "0"),
        ("no.such.config", "1"),
    ] {
        run.ask(&format!("{key}={value}"), "CreateTopics", 7, with(key, json!(value)));
    }
    run.ask("retention.ms=null", "CreateTopics", 7, with("retention.ms", Value::Null));
    let twice = json!([{"name": "retention.ms", "value": "1"}, {"name": "retention.ms", "value": "2"}]);
    let topic = json!({"name": name, "numPartitions": 1, "replicationFactor": 1, "configs": twice});
    run.ask("a configuration twice", "CreateTopics", 6, validate(topic));
}

fn growing(run: &mut Run) {
    let topic = run.topic("growing", 2);
    let grow = |topics: Value| json!({"topics": topics, "timeoutMs": 10000, "validateOnly": true});
    let to = |name: &str, count: i32| json!({"name": name, "count": count, "assignments": null});
    run.ask("3 partitions", "CreatePartitions", .., grow(json!([to(&topic, 3)])));
    run.ask("as many partitions", "CreatePartitions", .., grow(json!([to(&topic, 2)])));
    run.ask("fewer partitions", "CreatePartitions", .., grow(json!([to(&topic, 1)])));
    run.ask("no partitions", "CreatePartitions", 3, grow(json!([to(&topic, 0)])));
    run.ask("-1 partitions", "CreatePartitions", 3, grow(json!([to(&topic, -1)])));
    run.ask("more partitions than anyone has", "CreatePartitions", 3, grow(json!([to(&topic, i32::MAX)])));
    run.ask("an unknown topic", "CreatePartitions", .., grow(json!([to(&run.name("absent"), 3)])));
    run.ask("a bad name", "CreatePartitions", 3, grow(json!([to("a b", 3)])));
    run.ask("an empty name", "CreatePartitions", 3, grow(json!([to("", 3)])));
    run.ask("nothing", "CreatePartitions", .., grow(json!([])));
    run.ask("a topic twice", "CreatePartitions", .., grow(json!([to(&topic, 3), to(&topic, 4)])));
    for (row, count, assignments) in [
        ("one broker", 3, json!([{"brokerIds": [1]}])),
        ("too few", 4, json!([{"brokerIds": [1]}])),
        ("too many", 3, json!([{"brokerIds": [1]}, {"brokerIds": [1]}])),
        ("none", 3, json!([])),
        ("no brokers", 3, json!([{"brokerIds": []}])),
        ("a broker twice", 3, json!([{"brokerIds": [1, 1]}])),
        ("an unknown broker", 3, json!([{"brokerIds": [9]}])),
        ("more replicas than the topic has", 3, json!([{"brokerIds": [1, 2]}])),
    ] {
        let topic = json!({"name": topic, "count": count, "assignments": assignments});
        run.ask(&format!("assigned: {row}"), "CreatePartitions", 3, grow(json!([topic])));
    }
    let late = json!({"topics": [to(&topic, 3)], "timeoutMs": -1, "validateOnly": true});
    run.ask("a negative timeout", "CreatePartitions", .., late);
    let for_real = json!({"topics": [to(&topic, 3)], "timeoutMs": 10000});
    run.ask("3 partitions, for real", "CreatePartitions", 3, for_real);
    run.settle(&topic);
}

fn deleting(run: &mut Run) {
    for version in 1..=6 {
        let name = run.topic(&format!("doomed-{version}"), 1);
        let doomed = json!({"topicNames": [name], "topics": [{"name": name}], "timeoutMs": 10000});
        run.ask("a topic", "DeleteTopics", version, doomed.clone());
        run.gone(&name);
        run.ask("a deleted topic", "DeleteTopics", version, doomed);
    }
    let topic = run.topic("kept", 1);
    let id = run.id(&topic);
    let delete = |topics: Value| json!({"topics": topics, "timeoutMs": 10000});
    run.ask("nothing", "DeleteTopics", .., json!({"timeoutMs": 10000}));
    let late = json!({"topicNames": [topic], "topics": [{"name": topic}], "timeoutMs": -1});
    run.ask("a negative timeout", "DeleteTopics", .., late);
    run.ask("an unknown id", "DeleteTopics", 6, delete(json!([{"name": null, "topicId": UNKNOWN_ID}])));
    run.ask("neither name nor id", "DeleteTopics", 6, delete(json!([{"name": null}])));
    run.ask("a name and an id", "DeleteTopics", 6, delete(json!([{"name": topic, "topicId": id}])));
    run.ask("a name twice", "DeleteTopics", 6, delete(json!([{"name": topic}, {"name": topic}])));
    run.ask(
        "an id twice",
        "DeleteTopics",
        6,
        delete(json!([{"name": null, "topicId": id}, {"name": null, "topicId": id}])),
    );
    run.ask(
        "the same by name and by id",
        "DeleteTopics",
        6,
        delete(json!([{"name": topic}, {"name": null, "topicId": id}])),
    );
    run.ask("an unknown name twice", "DeleteTopics", 6, delete(json!([{"name": "nope"}, {"name": "nope"}])));
    run.ask(
        "an unknown name twice",
        "DeleteTopics",
        5,
        json!({"topicNames": ["nope", "nope"], "timeoutMs": 1000}),
    );
    run.ask("a bad name", "DeleteTopics", 6, delete(json!([{"name": "a b"}])));
    run.ask("an empty name", "DeleteTopics", 6, delete(json!([{"name": ""}])));
    run.ask("by id", "DeleteTopics", 6, delete(json!([{"name": null, "topicId": id}])));
}

fn records(run: &mut Run) {
    let topic = run.topic("records", 2);
    run.append(&topic, 0, &["a", "b", "c", "d"]);
    let delete = |partition: i32, offset: i64| {
        topic_of(
            &topic,
            json!([{"partitionIndex": partition, "offset": offset}]),
            json!({"timeoutMs": 10000}),
        )
    };
    run.ask("below the start", "DeleteRecords", .., delete(0, 0));
    run.ask("up to 1", "DeleteRecords", .., delete(0, 1));
    run.ask("to before the start", "DeleteRecords", 2, delete(0, 0));
    run.ask("beyond the end", "DeleteRecords", .., delete(0, 5));
    run.ask("a negative offset", "DeleteRecords", .., delete(0, -2));
    run.ask("all", "DeleteRecords", .., delete(0, -1));
    run.ask("of an empty partition", "DeleteRecords", 2, delete(1, -1));
    run.ask("a partition out of range", "DeleteRecords", .., delete(2, 0));
    run.ask("a negative partition", "DeleteRecords", 2, delete(-1, 0));
    run.ask("nothing", "DeleteRecords", .., json!({"timeoutMs": 1000}));
    run.ask("no partitions", "DeleteRecords", 2, topic_of(&topic, json!([]), json!({"timeoutMs": 1000})));
    let twice = json!([{"partitionIndex": 0, "offset": 1}, {"partitionIndex": 0, "offset": 4}]);
    run.ask("a partition twice", "DeleteRecords", 2, topic_of(&topic, twice, json!({"timeoutMs": 1000})));
    let absent = run.name("absent");
    let of = json!([{"partitionIndex": 0, "offset": 1}]);
    run.ask("an unknown topic", "DeleteRecords", .., topic_of(&absent, of, json!({"timeoutMs": 1000})));
}

fn pages(run: &mut Run) {
    let (a, b) = (run.topic("page-a", 3), run.topic("page-b", 2));
    let of = |names: &[&str], limit: i32, cursor: Value| {
        let topics: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"topics": topics, "responsePartitionLimit": limit, "cursor": cursor})
    };
    let none = Value::Null;
    run.ask("two topics", "DescribeTopicPartitions", 0, of(&[&b, &a], 2000, none.clone()));
    run.ask("two of three partitions", "DescribeTopicPartitions", 0, of(&[&a, &b], 2, none.clone()));
    run.ask("three partitions, a whole topic", "DescribeTopicPartitions", 0, of(&[&a, &b], 3, none.clone()));
    run.ask("a limit of 0", "DescribeTopicPartitions", 0, of(&[&a, &b], 0, none.clone()));
    run.ask("a negative limit", "DescribeTopicPartitions", 0, of(&[&a], -1, none.clone()));
    let at = |topic: &str, partition: i32| json!({"topicName": topic, "partitionIndex": partition});
    run.ask("from a cursor on", "DescribeTopicPartitions", 0, of(&[&a, &b], 2, at(&a, 2)));
    run.ask("from the next topic on", "DescribeTopicPartitions", 0, of(&[&a, &b], 9, at(&b, 0)));
    run.ask("a cursor beyond the partitions", "DescribeTopicPartitions", 0, of(&[&a, &b], 9, at(&a, 9)));
    run.ask("a negative cursor", "DescribeTopicPartitions", 0, of(&[&a], 9, at(&a, -1)));
    run.ask("a cursor at a topic not asked for", "DescribeTopicPartitions", 0, of(&[&b], 9, at(&a, 1)));
    let absent = run.name("absent");
    run.ask("an unknown topic", "DescribeTopicPartitions", 0, of(&[&absent, &a], 9, none.clone()));
    for (row, name) in [("an empty name", ""), ("a space", "a b"), ("one dot", ".")] {
        run.ask(row, "DescribeTopicPartitions", 0, of(&[name], 9, none.clone()));
    }
    run.ask("a topic twice", "DescribeTopicPartitions", 0, of(&[&a, &a], 9, none));
}
