//! Why a frame could not be decoded, or a message not encoded. One variant per fact; offsets count from the frame's
//! first byte after its length.

use crate::ApiKey;
use std::fmt;

/// Why bytes are no message. The connection they came from should be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The frame ends too early.
    Truncated {
        /// Where the value begins.
        at: usize,
        /// Bytes the value needs.
        wanted: usize,
        /// Bytes there are.
        left: usize,
    },
    /// A length below -1.
    NegativeLength {
        /// Where the length ends.
        at: usize,
        /// The length.
        length: i64,
    },
    /// A string longer than 32767 bytes.
    StringTooLong {
        /// Where the length ends.
        at: usize,
        /// The length.
        length: usize,
    },
    /// Null where the version does not allow it.
    Null {
        /// Where the value begins.
        at: usize,
    },
    /// More elements than the remaining bytes can hold.
    Count {
        /// Where the count ends.
        at: usize,
        /// The count.
        count: usize,
        /// Bytes there are.
        left: usize,
    },
    /// Decoding would take more memory than the frame entitles to.
    Budget {
        /// Where the count ends.
        at: usize,
        /// Bytes of memory wanted.
        wanted: usize,
        /// Bytes of memory left.
        left: usize,
    },
    /// A varint of more than 32 bits.
    Varint {
        /// Where it begins.
        at: usize,
    },
    /// A string that is not UTF-8.
    Utf8 {
        /// The first byte that is wrong.
        at: usize,
    },
    /// A tagged field that is shorter than its size says.
    TagSize {
        /// Where it ends.
        at: usize,
        /// Its tag.
        tag: u32,
        /// Bytes left over.
        left: usize,
    },
    /// Bytes after the end of the message.
    Trailing {
        /// Where the message ends.
        at: usize,
        /// Bytes left over.
        left: usize,
    },
    /// No API has this number.
    UnknownApi {
        /// The number.
        key: i16,
    },
    /// The API is not served in this version.
    Version {
        /// The API.
        api: ApiKey,
        /// The version.
        version: i16,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { at, wanted, left } => {
                write!(f, "byte {at}: a value of {wanted} bytes where {left} are left")
            }
            Self::NegativeLength { at, length } => write!(f, "byte {at}: length {length}"),
            Self::StringTooLong { at, length } => write!(f, "byte {at}: a string of {length} bytes"),
            Self::Null { at } => write!(f, "byte {at}: null where it is not allowed"),
            Self::Count { at, count, left } => {
                write!(f, "byte {at}: {count} elements cannot fit in {left} bytes")
            }
            Self::Budget { at, wanted, left } => {
                write!(f, "byte {at}: needs {wanted} bytes of memory where {left} are allowed")
            }
            Self::Varint { at } => write!(f, "byte {at}: a varint of more than 32 bits"),
            Self::Utf8 { at } => write!(f, "byte {at}: not UTF-8"),
            Self::TagSize { at, tag, left } => {
                write!(f, "byte {at}: tagged field {tag} has {left} bytes left over")
            }
            Self::Trailing { at, left } => write!(f, "byte {at}: {left} bytes after the message"),
            Self::UnknownApi { key } => write!(f, "no API has the key {key}"),
            Self::Version { api, version } => write!(f, "{} is not served in version {version}", api.name()),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Why a message cannot be written in a version. Always a fault of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// A field holds a value that the version cannot carry.
    NoField {
        /// `Struct.field`.
        field: &'static str,
        /// The version.
        version: i16,
    },
    /// Null where the version does not allow it.
    Null {
        /// `Struct.field`.
        field: &'static str,
    },
    /// A string longer than 32767 bytes, or anything longer than a 32-bit length can say.
    TooLong {
        /// `Struct.field`.
        field: &'static str,
        /// Its length.
        length: usize,
    },
    /// A frame longer than a 32-bit length can say.
    FrameTooLong {
        /// Its length.
        length: usize,
    },
    /// The API is not served in this version.
    Version {
        /// The API.
        api: ApiKey,
        /// The version.
        version: i16,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoField { field, version } => write!(f, "version {version} has no {field}, which is set"),
            Self::Null { field } => write!(f, "{field} is null where the version does not allow it"),
            Self::TooLong { field, length } => write!(f, "{field} is too long: {length}"),
            Self::FrameTooLong { length } => write!(f, "a frame of {length} bytes is too long"),
            Self::Version { api, version } => write!(f, "{} is not served in version {version}", api.name()),
        }
    }
}

impl std::error::Error for EncodeError {}
