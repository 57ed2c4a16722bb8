//! Compression codecs of a batch's payload, behind one cap on the way out.
//!
//! Contract: `decompress` returns at most `DecompressCap::limit_bytes` bytes and stops there. A size field is believed
//! only as far as the compressed bytes that are there could fill it, and never beyond the cap. `compress` writes what
//! Java's and librdkafka's consumers read: gzip, xerial-framed snappy, LZ4 frames of independent blocks, zstd (KIP-110;
//! levels KIP-390).

mod gzip;
mod lz4;
mod snappy;
#[cfg(feature = "zstd")]
mod zstd;
#[cfg(not(feature = "zstd"))]
#[path = "codec/zstd_absent.rs"]
mod zstd;

use std::{fmt, ops::RangeInclusive, str::FromStr};

use bytes::Bytes;

use crate::BatchError;

/// How a payload is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// gzip
    Gzip,
    /// Snappy, raw or framed like snappy-java ("xerial").
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Codec {
    /// All of them, by id.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The id in the attribute bits.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec of an id. Errors: `UnknownCodec`.
    pub fn from_id(id: u8) -> Result<Codec, BatchError> {
        Codec::ALL.get(usize::from(id)).copied().ok_or(BatchError::UnknownCodec { id })
    }

    /// Kafka's name, as in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The levels that Kafka's topic configuration allows; `None` where there are none.
    pub fn levels(self) -> Option<RangeInclusive<i32>> {
        match self {
            Codec::None | Codec::Snappy => None,
            Codec::Gzip => Some(1..=9),
            Codec::Lz4 => Some(1..=17),
            Codec::Zstd => Some(-131_072..=22),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = ();

    /// By Kafka's name; "uncompressed" is another name of "none".
    fn from_str(name: &str) -> Result<Codec, ()> {
        if name == "uncompressed" {
            return Ok(Codec::None);
        }
        Codec::ALL.into_iter().find(|codec| codec.name() == name).ok_or(())
    }
}

/// A codec and its level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    codec: Codec,
    level: Option<i32>,
}

impl Compression {
    /// With the codec's own default level.
    pub fn of(codec: Codec) -> Compression {
        Compression { codec, level: None }
    }

    /// With a level. -1 is the default for gzip, as in Kafka. LZ4 levels are accepted and change nothing: the library
    /// here has one. Errors: `Level`.
    pub fn with_level(codec: Codec, level: i32) -> Result<Compression, BatchError> {
        if codec == Codec::Gzip && level == -1 {
            return Ok(Compression::of(codec));
        }
        match codec.levels() {
            Some(levels) if levels.contains(&level) => Ok(Compression { codec, level: Some(level) }),
            _ => Err(BatchError::Level { codec, level }),
        }
    }

    /// The codec.
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// The level, if not the default.
    pub fn level(self) -> Option<i32> {
        self.level
    }
}

/// How far a payload may inflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecompressCap {
    /// Most bytes of output.
    pub bytes_max: usize,
    /// Most bytes of output for each byte of input, applied above `RATIO_FREE_BYTES`.
    pub ratio_max: usize,
}

impl DecompressCap {
    /// Output below this is never refused for its ratio: a small batch of equal records is honest at 10,000 : 1.
    pub const RATIO_FREE_BYTES: usize = 1 << 20;

    /// At most `bytes_max`, at any ratio up to 1024 (gzip cannot exceed 1032).
    pub const fn of_bytes(bytes_max: usize) -> DecompressCap {
        DecompressCap { bytes_max, ratio_max: 1024 }
    }

    /// Most bytes of output for `input_bytes` of input.
    pub fn limit_bytes(self, input_bytes: usize) -> usize {
        self.bytes_max.min(input_bytes.saturating_mul(self.ratio_max).max(Self::RATIO_FREE_BYTES))
    }
}

impl Default for DecompressCap {
    /// 64 MiB.
    fn default() -> DecompressCap {
        DecompressCap::of_bytes(64 << 20)
    }
}

/// Why a codec stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// At the cap.
    Cap,
    /// At bad bytes.
    Bad(&'static str),
    /// Not in this build.
    #[cfg(not(feature = "zstd"))]
    Absent,
}

/// The payload, uncompressed. Without compression the same bytes, uncopied and uncapped.
///
/// Errors: `Inflated` at the cap, `Payload` for bytes that are not the codec's, `UnknownCodec` if left out of the build.
pub fn decompress(codec: Codec, payload: &Bytes, cap: DecompressCap) -> Result<Bytes, BatchError> {
    let limit_bytes = cap.limit_bytes(payload.len());
    let result = match codec {
        Codec::None => return Ok(payload.clone()),
        Codec::Gzip => gzip::decompress(payload, limit_bytes),
        Codec::Snappy => snappy::decompress(payload, limit_bytes),
        Codec::Lz4 => lz4::decompress(payload, limit_bytes),
        Codec::Zstd => zstd::decompress(payload, limit_bytes),
    };
    match result {
        Ok(out) => {
            assert!(out.len() <= limit_bytes, "{codec} went beyond its cap");
            Ok(Bytes::from(out))
        }
        Err(fault) => Err(error(codec, fault, payload.len(), limit_bytes)),
    }
}

/// Compresses a payload. Errors: `UnknownCodec` if left out of the build.
pub fn compress(compression: Compression, payload: &[u8]) -> Result<Vec<u8>, BatchError> {
    let Compression { codec, level } = compression;
    let result = match codec {
        Codec::None => Ok(payload.to_vec()),
        Codec::Gzip => gzip::compress(payload, level),
        Codec::Snappy => snappy::compress(payload),
        Codec::Lz4 => lz4::compress(payload),
        Codec::Zstd => zstd::compress(payload, level),
    };
    result.map_err(|fault| error(codec, fault, payload.len(), usize::MAX))
}

fn error(codec: Codec, fault: Fault, bytes: usize, bytes_max: usize) -> BatchError {
    match fault {
        Fault::Cap => BatchError::Inflated { codec, bytes, bytes_max },
        Fault::Bad(what) => BatchError::Payload { codec, what },
        #[cfg(not(feature = "zstd"))]
        Fault::Absent => BatchError::UnknownCodec { id: codec.id() },
    }
}

#[cfg(test)]
mod tests;
