//! Records: produced, fetched, looked up by offset, time and epoch.

use serde_json::{Value, json};

use super::{UNKNOWN_ID, topic_of};
use crate::run::Run;

/// Asks all of them.
pub(crate) fn rows(run: &mut Run) {
    producing(run);
    twice(run);
    batches(run);
    sequences(run);
    fetching(run);
    sessions(run);
    offsets(run);
    epochs(run);
    producers(run);
}

fn produce(acks: i16, topic: Value) -> Value {
    json!({"acks": acks, "timeoutMs": 5000, "topicData": [topic]})
}

fn to(run: &Run, topic: &str, index: i32, records: Value) -> Value {
    let id = if topic.starts_with("absent") { UNKNOWN_ID.into() } else { run.id(topic) };
    json!({"name": topic, "topicId": id, "partitionData": [{"index": index, "records": records}]})
}

fn batch(values: &[&str]) -> Value {
    json!(klamm_conformance::batch(values).to_vec())
}

fn producing(run: &mut Run) {
    let topic = run.topic("produce", 2);
    let stamped =
        run.topic_with("stamped", 1, json!([{"name": "message.timestamp.type", "value": "LogAppendTime"}]));
    let absent = run.name("absent");
    let one = batch(&["a", "b"]);
    run.ask("a batch", "Produce", .., produce(-1, to(run, &topic, 0, one.clone())));
    run.ask("a batch, leader only", "Produce", .., produce(1, to(run, &topic, 0, one.clone())));
    run.ask("stamped by the log", "Produce", .., produce(-1, to(run, &stamped, 0, one.clone())));
    run.ask("an unknown topic", "Produce", .., produce(-1, to(run, &absent, 0, one.clone())));
    run.ask("a partition out of range", "Produce", .., produce(-1, to(run, &topic, 2, one.clone())));
    run.ask("a negative partition", "Produce", 9..=13, produce(-1, to(run, &topic, -1, one.clone())));
    for acks in [2, -2, 127] {
        run.ask(&format!("acks {acks}"), "Produce", .., produce(acks, to(run, &topic, 0, one.clone())));
    }
    run.ask("no topics", "Produce", .., json!({"acks": -1, "timeoutMs": 1000}));
    run.ask("no partitions", "Produce", 9, produce(-1, json!({"name": topic})));
    run.ask(
        "a negative timeout",
        "Produce",
        9,
        json!({"acks": -1, "timeoutMs": -1, "topicData": [to(run, &topic, 0, one.clone())]}),
    );
    run.ask("no records", "Produce", .., produce(-1, to(run, &topic, 0, json!([]))));
    let several = json!({"name": topic, "topicId": run.id(&topic), "partitionData": [
        {"index": 0, "records": one}, {"index": 7, "records": one}, {"index": 1, "records": one}]});
    run.ask("good and bad partitions", "Produce", .., produce(-1, several));
    run.tell("Produce", 9, produce(0, to(run, &topic, 1, one.clone())));
    run.ask("behind a batch without acks", "Produce", 9, produce(-1, to(run, &topic, 1, one)));
    run.ask(
        "a transactional id without a transaction",
        "Produce",
        9,
        json!({"transactionalId": "t", "acks": 1, "timeoutMs": 1000, "topicData": [to(run, &topic, 0, batch(&["a"]))]}),
    );
}

/// A batch with one byte changed; `mend` gives it the right CRC again.
fn changed(at: usize, byte: u8, mend: bool) -> Value {
    let mut bytes = klamm_conformance::batch(&["a", "b"]).to_vec();
    bytes[at] = byte;
    if mend {
        let crc = klamm_records::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    json!(bytes)
}

fn twice(run: &mut Run) {
    let (topic, one, other) = (run.topic("twice", 2), batch(&["a", "b"]), batch(&["c"]));
    let id = run.id(&topic);
    let of = |index: i32, records: &Value| json!({"index": index, "records": records});
    let to = |partitions: &[Value]| json!({"name": topic, "topicId": id, "partitionData": partitions});
    let both = |topics: &[Value]| json!({"acks": -1, "timeoutMs": 5000, "topicData": topics});
    let bad = of(0, &json!([0, 1, 2]));
    let lies = of(0, &changed(17, 0x55, false));
    for (row, request) in [
        ("a partition twice", both(&[to(&[of(0, &one), of(0, &other)])])),
        ("a partition twice, with another between", both(&[to(&[of(0, &one), of(1, &other), of(0, &one)])])),
        ("a partition twice, no batch first", both(&[to(&[bad.clone(), of(0, &one)])])),
        ("a partition twice, a bad batch last", both(&[to(&[of(0, &one), lies])])),
        ("an unknown partition twice", both(&[to(&[of(7, &one), of(7, &one)])])),
        ("a topic twice", both(&[to(&[of(0, &one)]), to(&[of(1, &other)])])),
        ("a topic twice with a partition", both(&[to(&[of(0, &one)]), to(&[of(0, &other)])])),
    ] {
        run.ask(row, "Produce", 12..=13, request);
        let read = |index: i32| json!({"partition": index, "fetchOffset": 0, "partitionMaxBytes": 100_000});
        let topics = json!([{"topic": topic, "topicId": id, "partitions": [read(0), read(1)]}]);
        let fetch = json!({"maxWaitMs": 0, "minBytes": 1, "maxBytes": 1_000_000, "topics": topics});
        run.ask(&format!("what is there after {row}"), "Fetch", 12, fetch);
    }
}

fn batches(run: &mut Run) {
    let whole = klamm_conformance::batch(&["a", "b"]).to_vec();
    let two = [whole.clone(), whole.clone()].concat();
    for (row, records) in [
        ("magic 0", changed(16, 0, false)),
        ("magic 1", changed(16, 1, false)),
        ("magic 3", changed(16, 3, true)),
        ("a bad CRC", changed(17, 0x55, false)),
        ("a changed byte", changed(70, 0x55, false)),
        ("an unknown codec", changed(22, 7, true)),
        ("gzip that is none", changed(22, 1, true)),
        ("a control batch", changed(22, 0x20, true)),
        ("a transactional batch", changed(22, 0x10, true)),
        ("log append time", changed(22, 8, true)),
        ("a last offset delta of 0", changed(26, 0, true)),
        ("a last offset delta of 7", changed(26, 7, true)),
        ("a count of 0", changed(60, 0, true)),
        ("a count of 1", changed(60, 1, true)),
        ("a count of 3", changed(60, 3, true)),
        ("a negative count", changed(57, 255, true)),
        ("a base offset of 9", changed(7, 9, false)),
        ("a leader epoch of 9", changed(15, 9, false)),
        ("a length one more", changed(11, whole[11] + 1, false)),
        ("a length one less", changed(11, whole[11] - 1, false)),
        ("a length of 0", changed(11, 0, false)),
        ("a producer without an epoch", by(5, -1, 0)),
        ("a producer without a sequence", by(5, 0, -1)),
        ("an epoch without a producer", by(-1, 3, 0)),
        ("cut", json!(whole[..40])),
        ("cut by a byte", json!(whole[..whole.len() - 1])),
        ("a byte more", json!([whole.clone(), vec![0]].concat())),
        ("ten bytes", json!(vec![0; 10])),
        ("two batches", json!(two)),
        ("larger than max.message.bytes", batch(&["x".repeat(1200).as_str()])),
    ] {
        // A topic each: what one broker takes and the other does not moves no later offset.
        let name = format!("batch-{}", row.replace(' ', "-"));
        let topic = run.topic_with(&name, 1, json!([{"name": "max.message.bytes", "value": "1000"}]));
        for version in [3, 9, 13] {
            run.ask(row, "Produce", version, produce(-1, to(run, &topic, 0, records.clone())));
        }
    }
}

/// A batch of a producer.
fn by(id: i64, epoch: i16, sequence: i32) -> Value {
    json!(klamm_conformance::batch_of(Some((id, epoch, sequence)), &["a", "b"]).to_vec())
}

fn sequences(run: &mut Run) {
    let topic = run.topic("strangers", 1);
    let id = run.producer();
    let batch = klamm_conformance::batch_of(Some((id, 0, 5)), &["a"]);
    let request = produce(-1, to(run, &topic, 0, json!(batch.to_vec())));
    run.ask("the first of a producer, not at 0", "Produce", 9, request);

    let topic = run.topic("sequences", 1);
    let id = run.producer();
    let mut send = |row: &str, epoch: i16, sequence: i32, values: &[&str]| {
        let batch = klamm_conformance::batch_of(Some((id, epoch, sequence)), values);
        let request = produce(-1, to(run, &topic, 0, json!(batch.to_vec())));
        run.ask(row, "Produce", 9, request);
    };
    send("the first of a producer", 0, 0, &["a"; 6]);
    send("a gap behind it", 0, 9, &["a"]);
    send("the next", 0, 6, &["b", "c"]);
    send("the same again", 0, 6, &["b", "c"]);
    send("a part of it", 0, 6, &["b"]);
    send("a gap", 0, 10, &["d"]);
    send("before the window", 0, 0, &["d"]);
    send("a new epoch, not at 0", 1, 3, &["e"]);
    send("a new epoch", 1, 0, &["e"]);
    send("an old epoch", 0, 8, &["f"]);
    send("a sequence of -1", 1, -1, &["g"]);
    for sequence in 1..7 {
        send(&format!("in a row: {sequence}"), 1, sequence, &["h"]);
    }
    send("the fifth from the end again", 1, 2, &["h"]);
    send("the sixth from the end again", 1, 1, &["h"]);
    run.ask(
        "its producers",
        "DescribeProducers",
        0,
        json!({"topics": [{"name": topic, "partitionIndexes": [0]}]}),
    );
    run.ask("the end", "ListOffsets", 9, look(&topic, 0, -1, -1));
}

fn producers(run: &mut Run) {
    let topic = run.topic("producers", 1);
    for (row, topic, partitions) in [
        ("no producers", topic.as_str(), json!([0])),
        ("a partition out of range", &topic, json!([1])),
        ("a negative partition", &topic, json!([-1])),
        ("an unknown topic", &run.name("absent"), json!([0])),
        ("a bad name", "a b", json!([0])),
        ("no partitions", &topic, json!([])),
        ("a partition twice", &topic, json!([0, 0])),
    ] {
        run.ask(
            row,
            "DescribeProducers",
            0,
            json!({"topics": [{"name": topic, "partitionIndexes": partitions}]}),
        );
    }
    run.ask("nothing", "DescribeProducers", 0, json!({}));
    let init = |fields: Value| {
        let mut request = json!({"transactionalId": null, "transactionTimeoutMs": 60000});
        request.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        request
    };
    run.prepare("InitProducerId", 4, init(json!({})));
    run.ask("a producer", "InitProducerId", .., init(json!({})));
    run.ask(
        "a timeout of 0, without a transactional id",
        "InitProducerId",
        ..,
        init(json!({"transactionTimeoutMs": 0})),
    );
    run.ask("a negative timeout", "InitProducerId", 4, init(json!({"transactionTimeoutMs": -1})));
    run.ask(
        "an id and an epoch",
        "InitProducerId",
        3..=5,
        init(json!({"producerId": 5, "producerEpoch": 3})),
    );
    run.ask("an id without an epoch", "InitProducerId", 3..=5, init(json!({"producerId": 5})));
    run.ask("an epoch without an id", "InitProducerId", 3..=5, init(json!({"producerEpoch": 3})));
    run.ask("a transactional id", "InitProducerId", 4, init(json!({"transactionalId": run.name("t")})));
    run.ask("an empty transactional id", "InitProducerId", .., init(json!({"transactionalId": ""})));
}

fn fetch(run: &Run, topic: &str, partition: Value, more: Value) -> Value {
    let id = if topic.starts_with("absent") { UNKNOWN_ID.into() } else { run.id(topic) };
    let mut of = json!({"partition": 0, "fetchOffset": 0, "partitionMaxBytes": 100_000});
    of.as_object_mut().expect("an object").extend(partition.as_object().expect("an object").clone());
    let mut request = json!({"maxWaitMs": 0, "minBytes": 1, "maxBytes": 1_000_000,
        "topics": [{"topic": topic, "topicId": id, "partitions": [of]}]});
    request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    request
}

fn fetching(run: &mut Run) {
    let topic = run.topic("fetch", 2);
    let absent = run.name("absent");
    run.append(&topic, 0, &["a", "b"]);
    run.append(&topic, 0, &["c"]);
    let nothing = json!({});
    let at = |offset: i64| json!({"fetchOffset": offset});
    run.ask("all", "Fetch", .., fetch(run, &topic, at(0), nothing.clone()));
    run.ask("all, committed only", "Fetch", .., fetch(run, &topic, at(0), json!({"isolationLevel": 1})));
    run.ask("an isolation level of 7", "Fetch", 12, fetch(run, &topic, at(0), json!({"isolationLevel": 7})));
    run.ask("from inside a batch", "Fetch", 12, fetch(run, &topic, at(1), nothing.clone()));
    run.ask("at the end", "Fetch", .., fetch(run, &topic, at(3), nothing.clone()));
    run.ask("beyond the end", "Fetch", .., fetch(run, &topic, at(4), nothing.clone()));
    run.ask("a negative offset", "Fetch", .., fetch(run, &topic, at(-1), nothing.clone()));
    run.ask("an offset of -2", "Fetch", 12, fetch(run, &topic, at(-2), nothing.clone()));
    run.ask(
        "an empty partition",
        "Fetch",
        12..=13,
        fetch(run, &topic, json!({"partition": 1}), nothing.clone()),
    );
    run.ask(
        "a partition out of range",
        "Fetch",
        ..,
        fetch(run, &topic, json!({"partition": 2}), nothing.clone()),
    );
    run.ask(
        "a negative partition",
        "Fetch",
        11..=13,
        fetch(run, &topic, json!({"partition": -1}), nothing.clone()),
    );
    run.ask("an unknown topic", "Fetch", .., fetch(run, &absent, at(0), nothing.clone()));
    let epoch = run.epoch();
    // Older epochs need a second leader: Kafka's new topics are in epoch 0.
    for (row, epoch) in [("a newer epoch", epoch + 1), ("the epoch", epoch), ("an epoch of -2", -2)] {
        run.ask(
            row,
            "Fetch",
            9..=13,
            fetch(run, &topic, json!({"currentLeaderEpoch": epoch}), nothing.clone()),
        );
    }
    for (row, more) in [
        ("at most 0 bytes", json!({"maxBytes": 0})),
        ("at most 1 byte", json!({"maxBytes": 1})),
        ("at most -1 bytes", json!({"maxBytes": -1})),
        ("at least 0 bytes", json!({"minBytes": 0})),
        ("at least -1 bytes", json!({"minBytes": -1})),
        ("a negative wait", json!({"maxWaitMs": -1})),
        ("a wait for more than there is", json!({"maxWaitMs": 50, "minBytes": 100_000})),
        ("no topics", json!({"topics": []})),
    ] {
        for version in [4, 12, 13, 17] {
            run.ask(row, "Fetch", version, fetch(run, &topic, at(0), more.clone()));
        }
    }
    for (row, bytes) in [
        ("at most 0 bytes of a partition", 0),
        ("at most 70 bytes of a partition", 70),
        ("at most -1 bytes of a partition", -1),
    ] {
        run.ask(
            row,
            "Fetch",
            12..=13,
            fetch(run, &topic, json!({"partitionMaxBytes": bytes}), nothing.clone()),
        );
    }
    let of = |index: i32| json!({"partition": index, "fetchOffset": 0, "partitionMaxBytes": 1000});
    let both = json!([{"topic": topic, "topicId": run.id(&topic), "partitions": [of(1), of(0)]}]);
    run.ask("two partitions", "Fetch", 12..=13, fetch(run, &topic, at(0), json!({"topics": both})));
    let twice = json!([{"topic": topic, "topicId": run.id(&topic), "partitions": [of(0), of(0)]}]);
    run.ask("a partition twice", "Fetch", 12..=13, fetch(run, &topic, at(0), json!({"topics": twice})));
    let none = json!([{"topic": topic, "topicId": run.id(&topic), "partitions": []}]);
    run.ask("no partitions", "Fetch", 12..=13, fetch(run, &topic, at(0), json!({"topics": none})));
}

fn sessions(run: &mut Run) {
    let topic = run.topic("session", 2);
    run.append(&topic, 0, &["a"]);
    for version in [7, 12, 13, 17] {
        let mut session = |row: &str, id: i64, epoch: i32, of: Value, forgotten: Value| {
            let topic_id = run.id(&topic);
            let topics: Vec<_> = of.as_array().into_iter().flatten().map(|offset| json!({"partition": offset[0], "fetchOffset": offset[1], "partitionMaxBytes": 1000})).collect();
            let topics = if topics.is_empty() {
                json!([])
            } else {
                json!([{"topic": topic, "topicId": topic_id, "partitions": topics}])
            };
            let forgotten: Vec<_> = forgotten
                .as_array()
                .into_iter()
                .map(|partitions| json!({"topic": topic, "topicId": topic_id, "partitions": partitions}))
                .collect();
            let request = json!({"maxWaitMs": 0, "minBytes": 1, "maxBytes": 1_000_000, "sessionId": id, "sessionEpoch": epoch, "topics": topics, "forgottenTopicsData": forgotten});
            run.ask(row, "Fetch", version, request)["sessionId"].as_i64().unwrap_or(0)
        };
        let none = Value::Null;
        session("an unknown session", 12345, 1, json!([]), none.clone());
        session("an epoch without a session", 0, 1, json!([]), none.clone());
        session("no session", 0, -1, json!([[0, 0]]), none.clone());
        let id = session("a new session", 0, 0, json!([[0, 0], [1, 0]]), none.clone());
        session("nothing new", id, 1, json!([[0, 1]]), none.clone());
        session("a wrong epoch", id, 7, json!([]), none.clone());
        session("the epoch before", id, 1, json!([]), none.clone());
        session("another offset", id, 2, json!([[0, 0]]), none.clone());
        session("one forgotten", id, 3, json!([]), json!([0]));
        session("one forgotten twice", id, 4, json!([]), json!([0, 0]));
        session("an unknown one forgotten", id, 5, json!([]), json!([77]));
        session("an unknown partition", id, 6, json!([[5, 0]]), none.clone());
        session("it is told again", id, 7, json!([]), none.clone());
        session("the end of it", id, -1, json!([]), none.clone());
        session("after its end", id, 8, json!([]), none.clone());
    }
}

fn look(topic: &str, partition: i32, epoch: i64, timestamp: i64) -> Value {
    let partition = json!({"partitionIndex": partition, "currentLeaderEpoch": epoch, "timestamp": timestamp});
    topic_of(topic, json!([partition]), json!({"replicaId": -1}))
}

fn offsets(run: &mut Run) {
    let topic = run.topic("offsets", 2);
    let absent = run.name("absent");
    run.append(&topic, 0, &["a", "b"]);
    run.append(&topic, 0, &["c"]);
    let first = 1_790_000_000_000;
    for (row, timestamp) in [
        ("the end", -1),
        ("the start", -2),
        ("a time", first + 1),
        ("a time before all", 0),
        ("a time after all", first + 100),
        ("a time of -7", -7),
        ("a very negative time", i64::MIN),
    ] {
        run.ask(row, "ListOffsets", .., look(&topic, 0, -1, timestamp));
        run.ask(&format!("{row}, of nothing"), "ListOffsets", 9, look(&topic, 1, -1, timestamp));
    }
    run.ask("the latest time", "ListOffsets", 6..=11, look(&topic, 0, -1, -3));
    run.ask("the local start", "ListOffsets", 7..=11, look(&topic, 0, -1, -4));
    run.ask("the end of what is tiered", "ListOffsets", 8..=11, look(&topic, 0, -1, -5));
    run.ask("what is to be tiered", "ListOffsets", 10..=11, look(&topic, 0, -1, -6));
    run.ask("a partition out of range", "ListOffsets", .., look(&topic, 2, -1, -1));
    run.ask("a negative partition", "ListOffsets", 9, look(&topic, -1, -1, -1));
    run.ask("an unknown topic", "ListOffsets", .., look(&absent, 0, -1, -1));
    run.ask("a bad name", "ListOffsets", 9, look("a b", 0, -1, -1));
    run.ask("an empty name", "ListOffsets", 9, look("", 0, -1, -1));
    let epoch = run.epoch();
    run.ask("the epoch", "ListOffsets", 4..=11, look(&topic, 0, epoch, -1));
    run.ask("a newer epoch", "ListOffsets", 4..=11, look(&topic, 0, epoch + 1, -1));
    let committed = |level: i8| {
        topic_of(
            &topic,
            json!([{"partitionIndex": 0, "timestamp": -1}]),
            json!({"replicaId": -1, "isolationLevel": level}),
        )
    };
    run.ask("the end of what is committed", "ListOffsets", 2..=11, committed(1));
    run.ask("an isolation level of 7", "ListOffsets", 9, committed(7));
    run.ask("nothing", "ListOffsets", .., json!({"replicaId": -1}));
    run.ask("no partitions", "ListOffsets", 9, topic_of(&topic, json!([]), json!({"replicaId": -1})));
    let twice = json!([{"partitionIndex": 0, "timestamp": -1}, {"partitionIndex": 0, "timestamp": -2}]);
    run.ask("a partition twice", "ListOffsets", 1..=11, topic_of(&topic, twice, json!({"replicaId": -1})));
    let at = |index: i32| json!({"partitionIndex": index, "timestamp": -1});
    let apart = json!({"replicaId": -1, "topics": [
        {"name": topic, "partitions": [at(0)]},
        {"name": topic, "partitions": [at(0)]}]});
    run.ask("a partition twice, in two entries", "ListOffsets", 1..=11, apart);
}

fn epochs(run: &mut Run) {
    let topic = run.topic("epochs", 1);
    let absent = run.name("absent");
    run.append(&topic, 0, &["a", "b"]);
    let epoch = run.epoch();
    let of = |topic: &str, partition: i32, current: i64, asked: i64| {
        let partition = json!({"partition": partition, "currentLeaderEpoch": current, "leaderEpoch": asked});
        json!({"replicaId": -1, "topics": [{"topic": topic, "partitions": [partition]}]})
    };
    run.ask("the end of the epoch", "OffsetForLeaderEpoch", .., of(&topic, 0, -1, epoch));
    run.ask("the end of a later epoch", "OffsetForLeaderEpoch", .., of(&topic, 0, -1, epoch + 5));
    run.ask("the end of an epoch of -1", "OffsetForLeaderEpoch", .., of(&topic, 0, -1, -1));
    run.ask("a current epoch", "OffsetForLeaderEpoch", .., of(&topic, 0, epoch, epoch));
    run.ask("a newer current epoch", "OffsetForLeaderEpoch", .., of(&topic, 0, epoch + 1, epoch));
    run.ask("a partition out of range", "OffsetForLeaderEpoch", .., of(&topic, 1, -1, 0));
    run.ask("a negative partition", "OffsetForLeaderEpoch", 4, of(&topic, -1, -1, 0));
    run.ask("an unknown topic", "OffsetForLeaderEpoch", .., of(&absent, 0, -1, 0));
    run.ask("nothing", "OffsetForLeaderEpoch", .., json!({"replicaId": -1}));
}
