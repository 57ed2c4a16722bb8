//! Offsets of groups: committed, fetched, deleted.

use serde_json::{Value, json};

use super::{UNKNOWN_ID, groups};
use crate::run::Run;

/// Asks all of them.
pub(crate) fn rows(run: &mut Run) {
    committing(run);
    fetching(run);
    nameless(run);
    members(run);
    deleting(run);
}

/// A commit of one partition, with `more` fields.
fn commit(run: &Run, group: &str, topic: &str, partition: Value, more: Value) -> Value {
    let id = if topic.starts_with("absent") { UNKNOWN_ID.into() } else { run.id(topic) };
    let mut of = json!({"partitionIndex": 0, "committedOffset": 5, "committedMetadata": "note"});
    of.as_object_mut().expect("an object").extend(partition.as_object().expect("an object").clone());
    let mut request = json!({"groupId": group, "generationIdOrMemberEpoch": -1, "topics": [
        {"name": topic, "topicId": id, "partitions": [of]}]});
    request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    request
}

/// A look-up for versions of one group and of many.
fn fetch(run: &Run, group: &str, topic: &str, partitions: Value, more: Value) -> Value {
    let id = if topic.starts_with("absent") { UNKNOWN_ID.into() } else { run.id(topic) };
    let old = json!([{"name": topic, "partitionIndexes": partitions}]);
    let new = json!([{"name": topic, "topicId": id, "partitionIndexes": partitions}]);
    let mut request = json!({"groupId": group, "topics": old, "groups": [{"groupId": group, "topics": new}]});
    request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    request
}

fn committing(run: &mut Run) {
    let (topic, group, absent) = (run.topic("commit", 2), run.name("simple"), run.name("absent"));
    let plain = json!({});
    run.prepare("OffsetCommit", 8, commit(run, &group, &topic, plain.clone(), plain.clone()));
    run.ask("by no member", "OffsetCommit", .., commit(run, &group, &topic, plain.clone(), plain.clone()));
    for (row, partition) in [
        ("null metadata", json!({"committedMetadata": null})),
        ("empty metadata", json!({"committedMetadata": ""})),
        ("4096 bytes of metadata", json!({"committedMetadata": "m".repeat(4096)})),
        ("4097 bytes of metadata", json!({"committedMetadata": "m".repeat(4097)})),
        ("a negative offset", json!({"committedOffset": -1})),
        ("an offset of -2", json!({"committedOffset": -2})),
        ("an offset beyond the end", json!({"committedOffset": 1_000_000})),
        ("a partition out of range", json!({"partitionIndex": 2})),
        ("a negative partition", json!({"partitionIndex": -1})),
        ("a leader epoch", json!({"committedLeaderEpoch": 3})),
    ] {
        run.ask(row, "OffsetCommit", .., commit(run, &group, &topic, partition, plain.clone()));
        run.ask(
            &format!("after {row}"),
            "OffsetFetch",
            8,
            fetch(run, &group, &topic, json!([0]), plain.clone()),
        );
    }
    run.ask(
        "an unknown topic",
        "OffsetCommit",
        ..,
        commit(run, &group, &absent, plain.clone(), plain.clone()),
    );
    run.ask("a group without a name", "DescribeGroups", .., json!({"groups": [""]}));
    run.ask("a group without a name", "DeleteGroups", .., json!({"groupsNames": [""]}));
    run.ask("an empty group", "OffsetCommit", .., commit(run, "", &topic, plain.clone(), plain.clone()));
    for (row, more) in [
        ("a member without a generation", json!({"memberId": "m"})),
        ("a generation without a member", json!({"generationIdOrMemberEpoch": 1})),
        ("a member and a generation", json!({"memberId": "m", "generationIdOrMemberEpoch": 1})),
        ("a generation of -2", json!({"generationIdOrMemberEpoch": -2})),
        ("an instance", json!({"groupInstanceId": "i"})),
        ("no topics", json!({"topics": []})),
    ] {
        run.ask(row, "OffsetCommit", .., commit(run, &group, &topic, plain.clone(), more.clone()));
        run.ask(
            &format!("{row}, no such group"),
            "OffsetCommit",
            8,
            commit(run, &absent, &topic, plain.clone(), more),
        );
    }
    let of = |index: i32, offset: i64| json!({"partitionIndex": index, "committedOffset": offset});
    let id = run.id(&topic);
    let several =
        |partitions: Value| json!({"topics": [{"name": topic, "topicId": id, "partitions": partitions}]});
    let (mixed, twice) =
        (several(json!([of(0, 7), of(9, 7), of(1, 8)])), several(json!([of(0, 1), of(0, 2)])));
    run.ask(
        "good and bad partitions",
        "OffsetCommit",
        8..=10,
        commit(run, &group, &topic, plain.clone(), mixed),
    );
    run.ask("a partition twice", "OffsetCommit", 8..=10, commit(run, &group, &topic, plain.clone(), twice));
    run.ask(
        "no partitions",
        "OffsetCommit",
        8,
        commit(run, &group, &topic, plain.clone(), several(json!([]))),
    );
    run.ask("what counts of the two", "OffsetFetch", 8, fetch(run, &group, &topic, json!([0, 1]), plain));
}

fn fetching(run: &mut Run) {
    let (topic, group, absent) = (run.topic("look", 2), run.name("looked"), run.name("absent"));
    let plain = json!({});
    run.prepare("OffsetCommit", 8, commit(run, &group, &topic, plain.clone(), plain.clone()));
    run.ask("a partition", "OffsetFetch", .., fetch(run, &group, &topic, json!([0]), plain.clone()));
    run.ask(
        "one without an offset",
        "OffsetFetch",
        ..,
        fetch(run, &group, &topic, json!([1]), plain.clone()),
    );
    run.ask(
        "a partition out of range",
        "OffsetFetch",
        ..,
        fetch(run, &group, &topic, json!([2]), plain.clone()),
    );
    run.ask(
        "a negative partition",
        "OffsetFetch",
        7..=10,
        fetch(run, &group, &topic, json!([-1]), plain.clone()),
    );
    run.ask(
        "a partition twice",
        "OffsetFetch",
        7..=10,
        fetch(run, &group, &topic, json!([0, 0]), plain.clone()),
    );
    run.ask("no partitions", "OffsetFetch", 7..=10, fetch(run, &group, &topic, json!([]), plain.clone()));
    run.ask("an unknown topic", "OffsetFetch", .., fetch(run, &group, &absent, json!([0]), plain.clone()));
    run.ask("an unknown group", "OffsetFetch", .., fetch(run, &absent, &topic, json!([0]), plain.clone()));
    run.ask("an empty group", "OffsetFetch", .., fetch(run, "", &topic, json!([0]), plain.clone()));
    run.ask(
        "stable ones",
        "OffsetFetch",
        7..=10,
        fetch(run, &group, &topic, json!([0]), json!({"requireStable": true})),
    );
    let all = |group: &str| json!({"groupId": group, "topics": null, "groups": [{"groupId": group, "topics": null}]});
    run.ask("all topics", "OffsetFetch", 2..=10, all(&group));
    run.ask("all topics of an unknown group", "OffsetFetch", 2..=10, all(&absent));
    run.ask(
        "no topics",
        "OffsetFetch",
        ..,
        json!({"groupId": group, "topics": [], "groups": [{"groupId": group, "topics": []}]}),
    );
    run.ask("no groups", "OffsetFetch", 8..=10, json!({"groups": []}));
    let two = json!({"groups": [{"groupId": group, "topics": null}, {"groupId": absent, "topics": null}]});
    run.ask("two groups", "OffsetFetch", 8..=10, two);
    let twice = json!({"groups": [{"groupId": group, "topics": null}, {"groupId": group, "topics": null}]});
    run.ask("a group twice", "OffsetFetch", 8..=10, twice);
    let as_member = |member: Value, epoch: i32| json!({"groups": [{"groupId": group, "memberId": member, "memberEpoch": epoch, "topics": null}]});
    run.ask("as a member", "OffsetFetch", 9..=10, as_member(json!("m"), 1));
    run.ask("as a member without an epoch", "OffsetFetch", 9..=10, as_member(json!("m"), -1));
    run.ask("an epoch without a member", "OffsetFetch", 9..=10, as_member(Value::Null, 3));
    run.delete(&topic);
    let partitions = json!([{"name": topic, "partitionIndexes": [0]}]);
    let of =
        json!({"groupId": group, "topics": partitions, "groups": [{"groupId": group, "topics": partitions}]});
    // Kafka's coordinator hears of the deletion a little later.
    for _ in 0..200 {
        let found = run.prepare("OffsetFetch", 7, of.clone());
        if found["topics"][0]["partitions"][0]["committedOffset"] == -1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    run.ask("of a deleted topic", "OffsetFetch", 1..=9, of);
}

/// The group without a name is Kafka's for good once it has an offset: it goes, so that the rows can be asked again.
fn nameless(run: &mut Run) {
    run.ask("a group without a name", "DescribeGroups", .., json!({"groups": [""]}));
    run.ask("a group without a name", "DeleteGroups", 2, json!({"groupsNames": [""]}));
}

/// What the consumer protocol says of a subscription to one topic.
fn subscription(topic: &str) -> Value {
    let mut bytes = vec![0, 0, 0, 0, 0, 1];
    bytes.extend((topic.len() as i16).to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend([255; 4]);
    json!(bytes)
}

fn members(run: &mut Run) {
    let (topic, group) = (run.topic("member", 1), run.name("joined"));
    let (id, generation) = groups::member(run, &group, subscription(&topic));
    let plain = json!({});
    let by =
        |member: &str, generation: i64| json!({"memberId": member, "generationIdOrMemberEpoch": generation});
    for (row, more) in [
        ("its member", by(&id, generation)),
        ("a wrong generation", by(&id, generation + 1)),
        ("the generation before", by(&id, generation - 1)),
        ("an unknown member", by("nobody", generation)),
        ("no member while there are some", by("", -1)),
        ("no generation", by(&id, -1)),
        ("a generation without a member", by("", generation)),
    ] {
        run.ask(row, "OffsetCommit", .., commit(run, &group, &topic, plain.clone(), more));
    }
    let mut more = by(&id, generation);
    more["groupInstanceId"] = json!("i");
    run.ask("an instance that it has not", "OffsetCommit", 7..=10, commit(run, &group, &topic, plain, more));
}

fn deleting(run: &mut Run) {
    let (topic, other, group) = (run.topic("forget", 2), run.topic("forget-not", 1), run.name("forgetful"));
    let plain = json!({});
    for topic in [&topic, &other] {
        run.prepare("OffsetCommit", 8, commit(run, &group, topic, plain.clone(), plain.clone()));
    }
    let delete = |group: &str, topic: &str, partitions: &[i32]| {
        let partitions: Vec<_> = partitions.iter().map(|index| json!({"partitionIndex": index})).collect();
        json!({"groupId": group, "topics": [{"name": topic, "partitions": partitions}]})
    };
    let absent = run.name("absent");
    run.ask("an unknown group", "OffsetDelete", 0, delete(&absent, &topic, &[0]));
    run.ask("an empty group", "OffsetDelete", 0, delete("", &topic, &[0]));
    run.ask("an unknown topic", "OffsetDelete", 0, delete(&group, &absent, &[0]));
    run.ask("a partition out of range", "OffsetDelete", 0, delete(&group, &topic, &[9]));
    run.ask("a partition without an offset", "OffsetDelete", 0, delete(&group, &topic, &[1]));
    run.ask("no partitions", "OffsetDelete", 0, delete(&group, &topic, &[]));
    run.ask("no topics", "OffsetDelete", 0, json!({"groupId": group}));
    run.ask("a partition twice", "OffsetDelete", 0, delete(&group, &topic, &[0, 0]));
    run.ask("it is gone", "OffsetFetch", 8, fetch(run, &group, &topic, json!([0]), plain));
    let (id, _) = groups::member(run, &group, subscription(&other));
    run.ask("a topic that is read", "OffsetDelete", 0, delete(&group, &other, &[0]));
    run.ask("a topic that nobody reads", "OffsetDelete", 0, delete(&group, &topic, &[0]));
    run.prepare("LeaveGroup", 5, json!({"groupId": group, "members": [{"memberId": id}]}));
    run.ask("when all left", "OffsetDelete", 0, delete(&group, &other, &[0]));
    let odd = run.name("odd");
    groups::member(run, &odd, json!("m"));
    run.ask("a group whose subscriptions are not known", "OffsetDelete", 0, delete(&odd, &topic, &[0]));
}
