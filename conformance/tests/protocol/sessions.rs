//! Fetch sessions (KIP-227).

use klamm_conformance::{Raw, batch, records, to_fetch, unique};
use klamm_protocol::fetch::{FetchPartition, FetchTopic, ForgottenTopic};
use klamm_protocol::{ErrorCode, FetchRequest, FetchResponse};

use crate::pair;

const VERSION: i16 = 12;

/// A fetch of a session, of these partitions and offsets.
fn request(topic: &str, session: (i32, i32), partitions: &[(i32, i64)]) -> FetchRequest<'static> {
    let of = |&(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let partitions: Vec<_> = partitions.iter().map(of).collect();
    let topics = match partitions.is_empty() {
        true => vec![],
        false => vec![FetchTopic { topic: topic.to_owned().into(), partitions, ..Default::default() }],
    };
    FetchRequest {
        min_bytes: 0,
        max_bytes: 1 << 24,
        session_id: session.0,
        session_epoch: session.1,
        topics,
        ..Default::default()
    }
}

/// Which partitions an answer has, and how many records of each.
fn seen(answer: &FetchResponse<'_>) -> Vec<(i32, usize)> {
    assert_eq!(answer.error_code, ErrorCode::NONE);
    let mut seen: Vec<_> = answer
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|p| (p.partition_index, records(p).len()))
        .collect();
    seen.sort_unstable();
    seen
}

#[test]
fn only_what_changed_is_answered() {
    let (_broker, mut raw) = pair();
    let topic = unique("session");
    raw.create(&topic, 3, &[]);
    let full = raw.ask(VERSION, &request(&topic, (0, 0), &[(0, 0), (1, 0), (2, 0)]));
    assert_eq!(seen(&full), [(0, 0), (1, 0), (2, 0)], "a full fetch names all");
    let id = full.session_id;
    assert_ne!(id, 0, "a session began");

    let mut epoch = 0;
    let mut next = |raw: &mut Raw, partitions: &[(i32, i64)], forget: &[i32]| {
        epoch += 1;
        let mut request = request(&topic, (id, epoch), partitions);
        if !forget.is_empty() {
            let (topic, partitions) = (topic.clone().into(), forget.to_vec());
            request.forgotten_topics_data = vec![ForgottenTopic { topic, partitions, ..Default::default() }];
        }
        let answer = raw.ask(VERSION, &request);
        assert_eq!(answer.session_id, id);
        answer
    };
    // A fresh partition of Apache Kafka has news for a moment.
    while !seen(&next(&mut raw, &[], &[])).is_empty() {}
    raw.append(&topic, 1, batch(&["x", "y"]));
    assert_eq!(seen(&next(&mut raw, &[], &[])), [(1, 2)], "only the partition with records");
    assert_eq!(seen(&next(&mut raw, &[], &[])), [(1, 2)], "they are given until the offset moves");
    assert_eq!(seen(&next(&mut raw, &[(1, 2)], &[])), [], "the offset moved");
    raw.append(&topic, 0, batch(&["x"]));
    raw.append(&topic, 2, batch(&["x"]));
    assert_eq!(seen(&next(&mut raw, &[(0, 1)], &[])), [(0, 0), (2, 1)], "a high watermark is news, too");
    assert_eq!(seen(&next(&mut raw, &[(2, 1)], &[])), []);

    assert_eq!(seen(&next(&mut raw, &[], &[1])), []);
    for partition in 0..3 {
        raw.append(&topic, partition, batch(&["z"]));
    }
    assert_eq!(seen(&next(&mut raw, &[], &[])), [(0, 1), (2, 1)], "a forgotten partition is forgotten");
    let back = seen(&next(&mut raw, &[(0, 2), (1, 2), (2, 2)], &[]));
    assert!(back.contains(&(1, 1)), "and may come back: {back:?}");
    let errors = next(&mut raw, &[(0, 99), (1, 3)], &[]);
    assert_eq!(errors.responses[0].partitions[0].error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
}

#[test]
fn wrong_epochs_and_ids_are_refused() {
    let (_broker, mut raw) = pair();
    let topic = unique("session");
    raw.create(&topic, 1, &[]);
    let code = |raw: &mut Raw, session| raw.ask(VERSION, &request(&topic, session, &[(0, 0)])).error_code;
    let id = raw.ask(VERSION, &request(&topic, (0, 0), &[(0, 0)])).session_id;
    let unknown = if id == 12345 { 54321 } else { 12345 };
    assert_eq!(code(&mut raw, (unknown, 1)), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(code(&mut raw, (id, 2)), ErrorCode::INVALID_FETCH_SESSION_EPOCH, "an epoch was left out");
    assert_eq!(code(&mut raw, (id, 1)), ErrorCode::NONE, "a refused fetch changes nothing");
    assert_eq!(code(&mut raw, (id, 1)), ErrorCode::INVALID_FETCH_SESSION_EPOCH, "an epoch again");
    let closed = raw.ask(VERSION, &request(&topic, (id, -1), &[(0, 0)]));
    assert_eq!((closed.error_code, closed.session_id), (ErrorCode::NONE, 0), "-1 closes it");
    assert_eq!(code(&mut raw, (id, 2)), ErrorCode::FETCH_SESSION_ID_NOT_FOUND, "it is closed");
    let first = raw.ask(VERSION, &request(&topic, (0, 0), &[(0, 0)])).session_id;
    let second = raw.ask(VERSION, &request(&topic, (first, 0), &[(0, 0)])).session_id;
    assert_ne!(first, second, "epoch 0 begins a new one");
    assert_eq!(code(&mut raw, (first, 1)), ErrorCode::FETCH_SESSION_ID_NOT_FOUND, "and ends the old one");
}

#[test]
fn without_a_session_there_is_none() {
    let (_broker, mut raw) = pair();
    let topic = unique("session");
    raw.create(&topic, 1, &[]);
    let answer = raw.ask(VERSION, &to_fetch(&topic, 0, 0));
    assert_eq!(answer.session_id, 0);
}
