//! What describes: folders, quotas, reassignments.

use serde_json::{Value, json};

use crate::run::Run;

/// Asks all of them.
pub(crate) fn rows(run: &mut Run) {
    folders(run);
    quotas(run);
    reassignments(run);
}

fn folders(run: &mut Run) {
    let topic = run.topic("folders", 2);
    run.append(&topic, 0, &["a"]);
    let absent = run.name("absent");
    let of = |name: &str, partitions: Value| json!({"topics": [{"topic": name, "partitions": partitions}]});
    run.ask("two partitions", "DescribeLogDirs", .., of(&topic, json!([0, 1])));
    run.ask("one of two", "DescribeLogDirs", 4, of(&topic, json!([0])));
    run.ask("a partition out of range", "DescribeLogDirs", .., of(&topic, json!([7])));
    run.ask("a negative partition", "DescribeLogDirs", 4, of(&topic, json!([-1])));
    run.ask("no partitions", "DescribeLogDirs", 4, of(&topic, json!([])));
    run.ask("an unknown topic", "DescribeLogDirs", .., of(&absent, json!([0])));
    run.ask("no topics", "DescribeLogDirs", .., json!({"topics": []}));
}

fn quotas(run: &mut Run) {
    let of = |components: Value, strict: bool| json!({"components": components, "strict": strict});
    let entity =
        |kind: &str, exact: i8, name: Value| json!({"entityType": kind, "matchType": exact, "match": name});
    run.ask("all", "DescribeClientQuotas", .., of(json!([]), false));
    run.ask("a user", "DescribeClientQuotas", .., of(json!([entity("user", 0, json!("u"))]), false));
    run.ask(
        "the default user",
        "DescribeClientQuotas",
        ..,
        of(json!([entity("user", 1, Value::Null)]), true),
    );
    run.ask(
        "any client",
        "DescribeClientQuotas",
        ..,
        of(json!([entity("client-id", 2, Value::Null)]), false),
    );
    run.ask("no type", "DescribeClientQuotas", .., of(json!([entity("", 0, json!("u"))]), false));
    run.ask(
        "an unknown type",
        "DescribeClientQuotas",
        ..,
        of(json!([entity("nobody", 0, json!("u"))]), false),
    );
    run.ask(
        "an unknown match",
        "DescribeClientQuotas",
        ..,
        of(json!([entity("user", 7, json!("u"))]), false),
    );
    run.ask(
        "a name without a name",
        "DescribeClientQuotas",
        ..,
        of(json!([entity("user", 0, Value::Null)]), false),
    );
    run.ask(
        "the default with a name",
        "DescribeClientQuotas",
        ..,
        of(json!([entity("user", 1, json!("u"))]), false),
    );
    run.ask("any with a name", "DescribeClientQuotas", .., of(json!([entity("user", 2, json!("u"))]), false));
    let twice = json!([entity("user", 0, json!("a")), entity("user", 0, json!("b"))]);
    run.ask("a type twice", "DescribeClientQuotas", .., of(twice, false));
    let ip = json!([entity("user", 0, json!("a")), entity("ip", 0, json!("1.2.3.4"))]);
    run.ask("a user and an address", "DescribeClientQuotas", .., of(ip, false));
}

fn reassignments(run: &mut Run) {
    let topic = run.topic("reassigned", 1);
    let absent = run.name("absent");
    let of = |topics: Value| json!({"timeoutMs": 5000, "topics": topics});
    run.ask("all", "ListPartitionReassignments", 0, of(Value::Null));
    run.ask("none", "ListPartitionReassignments", 0, of(json!([])));
    run.ask(
        "a topic",
        "ListPartitionReassignments",
        0,
        of(json!([{"name": topic, "partitionIndexes": [0]}])),
    );
    run.ask(
        "a partition out of range",
        "ListPartitionReassignments",
        0,
        of(json!([{"name": topic, "partitionIndexes": [9]}])),
    );
    run.ask(
        "an unknown topic",
        "ListPartitionReassignments",
        0,
        of(json!([{"name": absent, "partitionIndexes": [0]}])),
    );
}
