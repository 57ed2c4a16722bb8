//! What one client writes, it reads: every compression, every `acks`, with and without idempotence.

use klamm_conformance::{COMPRESSIONS, Client, Read, Record, Tool, offsets_from, unique};
use serde_json::json;

use crate::pair;

const COUNT: usize = 60;

with_each_client!(check);

fn check(tool: Tool) {
    let (_broker, mut client) = pair(tool);
    for compression in COMPRESSIONS {
        every_record(&mut client, compression);
    }
    every_acks(&mut client);
}

fn every_record(client: &mut Client, compression: &str) {
    let topic = unique(compression);
    let records: Vec<_> =
        Record::rich(COUNT, compression).into_iter().map(|r| client.tool().sendable(r)).collect();
    let how = json!({"compression": compression, "acks": "all", "idempotence": true});
    let offsets = client.produce(&topic, &records, how);
    assert_eq!(offsets, (0..COUNT as i64).collect::<Vec<_>>(), "{compression}: the offsets of the answers");

    let expected = offsets_from(0, &records);
    same(&client.consume(&topic, "earliest", COUNT), &expected, compression);
    let middle = COUNT / 2 + 3;
    let rest = client.consume(&topic, middle, COUNT - middle);
    same(&rest, &expected[middle..], &format!("{compression} from {middle}"));
}

fn every_acks(client: &mut Client) {
    let topic = unique("acks");
    let mut records = vec![];
    for acks in ["1", "0", "all"] {
        let more: Vec<_> = Record::rich(COUNT, acks).into_iter().map(|r| client.tool().sendable(r)).collect();
        let offsets = client.produce(&topic, &more, json!({"acks": acks, "idempotence": false}));
        let base = records.len() as i64;
        records.extend(more);
        if acks != "0" {
            assert_eq!(offsets, (base..records.len() as i64).collect::<Vec<_>>(), "acks={acks}");
        }
        // Reading waits for what acks=0 left under way.
        same(
            &client.consume(&topic, "earliest", records.len()),
            &offsets_from(0, &records),
            &format!("acks={acks}"),
        );
    }
    assert_eq!(client.offset_at(&topic, "latest"), records.len() as i64, "nothing was written twice");
}

/// Compares record by record, so that a difference of large values stays readable.
fn same(read: &[Read], expected: &[Read], what: &str) {
    assert_eq!(read.len(), expected.len(), "{what}: how many records were read");
    for (got, want) in read.iter().zip(expected) {
        assert!(got == want, "{what}:\n got {got:?}\nwant {want:?}");
    }
}
