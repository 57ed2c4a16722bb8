//! Record batches of the workload: made by the producer, taken apart by the reader.

use bytes::Bytes;
use klamm_records::{
    BatchBuilder, Codec, Compression, DecompressCap, Limits, RecordIter, batches, decompress, validate,
};

use klamm_checker::{Part, Value, Values};

use crate::Dice;

/// A batch that is sent until it is acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) values: Values,
    pub(crate) bytes: Bytes,
}

/// Who writes a batch, as what. A plain producer has the id -1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
}

/// The largest batch, below the broker's `message.max.bytes`.
const BATCH_BYTES_MAX: u64 = 1_000_000;

/// The end of a record's value depends on all the rest of it, and on the partition.
const MARK_BYTES: usize = 4;

/// Records of a bulky batch, of about 17 bytes each.
const BULK_COUNT: u32 = 55_000;

impl Batch {
    /// A batch of very many small records.
    pub(crate) fn bulk(part: Part, sender: u32, first: u32, writer: Writer, time_ms: i64) -> Self {
        let mut builder = BatchBuilder::new(Compression::of(Codec::None));
        builder = builder.producer(writer.id, writer.epoch, writer.sequence);
        for number in first..first + BULK_COUNT {
            builder.push(time_ms, None, Some(&Value { writer: sender, number }.to_bytes()), &[]);
        }
        let bytes = builder.build().expect("the batch fits");
        Self { values: Values { part, writer: sender, first, count: BULK_COUNT }, bytes }
    }

    /// A batch of seeded size: mostly small, some larger than a journal file's half.
    pub(crate) fn make(
        part: Part,
        sender: u32,
        first: u32,
        writer: Writer,
        time_ms: i64,
        dice: &mut Dice,
    ) -> Self {
        let (records_max, bytes_max) = match dice.within(0..100) {
            0..40 => (250, 30),
            40..70 => (40, 200),
            70..90 => (10, 2_000),
            90..97 => (4, 60_000),
            _ => (2, 450_000),
        };
        let codec = if dice.one_in(4) { Codec::Lz4 } else { Codec::None };
        let mut builder = BatchBuilder::new(Compression::of(codec));
        if writer.id >= 0 {
            builder = builder.producer(writer.id, writer.epoch, writer.sequence);
        }
        let count = dice.within(1..records_max + 1) as u32;
        let mut size = 0;
        let mut pushed = 0;
        for number in first..first + count {
            let filler = dice.within(0..bytes_max);
            size += filler + 100;
            if pushed > 0 && size > BATCH_BYTES_MAX {
                break;
            }
            let mut value = vec![0; 8 + filler as usize];
            dice.fill(&mut value[8..]);
            value[..8].copy_from_slice(&Value { writer: sender, number }.to_bytes());
            let (body, mark) = value.split_at_mut(marked_bytes(8 + filler as usize));
            mark.copy_from_slice(&mark_of(part, body)[..mark.len()]);
            builder.push(time_ms, None, Some(&value), &[]);
            pushed += 1;
        }
        let bytes = builder.build().expect("the batch fits");
        Self { values: Values { part, writer: sender, first, count: pushed }, bytes }
    }
}

/// How many bytes of a record's value come before its mark: behind the eight that are the value there is as much of it as
/// there is room for.
fn marked_bytes(bytes: usize) -> usize {
    bytes.saturating_sub(MARK_BYTES).max(bytes.min(8))
}

/// What tells that a record's bytes are those that were sent to this partition.
fn mark_of(part: Part, body: &[u8]) -> [u8; MARK_BYTES] {
    (klamm_records::crc32c(body) ^ klamm_records::crc32c(&part.0.to_be_bytes())).to_be_bytes()
}

/// The offsets and values of a partition's fetched batches, from an offset on.
pub(crate) fn values(records: &Bytes, part: Part, from: i64) -> Result<Vec<(i64, Value)>, String> {
    let mut values = Vec::new();
    for batch in batches(records) {
        let batch = batch
            .and_then(|raw| validate(raw, &Limits::broker()))
            .map_err(|error| format!("a fetched batch: {error}"))?;
        let payload = match batch.codec() {
            Codec::None => batch.payload(),
            codec => decompress(codec, &batch.payload(), DecompressCap::default())
                .map_err(|error| format!("a fetched batch: {error}"))?,
        };
        for record in RecordIter::new(&payload, batch.header().record_count) {
            let record = record.map_err(|error| format!("a fetched record: {error}"))?;
            let offset = record.offset(batch.header());
            let bytes = record.value.unwrap_or_default();
            let (body, mark) = bytes.split_at(marked_bytes(bytes.len()));
            let value = body.first_chunk::<8>().filter(|_| *mark == mark_of(part, body)[..mark.len()]);
            let value = value.ok_or_else(|| format!("offset {offset} has not what was sent"))?;
            if offset >= from {
                values.push((offset, Value::from_bytes(*value)));
            }
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Part = Part(3);

    /// The bytes of a batch of one record.
    fn of(value: &[u8]) -> Bytes {
        let mut builder = BatchBuilder::new(Compression::of(Codec::None));
        builder.push(0, None, Some(value), &[]);
        builder.build().unwrap()
    }

    #[test]
    fn what_was_sent_is_read() {
        let writer = Writer { id: -1, epoch: -1, sequence: -1 };
        for seed in 0..60 {
            let batch = Batch::make(PART, 7, 5, writer, 0, &mut Dice::new(seed, "batch"));
            let read = values(&batch.bytes, PART, 0).unwrap();
            let Values { first, count, .. } = batch.values;
            let sent = (0..).zip((first..first + count).map(|number| Value { writer: 7, number }));
            assert_eq!(read, sent.collect::<Vec<_>>());
            assert_eq!(values(&batch.bytes, PART, 1).unwrap(), read[1..]);
        }
    }

    #[test]
    fn other_bytes_are_noticed() {
        let mut sent = Value { writer: 7, number: 5 }.to_bytes().to_vec();
        sent.extend(b"filler");
        sent.extend(mark_of(PART, &sent));
        assert!(values(&of(&sent), PART, 0).is_ok());
        assert!(values(&of(&sent), Part(4), 0).is_err());
        for at in 0..sent.len() {
            let mut other = sent.clone();
            other[at] ^= 1;
            assert!(values(&of(&other), PART, 0).is_err(), "byte {at}");
            assert!(at <= 8 || values(&of(&sent[..at]), PART, 0).is_err(), "the first {at} bytes");
        }
        assert!(values(&of(&sent[..7]), PART, 0).is_err());
    }
}
