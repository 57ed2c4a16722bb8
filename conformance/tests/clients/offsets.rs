//! ListOffsets: earliest, latest, by timestamp.

use klamm_conformance::{Record, Tool, unique};
use serde_json::json;

use crate::pair;

with_each_client!(check);

fn check(tool: Tool) {
    let (_broker, mut client) = pair(tool);
    let topic = unique("offsets");
    client.tell(json!({"do": "create", "topic": topic}));
    assert_eq!(client.offset_at(&topic, "earliest"), 0, "of an empty topic");
    assert_eq!(client.offset_at(&topic, "latest"), 0, "of an empty topic");

    // One record a second, within one batch and over several: the second half is compressed.
    let records: Vec<_> = Record::rich(40, "offsets").into_iter().map(|r| tool.sendable(r)).collect();
    client.produce(&topic, &records[..20], json!({}));
    client.produce(&topic, &records[20..], json!({"compression": "zstd"}));
    assert_eq!(client.offset_at(&topic, "earliest"), 0);
    assert_eq!(client.offset_at(&topic, "latest"), 40);

    let time = |i: usize| records[i].timestamp_ms;
    for i in [0, 1, 13, 19, 20, 21, 33, 39] {
        assert_eq!(client.offset_at(&topic, time(i)), i as i64, "the time of a record");
        assert_eq!(client.offset_at(&topic, time(i) - 1), i as i64, "just before a record");
    }
    assert_eq!(client.offset_at(&topic, time(0) - 86_400_000), 0, "a day before the first record");
    // Some give the end of the log where the broker finds no record that late.
    let none = if matches!(tool, Tool::Kafkajs | Tool::FranzGo) { 40 } else { -1 };
    assert_eq!(client.offset_at(&topic, time(39) + 1), none, "just after the last record");
}
