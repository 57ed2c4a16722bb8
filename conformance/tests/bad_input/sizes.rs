//! Requests that ask for far more memory than they are large.

use bytes::Bytes;
use klamm_conformance::{Raw, batch, to_produce, unique};
use klamm_protocol::produce::{PartitionProduceData, TopicProduceData};
use klamm_protocol::{ErrorCode, ProduceRequest, Records, encode_request_frame};
use klamm_records::{BatchBuilder, Codec, Compression};

use crate::{Attacked, MIB};

/// `socket.request.max.bytes`, and so what the batches of a request may inflate to.
const INFLATED_BYTES_MAX: u64 = 100 * MIB;
fn zeros(bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::of(Codec::Zstd));
    builder.push(10, None, Some(&vec![0; bytes]), &[]);
    builder.build().expect("a batch")
}

/// A batch to each of many partitions.
fn to_all(topic: &str, partitions: i32, batch: &Bytes) -> ProduceRequest<'static> {
    let of = |index| PartitionProduceData { index, records: Some(Records::from(batch.clone())) };
    let partition_data = (0..partitions).map(of).collect();
    let data = TopicProduceData { name: topic.to_owned().into(), partition_data, ..Default::default() };
    ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data: vec![data], ..Default::default() }
}

#[test]
fn batches_inflate_within_bounds() {
    const PARTITIONS: i32 = 300;
    let attacked = Attacked::start(&[]);
    let mut raw = attacked.connect();
    let topic = unique("inflated");
    raw.create(&topic, PARTITIONS, &[("compression.type", "uncompressed")]);
    let epoch = |raw: &mut Raw| raw.topic(&topic).partitions[0].leader_epoch;
    let (before, began) = (attacked.server.peak_bytes(), epoch(&mut raw));
    let request = to_all(&topic, PARTITIONS, &zeros(1_000_000));
    let sent: Vec<_> = (0..20).map(|_| raw.send(9, &request)).collect();
    for sent in sent {
        let answer = raw.receive::<ProduceRequest<'_>>(sent);
        let codes = answer.responses[0].partition_responses.iter().map(|partition| partition.error_code);
        let (taken, refused): (Vec<_>, Vec<_>) = codes.partition(|code| code.is_ok());
        assert_eq!(taken.len(), (INFLATED_BYTES_MAX / 1_000_000) as usize, "as much as a request may hold");
        assert!(refused.iter().all(|code| *code == ErrorCode::MESSAGE_TOO_LARGE), "{refused:?}");
    }
    let grew = attacked.server.peak_bytes() - before;
    // One request's batches, those of the one before, the tail, the window that entries are staged in, and what the allocator
    // keeps of them: 500 to 610 MiB were seen, of 12 requests as of 48.
    let bound = 8 * INFLATED_BYTES_MAX;
    assert!(grew < bound, "{} MiB of memory", grew / MIB);
    assert_eq!(epoch(&mut raw), began, "the shard was loaded again");
    attacked.survived(bound);
}

/// A frame with so much more behind its request, which brokers pass over.
fn with_junk(request: &ProduceRequest<'_>, bytes: usize) -> Vec<u8> {
    let mut frame = encode_request_frame(9, 1, None, request).expect("a frame").concat();
    frame.resize(frame.len() + bytes, 0);
    let length = u32::try_from(frame.len() - 4).expect("a length");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

fn check_pins(class: &str, frame: impl Fn(&str) -> Vec<u8>) {
    const FRAMES: u64 = 200;
    let attacked = Attacked::start(&[]);
    let mut raw = attacked.connect();
    let topic = unique("pinned");
    raw.create(&topic, 1, &[("klamm.storage.class", class)]);
    let frame = frame(&topic);
    for _ in 0..FRAMES {
        raw.write(&frame);
        assert!(raw.frame().is_some());
    }
    assert_eq!(raw.end(&topic, 0), FRAMES as i64);
    let grew = attacked.grew_bytes();
    assert!(grew < 40 * MIB, "{class}: {} MiB for batches of 2 KiB", grew / MIB);
    attacked.survived(40 * MIB);
}

fn small() -> Bytes {
    batch(&["x".repeat(2100)])
}

#[test]
fn small_batches_do_not_keep_large_frames() {
    for class in ["disk", "memory"] {
        check_pins(class, |topic| with_junk(&to_produce(topic, 0, small()), MIB as usize));
    }
}

#[test]
fn nor_those_beside_a_refused_batch() {
    let large = batch(&["x".repeat(1_000_000)]);
    check_pins("memory", |topic| {
        let mut request = to_produce(topic, 0, small());
        let refused = PartitionProduceData { index: 7, records: Some(Records::from(large.clone())) };
        request.topic_data[0].partition_data.push(refused);
        with_junk(&request, 0)
    });
}
