//! Encoder. Small fields go into one buffer; long records are taken over as they are, between two cuts of that buffer.
//! Invariant: the concatenation of `parts` and `buffer` is what was written; a frame's length is in the first part.

use crate::decoder::STRING_BYTES_MAX;
use crate::{ApiKey, EncodeError, ErrorCode, Records, Uuid};
use bytes::{BufMut, Bytes, BytesMut};

type Result<T> = std::result::Result<T, EncodeError>;

/// Records up to this long are copied: that costs less than another segment in the system call.
const COPIED_BYTES_MAX: usize = 512;

const LENGTH_BYTES: usize = 4;

enum Part {
    Own(BytesMut),
    Shared(Bytes),
}

/// Collects a message as segments.
#[derive(Default)]
pub struct Encoder {
    parts: Vec<Part>,
    buffer: BytesMut,
    framed: bool,
}

impl Encoder {
    /// An empty encoder, for bodies alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// An encoder that leaves room for the frame's length.
    pub fn framed() -> Self {
        let mut buffer = BytesMut::with_capacity(256);
        buffer.put_i32(0);
        Self { parts: Vec::new(), buffer, framed: true }
    }

    /// Bytes written, a frame's length included.
    pub fn len(&self) -> usize {
        let parts = self.parts.iter().map(|part| match part {
            Part::Own(bytes) => bytes.len(),
            Part::Shared(bytes) => bytes.len(),
        });
        parts.sum::<usize>() + self.buffer.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The segments, none of them empty.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.cut();
        let freeze = |part| match part {
            Part::Own(bytes) => bytes.freeze(),
            Part::Shared(bytes) => bytes,
        };
        self.parts.into_iter().map(freeze).collect()
    }

    /// The segments, with the frame's length in front.
    ///
    /// # Errors
    /// `FrameTooLong`.
    ///
    /// # Panics
    /// If the encoder was not made by `framed`.
    pub fn finish_frame(mut self) -> Result<Vec<Bytes>> {
        assert!(self.framed, "a frame begins with Encoder::framed");
        self.cut();
        let length = self.len() - LENGTH_BYTES;
        let said = i32::try_from(length).map_err(|_| EncodeError::FrameTooLong { length })?;
        if let Some(Part::Own(first)) = self.parts.first_mut() {
            first[..LENGTH_BYTES].copy_from_slice(&said.to_be_bytes());
        }
        Ok(self.finish())
    }

    fn cut(&mut self) {
        if !self.buffer.is_empty() {
            self.parts.push(Part::Own(self.buffer.split()));
        }
    }

    /// Refuses versions that the API does not serve.
    pub(crate) fn served(&self, api: ApiKey, version: i16) -> Result<()> {
        if api.serves(version) { Ok(()) } else { Err(EncodeError::Version { api, version }) }
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.buffer.put_u8(u8::from(value));
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.buffer.put_u16(value);
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.buffer.put_f64(value);
    }

    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.buffer.put_slice(&value.0);
    }

    pub(crate) fn error(&mut self, value: ErrorCode) {
        self.buffer.put_i16(value.0);
    }

    /// Whether a struct that may be null follows.
    pub(crate) fn present(&mut self, value: bool) {
        self.buffer.put_i8(if value { 1 } else { -1 });
    }

    pub(crate) fn uvarint(&mut self, value: u32) {
        let (bytes, length) = uvarint(value);
        self.buffer.put_slice(&bytes[..length]);
    }

    pub(crate) fn string(&mut self, flex: bool, value: &str, field: &'static str) -> Result<()> {
        let length = value.len();
        let short = i16::try_from(length).map_err(|_| EncodeError::TooLong { field, length })?;
        const _: () = assert!(STRING_BYTES_MAX == i16::MAX as usize);
        if flex {
            self.uvarint(short as u32 + 1)
        } else {
            self.i16(short)
        }
        self.buffer.put_slice(value.as_bytes());
        Ok(())
    }

    /// `null`: whether the version allows null.
    pub(crate) fn string_opt(
        &mut self,
        flex: bool,
        null: bool,
        value: Option<&str>,
        field: &'static str,
    ) -> Result<()> {
        match value {
            Some(value) => self.string(flex, value, field),
            None if !null => Err(EncodeError::Null { field }),
            None => {
                if flex {
                    self.uvarint(0)
                } else {
                    self.i16(-1)
                }
                Ok(())
            }
        }
    }

    /// The number of elements, or of bytes.
    pub(crate) fn count(&mut self, flex: bool, length: usize, field: &'static str) -> Result<()> {
        let said = i32::try_from(length).map_err(|_| EncodeError::TooLong { field, length })?;
        if flex {
            self.uvarint(said as u32 + 1)
        } else {
            self.i32(said)
        }
        Ok(())
    }

    /// `null`: whether the version allows null.
    pub(crate) fn count_opt(
        &mut self,
        flex: bool,
        null: bool,
        length: Option<usize>,
        field: &'static str,
    ) -> Result<()> {
        match length {
            Some(length) => self.count(flex, length, field),
            None if !null => Err(EncodeError::Null { field }),
            None => {
                if flex {
                    self.uvarint(0)
                } else {
                    self.i32(-1)
                }
                Ok(())
            }
        }
    }

    pub(crate) fn bytes(&mut self, flex: bool, value: &[u8], field: &'static str) -> Result<()> {
        self.count(flex, value.len(), field)?;
        self.buffer.put_slice(value);
        Ok(())
    }

    pub(crate) fn bytes_opt(
        &mut self,
        flex: bool,
        null: bool,
        value: Option<&[u8]>,
        field: &'static str,
    ) -> Result<()> {
        self.count_opt(flex, null, value.map(<[u8]>::len), field)?;
        self.buffer.put_slice(value.unwrap_or_default());
        Ok(())
    }

    pub(crate) fn records(&mut self, flex: bool, value: &Records<'_>, field: &'static str) -> Result<()> {
        self.count(flex, value.len(), field)?;
        match value {
            Records::Borrowed(bytes) => self.buffer.put_slice(bytes),
            Records::Segments(segments) => segments.iter().for_each(|segment| self.share(segment)),
        }
        Ok(())
    }

    pub(crate) fn records_opt(
        &mut self,
        flex: bool,
        null: bool,
        value: Option<&Records<'_>>,
        field: &'static str,
    ) -> Result<()> {
        match value {
            Some(value) => self.records(flex, value, field),
            None => self.count_opt(flex, null, None, field),
        }
    }

    fn share(&mut self, segment: &Bytes) {
        if segment.len() <= COPIED_BYTES_MAX {
            self.buffer.put_slice(segment);
        } else {
            self.cut();
            self.parts.push(Part::Shared(segment.clone()));
        }
    }

    /// A tagged field: its size is known only when it is written, so it is written and then moved.
    pub(crate) fn tagged(&mut self, tag: u32, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.uvarint(tag);
        let (begin, parts) = (self.buffer.len(), self.parts.len());
        write(self)?;
        assert_eq!(parts, self.parts.len(), "no tagged field holds records");
        let size = self.buffer.len() - begin;
        let said = u32::try_from(size).map_err(|_| EncodeError::FrameTooLong { length: size })?;
        let (bytes, length) = uvarint(said);
        self.buffer.put_bytes(0, length);
        self.buffer.copy_within(begin..begin + size, begin + length);
        self.buffer[begin..begin + length].copy_from_slice(&bytes[..length]);
        Ok(())
    }
}

fn uvarint(mut value: u32) -> ([u8; 5], usize) {
    let (mut bytes, mut length) = ([0; 5], 0);
    while value > 0x7f {
        bytes[length] = (value & 0x7f) as u8 | 0x80;
        (value, length) = (value >> 7, length + 1);
    }
    bytes[length] = value as u8;
    (bytes, length + 1)
}
