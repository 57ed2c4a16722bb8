//! Record batches of a wanted size, uncompressed: records of 1 KiB, or one record if the batch is smaller. Their time is
//! the present: older ones would be deleted by retention while a long run goes on.

use bytes::Bytes;
use klamm_env::{Clock as _, OsClock};
use klamm_records::{BatchBuilder, Codec, Compression, Limits, ValidBatch, single, validate};

const RECORD_BYTES: usize = 1024;
/// What a record of 1 KiB takes beside its value.
const RECORD_OVERHEAD_BYTES: usize = 11;

/// A batch of about (never above) `bytes`, of the idempotent producer if there is one: id and first sequence.
pub fn build(bytes: usize, producer: Option<(i64, i32)>) -> Bytes {
    let value: Vec<u8> = (0..RECORD_BYTES).map(|at| (at * 31 + at / 7) as u8).collect();
    let (time_ms, mut builder) = (OsClock::new().wall_ms(), BatchBuilder::new(Compression::of(Codec::None)));
    if let Some((id, sequence)) = producer {
        builder = builder.producer(id, 0, sequence);
    }
    loop {
        let room = bytes.saturating_sub(builder.bytes() + RECORD_OVERHEAD_BYTES);
        if room == 0 && builder.record_count() > 0 {
            return builder.build().expect("an uncompressed batch is built");
        }
        builder.push(time_ms, None, Some(&value[..room.min(RECORD_BYTES)]), &[]);
    }
}

/// A batch of `count` records with values of `record_bytes`.
pub fn of_records(count: usize, record_bytes: usize) -> Bytes {
    let value: Vec<u8> = (0..record_bytes).map(|at| (at * 31 + at / 7) as u8).collect();
    let (time_ms, mut builder) = (OsClock::new().wall_ms(), BatchBuilder::new(Compression::of(Codec::None)));
    for _ in 0..count {
        builder.push(time_ms, None, Some(&value), &[]);
    }
    builder.build().expect("an uncompressed batch is built")
}

/// How many records with values of `record_bytes` make a batch of about (mostly below) `batch_bytes`; at least one.
pub fn records_in(batch_bytes: usize, record_bytes: usize) -> usize {
    (batch_bytes.saturating_sub(klamm_records::HEAD_BYTES) / (record_bytes + RECORD_OVERHEAD_BYTES)).max(1)
}

/// A batch, validated.
pub fn valid(bytes: Bytes) -> ValidBatch {
    let raw = single(&bytes).expect("one batch");
    validate(raw, &Limits::client(usize::MAX)).expect("it was built well")
}
