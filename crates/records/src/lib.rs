//! Record batches v2: parse, validate, iterate, build, compress.
//!
//! Contract: pure functions of bytes. No I/O, no clock, no globals; nothing here panics on input, and no allocation
//! trusts a number that came over the wire beyond the bytes that came with it. KIP-98 has the format, KIP-110
//! zstd, KIP-534 the delete horizon.
//!
//! The way of a produced batch: [`single`] (or [`batches`]) cuts a records field into [`RawBatch`]es without copying;
//! [`validate`] checks head and CRC and gives a [`ValidBatch`], the only thing a log appends; [`validate_records`]
//! walks the records where that is wanted; [`PatchedHead`] is the head with offset and epoch filled in, stored and
//! sent beside the untouched rest. [`RecordIter`] reads records, [`BatchBuilder`] writes them.
//!
//! Left out: message formats 0 and 1 (refused as [`ErrorClass::UnsupportedFormat`]; Kafka 4 dropped them too).

mod builder;
mod codec;
mod control;
mod crc;
mod error;
mod header;
mod patch;
mod recompress;
mod record;
mod split;
mod time;
mod validate;
mod varint;
mod walk;

pub use builder::{BatchBuilder, HeaderRef};
pub use codec::{Codec, Compression, DecompressCap, compress, decompress};
pub use control::{ControlType, EndTxnMarker};
pub use crc::{Crc32c, crc32c};
pub use error::{BatchError, ErrorClass, RecordFault};
pub use header::{
    Attributes, BatchHeader, HEAD_BYTES, LENGTH_PREFIX_BYTES, MAGIC, TimestampType, field, next_sequence,
};
pub use patch::PatchedHead;
pub use recompress::recompress;
pub use record::{Headers, Record, RecordIter};
pub use split::{Batches, RawBatch, batches, batches_lenient, single};
pub use time::{TimestampOffset, first_at_or_after, max_timestamp};
pub use validate::{Limits, Origin, ValidBatch, validate};
pub use walk::{RecordsInfo, validate_records, walk};
