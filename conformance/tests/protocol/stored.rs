//! Reading what is in the broker's memory no more. Of `klamm` only.

use klamm_conformance::{Raw, Server, batch, records, unique};
use klamm_protocol::{
    FetchRequest,
    fetch::{FetchPartition, FetchTopic},
};

/// One answer has this much of what is stored, and of what is in memory as much as is asked for.
const STORED_BYTES_MAX: usize = 4 << 20;

#[test]
fn an_answer_has_a_bounded_part_of_it_and_the_next_goes_on() {
    let server = Server::start(&["-c", "klamm.tail.bytes=1MiB"]);
    let mut raw = Raw::connect(server.addr());
    let topic = unique("stored");
    raw.create(&topic, 3, &[]);
    let value = "x".repeat(700_000);
    for partition in 0..3 {
        for _ in 0..4 {
            raw.append(&topic, partition, batch(&[&value]));
        }
    }
    let mut counts = |offsets: [i64; 3]| {
        let of = |(partition, fetch_offset)| FetchPartition {
            partition,
            fetch_offset,
            partition_max_bytes: 10 << 20,
            ..Default::default()
        };
        let partitions = (0..3).zip(offsets).map(of).collect();
        let topics = vec![FetchTopic { topic: topic.clone().into(), partitions, ..Default::default() }];
        let request = FetchRequest { min_bytes: 1, max_bytes: 50 << 20, topics, ..Default::default() };
        let answer = raw.ask(11, &request);
        answer.responses[0].partitions.iter().map(|p| records(p).len()).collect::<Vec<_>>()
    };
    assert!(5 * value.len() < STORED_BYTES_MAX && STORED_BYTES_MAX < 6 * value.len());
    assert_eq!(counts([0, 0, 0]), [4, 1, 0]);
    assert_eq!(counts([4, 1, 0]), [0, 3, 2]);
    assert_eq!(counts([4, 4, 2]), [0, 0, 2]);
    assert_eq!(counts([0, 0, 3]), [4, 1, 1], "what is in memory has room of its own");
}
