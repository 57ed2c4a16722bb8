//! Fetch without sessions: places, sizes, waiting, errors.

use std::thread;
use std::time::{Duration, Instant};

use klamm_conformance::{Raw, batch, records, to_fetch, to_produce, unique};
use klamm_protocol::fetch::{FetchPartition, FetchTopic};
use klamm_protocol::{ErrorCode, FetchRequest, ProduceRequest};

use crate::pair;

fn waiting(topic: &str, max_wait_ms: i32, min_bytes: i32) -> FetchRequest<'_> {
    FetchRequest { max_wait_ms, min_bytes, ..to_fetch(topic, 0, 0) }
}

#[test]
fn from_the_middle_of_a_batch_the_whole_batch_comes() {
    let (_broker, mut raw) = pair();
    let topic = unique("middle");
    raw.create(&topic, 1, &[]);
    raw.append(&topic, 0, batch(&["a", "b", "c"]));
    raw.append(&topic, 0, batch(&["d", "e"]));
    let all = ["a", "b", "c", "d", "e"].map(str::to_owned);
    let expect = |from: usize| (from as i64..).zip(all[from..].to_vec()).collect::<Vec<_>>();
    for (offset, from) in [(0, 0), (1, 0), (2, 0), (3, 3), (4, 3), (5, 5)] {
        assert_eq!(records(&raw.fetch(&topic, 0, offset)), expect(from), "from {offset}");
    }
}

#[test]
fn what_was_acknowledged_is_in_range() {
    let (_broker, mut raw) = pair();
    let topic = unique("acknowledged");
    raw.create(&topic, 1, &[]);
    for base in (0..150).step_by(3) {
        let request = ProduceRequest { acks: 1, ..to_produce(&topic, 0, batch(&["a", "b", "c"])) };
        let answer = raw.ask(9, &request).responses.remove(0).partition_responses.remove(0);
        assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NONE, base), "{answer:?}");
        let found = raw.fetch(&topic, 0, base + 1);
        assert_eq!(found.error_code, ErrorCode::NONE, "right after acks=1");
        assert_eq!(records(&found).len(), 3);
    }
}

#[test]
fn errors_name_what_is_wrong() {
    let (_broker, mut raw) = pair();
    let topic = unique("errors");
    let epoch = raw.create(&topic, 1, &[]).partitions[0].leader_epoch;
    raw.append(&topic, 0, batch(&["a", "b"]));
    let mut code = |topic: &str, partition, offset, epoch| {
        let mut request = to_fetch(topic, partition, offset);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        raw.ask(12, &request).responses[0].partitions[0].error_code
    };
    assert_eq!(code(&topic, 0, 2, epoch), ErrorCode::NONE, "at the end");
    assert_eq!(code(&topic, 0, 3, -1), ErrorCode::OFFSET_OUT_OF_RANGE, "above the end");
    assert_eq!(code(&topic, 0, -1, -1), ErrorCode::OFFSET_OUT_OF_RANGE, "below the start");
    assert_eq!(code(&topic, 0, i64::MAX, -1), ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(code(&topic, 1, 0, -1), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "no such partition");
    assert_eq!(code(&topic, -1, 0, -1), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "no such partition");
    assert_eq!(code("not-there", 0, 0, -1), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "no such topic");
    assert_eq!(code(&topic, 0, 0, epoch + 1), ErrorCode::UNKNOWN_LEADER_EPOCH);
    if epoch > 0 {
        assert_eq!(code(&topic, 0, 0, epoch - 1), ErrorCode::FENCED_LEADER_EPOCH);
    }
}

#[test]
fn the_first_batch_comes_whole_and_the_rest_within_the_bounds() {
    let (_broker, mut raw) = pair();
    let topic = unique("bounds");
    raw.create(&topic, 3, &[]);
    let value = "x".repeat(10_000);
    for partition in 0..3 {
        for _ in 0..3 {
            raw.append(&topic, partition, batch(&[&value]));
        }
    }
    let one = batch(&[&value]).len() as i32;
    let mut counts = |max_bytes, partition_max_bytes| {
        let of = |partition| FetchPartition { partition, partition_max_bytes, ..Default::default() };
        let partitions = (0..3).map(of).collect();
        let topics = vec![FetchTopic { topic: topic.clone().into(), partitions, ..Default::default() }];
        let request = FetchRequest { min_bytes: 1, max_bytes, topics, ..Default::default() };
        let answer = raw.ask(11, &request);
        answer.responses[0].partitions.iter().map(|p| records(p).len()).collect::<Vec<_>>()
    };
    assert_eq!(counts(1 << 20, 1 << 20), [3, 3, 3]);
    assert_eq!(counts(1, 1), [1, 0, 0], "the first batch of the first partition, though it is too large");
    assert_eq!(counts(1 << 20, 1), [1, 0, 0], "a partition's bound is no reason to give it nothing");
    assert_eq!(counts(1 << 20, 2 * one), [2, 2, 2]);
    assert_eq!(counts(4 * one, 1 << 20), [3, 1, 0]);
    assert_eq!(counts(0, 0), [1, 0, 0]);
}

#[test]
fn a_fetch_waits_for_min_bytes_or_max_wait() {
    let (broker, mut raw) = pair();
    let topic = unique("waits");
    raw.create(&topic, 2, &[]);
    let began = Instant::now();
    let empty = raw.ask(12, &waiting(&topic, 500, 1));
    let took = began.elapsed();
    assert!(records(&empty.responses[0].partitions[0]).is_empty());
    assert!(took >= Duration::from_millis(490) && took < Duration::from_secs(3), "max_wait: {took:?}");

    // min_bytes: one small batch is not enough, the second is.
    let small = batch(&["x".repeat(100)]);
    let enough = small.len() as i32 + 1;
    let sent = raw.send(12, &waiting(&topic, 15_000, enough));
    let mut producer = Raw::connect(broker.addr());
    producer.append(&topic, 1, small.clone());
    producer.append(&topic, 0, small.clone());
    assert!(raw.is_silent_for(Duration::from_millis(200)), "min_bytes are not there yet");
    let began = Instant::now();
    producer.append(&topic, 0, small);
    let answer = raw.receive::<FetchRequest<'_>>(sent);
    assert!(began.elapsed() < Duration::from_secs(2), "woken, not timed out");
    assert_eq!(records(&answer.responses[0].partitions[0]).len(), 2);

    // What can be answered at once is.
    let began = Instant::now();
    raw.ask(12, &waiting(&topic, 15_000, 1));
    raw.ask(12, &FetchRequest { topics: vec![], ..waiting(&topic, 15_000, 1) });
    raw.ask(12, &waiting("not-there", 15_000, 1));
    raw.ask(12, &FetchRequest { max_wait_ms: 15_000, min_bytes: 1, ..to_fetch(&topic, 0, 99) });
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn many_wait_and_all_are_woken() {
    let (broker, mut raw) = pair();
    let topic = unique("crowd");
    raw.create(&topic, 1, &[]);
    let mut crowd: Vec<_> = (0..50).map(|_| Raw::connect(broker.addr())).collect();
    let request = FetchRequest { max_wait_ms: 15_000, ..to_fetch(&topic, 0, 0) };
    let sent: Vec<_> = crowd.iter_mut().map(|one| one.send(12, &request)).collect();
    thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    raw.append(&topic, 0, batch(&["now"]));
    for (one, sent) in crowd.iter_mut().zip(sent) {
        let answer = one.receive::<FetchRequest<'_>>(sent);
        assert_eq!(records(&answer.responses[0].partitions[0]), [(0, "now".to_owned())]);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
