//! What becomes of a batch before it is appended, by its topic's configuration: Kafka's `LogValidator`. Pure, but for the time.
//!
//! Without configuration the records of uncompressed batches are walked, compressed ones are taken at their head's word, and
//! nothing is copied. Inside compressed batches only those are looked at whose configuration asks for it (another
//! `compression.type`, `cleanup.policy=compact`, `message.timestamp.before.max.ms`) and those whose head tells of a time that is
//! out of bounds.

use bytes::Bytes;
use klamm_env::busy;
use klamm_protocol::ErrorCode;
use klamm_records::{
    BatchError, BatchHeader, Codec, Compression, Limits, PatchedHead, RecordIter, RecordsInfo, TimestampType,
    ValidBatch, recompress, single, validate, walk,
};

use crate::{LogConfig, allowance::Allowance, errors};

/// Bad records of a batch that are told one by one; Kafka tells all.
const RECORDS_TOLD_MAX: usize = 1000;
/// Bad records in the text for a person, as in Kafka.
const RECORDS_IN_TEXT: usize = 3;
/// What has no time.
const NO_TIMESTAMP: i64 = -1;

/// Why a batch is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) why: String,
    /// The bad records: index in the batch and what is wrong.
    pub(crate) records: Vec<(i32, String)>,
}

impl From<BatchError> for Refused {
    fn from(error: BatchError) -> Self {
        Self { code: errors::of_batch(&error), why: error.to_string(), records: Vec::new() }
    }
}

/// Where a batch is to go, and when.
pub(crate) struct Admission<'a> {
    pub(crate) log: &'a LogConfig,
    pub(crate) topic: &'a str,
    pub(crate) index: i32,
    pub(crate) now_ms: i64,
}

impl Admission<'_> {
    /// The batch as it is appended.
    pub(crate) fn admit(&self, records: &Bytes, allowance: &mut Allowance) -> Result<ValidBatch, Refused> {
        let batch = self.check(records, allowance)?;
        if batch.bytes().as_ptr() != records.as_ptr() {
            allowance.keep(batch.bytes().len());
        }
        Ok(batch)
    }

    fn check(&self, records: &Bytes, allowance: &mut Allowance) -> Result<ValidBatch, Refused> {
        let batch = validate(single(records)?, &Limits::client(self.log.message_bytes_max))?;
        let to = self.log.compression.unwrap_or(batch.codec());
        let suspicious = self.checks_time() && self.is_out_of_bounds(batch.header().max_timestamp);
        let asked = to != batch.codec() || self.log.cleanup_compact || self.checks_early_times();
        if batch.codec() != Codec::None && !asked && !suspicious {
            return Ok(batch);
        }
        if (batch.codec(), to) == (Codec::None, Codec::None) {
            return self.look_inside(batch, to, allowance);
        }
        busy(|| self.look_inside(batch, to, allowance))
    }

    fn look_inside(
        &self,
        batch: ValidBatch,
        to: Codec,
        allowance: &mut Allowance,
    ) -> Result<ValidBatch, Refused> {
        let plain = allowance.decompress(batch.codec(), &batch.payload())?;
        let info = walk(batch.header(), &plain)?;
        if self.may_be_bad(&info) {
            self.judge(batch.header(), &plain, allowance)?;
        }
        let limits = Limits::client(self.log.message_bytes_max);
        let batch = recompress(&batch, &plain, self.compression(to)?, &limits)?;
        // The append time takes the place of a producer's; else the head tells what is true.
        let is_true = info.max_timestamp == batch.header().max_timestamp;
        if is_true || self.log.timestamp_type == TimestampType::LogAppendTime {
            return Ok(batch);
        }
        let (head, rest) = PatchedHead::split(&batch);
        Ok(validate(single(&head.with_max_timestamp(info.max_timestamp).join(&rest))?, &limits)?)
    }

    fn compression(&self, to: Codec) -> Result<Compression, BatchError> {
        match to {
            Codec::None | Codec::Snappy => Ok(Compression::of(to)),
            Codec::Gzip => Compression::with_level(to, self.log.gzip_level),
            Codec::Lz4 => Compression::with_level(to, self.log.lz4_level),
            Codec::Zstd => Compression::with_level(to, self.log.zstd_level),
        }
    }

    fn checks_time(&self) -> bool {
        self.log.timestamp_type == TimestampType::CreateTime
    }

    fn checks_early_times(&self) -> bool {
        self.checks_time() && self.log.timestamp_before_max_ms < i64::MAX
    }

    fn is_out_of_bounds(&self, timestamp: i64) -> bool {
        let ahead = timestamp.saturating_sub(self.now_ms);
        timestamp != NO_TIMESTAMP
            && (ahead > self.log.timestamp_after_max_ms
                || ahead.saturating_neg() > self.log.timestamp_before_max_ms)
    }

    fn may_be_bad(&self, info: &RecordsInfo) -> bool {
        let times = [info.min_timestamp, info.max_timestamp];
        // A record without a time hides the earliest of the others.
        let hidden = info.min_timestamp == NO_TIMESTAMP && self.checks_early_times();
        let late_or_early = times.into_iter().any(|time| self.is_out_of_bounds(time));
        (self.log.cleanup_compact && info.has_keyless) || (self.checks_time() && (hidden || late_or_early))
    }

    /// Refuses a batch with bad records.
    fn judge(&self, header: &BatchHeader, plain: &Bytes, allowance: &mut Allowance) -> Result<(), Refused> {
        let (mut records, mut first, mut count, mut bad_time) = (Vec::new(), Vec::new(), 0usize, false);
        for (index, record) in (0..).zip(RecordIter::new(plain, header.record_count)) {
            let record = record?;
            let timestamp = record.timestamp(header);
            let why = if self.log.cleanup_compact && record.key.is_none() {
                let (topic, partition) = (self.topic, self.index);
                format!(
                    "Compacted topic cannot accept message without key in topic partition {topic}-{partition}"
                )
            } else if self.checks_time() && self.is_out_of_bounds(timestamp) {
                bad_time = true;
                let (least, most) = (
                    self.now_ms.saturating_sub(self.log.timestamp_before_max_ms),
                    self.now_ms.saturating_add(self.log.timestamp_after_max_ms),
                );
                format!(
                    "Timestamp {timestamp} of message with offset {} is out of range. The timestamp should be within \
                     [{least}, {most}]",
                    record.offset(header)
                )
            } else {
                continue;
            };
            count += 1;
            if first.len() < RECORDS_IN_TEXT {
                first.push(format!("RecordError(batchIndex={index}, message='{why}')"));
            }
            if records.len() < RECORDS_TOLD_MAX && allowance.tells() {
                records.push((index, why));
            }
        }
        if count == 0 {
            return Ok(());
        }
        let (code, why) = if bad_time {
            let why = "One or more records have been rejected due to invalid timestamp".to_owned();
            (ErrorCode::INVALID_TIMESTAMP, why)
        } else {
            let why = format!(
                "One or more records have been rejected due to {count} record errors in total, and only showing the first \
                 three errors at most: [{}]",
                first.join(", ")
            );
            (ErrorCode::INVALID_RECORD, why)
        };
        Err(Refused { code, why, records })
    }
}

#[cfg(test)]
mod tests {
    use klamm_records::BatchBuilder;

    use super::*;
    use crate::allowance::Beside;

    const NOW_MS: i64 = 1_000_000_000;

    fn built(codec: Codec, records: &[(i64, Option<&str>)]) -> Bytes {
        let mut builder = BatchBuilder::new(Compression::of(codec));
        for (timestamp, key) in records {
            builder.push(*timestamp, key.map(str::as_bytes), Some(b"value"), &[]);
        }
        builder.build().unwrap()
    }

    fn admit(log: &LogConfig, batch: &Bytes) -> Result<ValidBatch, Refused> {
        let mut allowance = Beside::default().allowance(100 << 20);
        Admission { log, topic: "t", index: 7, now_ms: NOW_MS }.admit(batch, &mut allowance)
    }

    #[test]
    fn nothing_is_copied_without_need() {
        let log = LogConfig::default();
        for codec in Codec::ALL {
            let batch = built(codec, &[(NOW_MS, None), (-1, None), (3, Some("k"))]);
            let same = LogConfig { compression: Some(codec), timestamp_before_max_ms: NOW_MS, ..log.clone() };
            for log in [&log, &same] {
                assert_eq!(admit(log, &batch).unwrap().bytes().as_ptr(), batch.as_ptr(), "{codec}");
            }
        }
    }

    #[test]
    fn compressed_batches_are_believed_unless_asked() {
        let broken = |codec| {
            let good =
                validate(single(&built(codec, &[(1, Some("k"))])).unwrap(), &Limits::broker()).unwrap();
            let (head, mut rest) = PatchedHead::split(&good);
            rest = [&rest[..], b"more"].concat().into();
            let mut head = head.header();
            head.batch_length += 4;
            let mut bytes = [&head.encode()[..], &rest].concat();
            let crc = klamm_records::crc32c(&bytes[klamm_records::field::ATTRIBUTES..]);
            bytes[klamm_records::field::CRC..][..4].copy_from_slice(&crc.to_be_bytes());
            Bytes::from(bytes)
        };
        let log = LogConfig::default();
        let compact = LogConfig { cleanup_compact: true, ..log.clone() };
        assert!(admit(&log, &broken(Codec::Snappy)).is_ok());
        assert_eq!(admit(&compact, &broken(Codec::Snappy)).unwrap_err().code, ErrorCode::INVALID_RECORD);
        assert_eq!(admit(&log, &broken(Codec::None)).unwrap_err().code, ErrorCode::INVALID_RECORD);
    }

    #[test]
    fn very_many_bad_records_are_told_in_part() {
        let log = LogConfig { cleanup_compact: true, ..LogConfig::default() };
        let refused = admit(&log, &built(Codec::Gzip, &[(1, None); 5000])).unwrap_err();
        assert_eq!((refused.code, refused.records.len()), (ErrorCode::INVALID_RECORD, RECORDS_TOLD_MAX));
        assert!(refused.why.contains("due to 5000 record errors"), "{}", refused.why);
        // Those of a request together, too.
        let mut allowance = Beside::default().allowance(100 << 20);
        let admission = Admission { log: &log, topic: "t", index: 7, now_ms: NOW_MS };
        let batch = built(Codec::Gzip, &[(1, None); 5000]);
        let told = (0..20).map(|_| admission.admit(&batch, &mut allowance).unwrap_err().records.len());
        assert_eq!(told.sum::<usize>(), 5000);
        // What is wrong is said even then.
        let refused = admission.admit(&batch, &mut allowance).unwrap_err();
        assert!(refused.records.is_empty() && refused.why.matches("RecordError").count() == RECORDS_IN_TEXT);
    }

    #[test]
    fn a_bomb_is_not_recompressed() {
        let mut bomb = BatchBuilder::new(Compression::of(Codec::Zstd));
        bomb.push(1, None, Some(&vec![0; 80 << 20]), &[]);
        let bomb = bomb.build().unwrap();
        let log = LogConfig { compression: Some(Codec::None), ..LogConfig::default() };
        assert_eq!(admit(&log, &bomb).unwrap_err().code, ErrorCode::MESSAGE_TOO_LARGE);
        assert!(admit(&LogConfig::default(), &bomb).is_ok());
    }

    #[test]
    fn the_batches_of_a_request_inflate_within_its_budget() {
        let log = LogConfig { compression: Some(Codec::None), ..LogConfig::default() };
        let admission = Admission { log: &log, topic: "t", index: 7, now_ms: NOW_MS };
        let of = |bytes: usize| {
            let mut builder = BatchBuilder::new(Compression::of(Codec::Zstd));
            builder.push(1, None, Some(&vec![0; bytes]), &[]);
            builder.build().unwrap()
        };
        let beside = Beside::default();
        let mut allowance = beside.allowance(3_500_000);
        let mut admit =
            |batch: &Bytes| admission.admit(batch, &mut allowance).map(|batch| batch.bytes().len());
        let kept: usize = (0..3).map(|_| admit(&of(1_000_000)).unwrap()).sum();
        assert_eq!(admit(&of(1_000_000)).unwrap_err().code, ErrorCode::MESSAGE_TOO_LARGE);
        assert_eq!(admit(&of(1000)).unwrap_err().code, ErrorCode::MESSAGE_TOO_LARGE, "the budget is spent");
        assert!(admit(&built(Codec::None, &[(1, None)])).is_ok(), "what is not inflated needs none");
        assert_eq!(beside.bytes(), kept);
        drop(allowance);
        assert_eq!(beside.bytes(), 0);
    }

    #[test]
    fn a_lying_head_is_put_right() {
        let honest =
            validate(single(&built(Codec::Lz4, &[(5, None), (9, None)])).unwrap(), &Limits::broker());
        let (head, rest) = PatchedHead::split(&honest.unwrap());
        let late = head.with_max_timestamp(NOW_MS * 2).join(&rest);
        assert_eq!(admit(&LogConfig::default(), &late).unwrap().header().max_timestamp, 9);
    }
}
