//! Versions, metadata, the cluster.

use serde_json::json;

use super::UNKNOWN_ID;
use crate::run::Run;

/// Asks all of them.
pub(crate) fn rows(run: &mut Run) {
    versions(run);
    metadata(run);
    automatic(run);
    quorum(run);
    cluster(run);
}

fn versions(run: &mut Run) {
    let client =
        |name: &str, version: &str| json!({"clientSoftwareName": name, "clientSoftwareVersion": version});
    run.ask("a bad name", "ApiVersions", 3..=4, client("a b", "1"));
    run.ask("an empty name", "ApiVersions", 3..=4, client("", "1"));
    run.ask("an empty version", "ApiVersions", 3..=4, client("a", ""));
    run.ask("a version of letters", "ApiVersions", 3, client("a", "one.two-three"));
    run.ask("a version with a space", "ApiVersions", 3, client("a", "1 2"));
    for version in [5, 99, i16::MAX, -1] {
        run.ask("an unknown version", "ApiVersions", version, client("a", "1"));
    }
    run.ask("an unknown version", "Metadata", 99, json!({}));
    run.ask("an old version", "Fetch", 3, json!({}));
    run.ask("a name that ends in a dash", "ApiVersions", 3, client("a-", "1"));
}

fn metadata(run: &mut Run) {
    let topic = run.topic("metadata", 2);
    let id = run.id(&topic);
    let absent = run.name("absent");
    let by_name = |names: &[&str]| {
        let topics: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"topics": topics, "allowAutoTopicCreation": false})
    };
    run.ask("a topic", "Metadata", .., by_name(&[&topic]));
    run.ask("an unknown topic", "Metadata", 4..=13, by_name(&[&absent]));
    run.ask("no topics", "Metadata", 1..=13, json!({"topics": [], "allowAutoTopicCreation": false}));
    run.ask("a topic twice", "Metadata", 12, by_name(&[&topic, &topic]));
    let long = "x".repeat(250);
    for (row, name) in [
        ("an empty name", ""),
        ("one dot", "."),
        ("two dots", ".."),
        ("a path", "../x"),
        ("a space", "a b"),
        ("250 characters", long.as_str()),
    ] {
        run.ask(row, "Metadata", 4, by_name(&[name]));
        run.ask(row, "Metadata", 12, by_name(&[name]));
    }
    for (row, name) in
        [("one dot, to be made", "."), ("a space, to be made", "a b"), ("an empty name, to be made", "")]
    {
        run.ask(row, "Metadata", 12, json!({"topics": [{"name": name}]}));
        run.ask(row, "Metadata", 1, json!({"topics": [{"name": name}]}));
    }
    run.ask("by id", "Metadata", 12..=13, json!({"topics": [{"topicId": id, "name": null}]}));
    run.ask("an unknown id", "Metadata", 12..=13, json!({"topics": [{"topicId": UNKNOWN_ID, "name": null}]}));
    run.ask("a name and an id", "Metadata", 12, json!({"topics": [{"topicId": id, "name": topic}]}));
    run.ask("neither name nor id", "Metadata", 12, json!({"topics": [{"name": null}]}));
    run.ask(
        "an id before ids were",
        "Metadata",
        10..=11,
        json!({"topics": [{"topicId": id, "name": topic}]}),
    );
    run.ask(
        "what is authorized",
        "Metadata",
        8..=13,
        json!({"topics": [{"name": topic}], "includeTopicAuthorizedOperations": true}),
    );
    run.ask(
        "what is authorized in the cluster",
        "Metadata",
        8..=10,
        json!({"topics": [], "includeClusterAuthorizedOperations": true}),
    );
    run.delete(&topic);
    run.ask("a deleted topic", "Metadata", 4..=13, by_name(&[&topic]));
    run.ask(
        "the id of a deleted topic",
        "Metadata",
        12..=13,
        json!({"topics": [{"topicId": id, "name": null}]}),
    );
}

/// A topic that a client asks for is made.
fn automatic(run: &mut Run) {
    for version in [1, 4, 8, 12, 13] {
        let name = run.name(&format!("automatic-{version}"));
        let request = json!({"topics": [{"name": name}], "allowAutoTopicCreation": true});
        run.ask("a topic to be made", "Metadata", version, request.clone());
        run.settle(&name);
        run.ask("a topic that was made", "Metadata", version, request);
    }
    let (topic, fresh) = (run.topic("automatic", 1), run.name("automatic-fresh"));
    let both = json!({"topics": [{"name": topic}, {"name": fresh}], "allowAutoTopicCreation": true});
    run.ask("one to be made beside one that is there", "Metadata", 12, both);
    run.settle(&fresh);
}

fn quorum(run: &mut Run) {
    let of = |topic: &str, partitions: &[i32]| {
        let partitions: Vec<_> = partitions.iter().map(|index| json!({"partitionIndex": index})).collect();
        json!({"topics": [{"topicName": topic, "partitions": partitions}]})
    };
    run.ask("the metadata", "DescribeQuorum", .., of("__cluster_metadata", &[0]));
    run.ask("another partition", "DescribeQuorum", .., of("__cluster_metadata", &[1]));
    run.ask("no partitions", "DescribeQuorum", 2, of("__cluster_metadata", &[]));
    run.ask("a partition twice", "DescribeQuorum", 2, of("__cluster_metadata", &[0, 0]));
    run.ask("two partitions", "DescribeQuorum", 2, of("__cluster_metadata", &[0, 1]));
    run.ask("another topic", "DescribeQuorum", .., of("t", &[0]));
    run.ask("nothing", "DescribeQuorum", .., json!({"topics": []}));
}

fn cluster(run: &mut Run) {
    run.ask("the cluster", "DescribeCluster", .., json!({}));
    run.ask(
        "the cluster and its operations",
        "DescribeCluster",
        ..,
        json!({"includeClusterAuthorizedOperations": true}),
    );
    run.ask("its controllers", "DescribeCluster", 1..=2, json!({"endpointType": 2}));
    run.ask("endpoints of no type", "DescribeCluster", 1..=2, json!({"endpointType": 3}));
    run.ask("fenced brokers too", "DescribeCluster", 2, json!({"includeFencedBrokers": true}));
}
