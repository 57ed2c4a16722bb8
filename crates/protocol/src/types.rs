//! The field types that Rust has no word for: borrowed text and bytes, uuid, records.

use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;

/// Text that usually borrows from the frame.
pub type Str<'a> = Cow<'a, str>;

/// Bytes that usually borrow from the frame.
pub type Blob<'a> = Cow<'a, [u8]>;

/// A 128-bit id. Zero means "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The id that means "none".
    pub const ZERO: Self = Self([0; 16]);
}

/// As Kafka writes it: base64 for URLs, without padding.
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = u128::from_be_bytes(self.0);
        let digit = |six: u128| char::from(DIGITS[(six & 63) as usize]);
        for shift in (2..128).step_by(6).rev() {
            write!(f, "{}", digit(bits >> shift))?;
        }
        write!(f, "{}", digit(bits << 4))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Record batches, opaque here. Decoding gives `Borrowed`; encoding appends `Segments` without copying them.
#[derive(Clone)]
pub enum Records<'a> {
    /// A part of the frame.
    Borrowed(&'a [u8]),
    /// Pieces that follow each other, shared with whoever holds them.
    Segments(Vec<Bytes>),
}

impl Records<'_> {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Borrowed(bytes) => bytes.len(),
            Self::Segments(segments) => segments.iter().map(Bytes::len).sum(),
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let (borrowed, segments) = match self {
            Self::Borrowed(bytes) => (Some(*bytes), &[][..]),
            Self::Segments(segments) => (None, &segments[..]),
        };
        borrowed.into_iter().chain(segments.iter().map(|segment| &segment[..]))
    }

    /// The bytes as a share of `frame`, from which they were decoded: nothing is copied. Segments are joined (by
    /// copying, if there are several).
    ///
    /// # Panics
    /// If the bytes were borrowed from something else.
    pub fn in_frame(&self, frame: &Bytes) -> Bytes {
        match self {
            Self::Borrowed(bytes) => frame.slice_ref(bytes),
            Self::Segments(segments) => match &segments[..] {
                [one] => one.clone(),
                several => several.concat().into(),
            },
        }
    }
}

impl Default for Records<'_> {
    fn default() -> Self {
        Self::Borrowed(&[])
    }
}

/// Equal bytes, however they are cut.
impl PartialEq for Records<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.pieces().flatten().eq(other.pieces().flatten())
    }
}

impl Eq for Records<'_> {}

impl From<Bytes> for Records<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::Segments(vec![bytes])
    }
}

/// Length only: records are long and not text.
impl fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({} bytes)", self.len())
    }
}
