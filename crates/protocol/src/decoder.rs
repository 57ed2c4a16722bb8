//! Decoder. Invariants: `at <= end <= frame.len()`; nothing is read beyond `end`; memory for arrays is charged to the
//! budget before it is allocated, and a count that the remaining bytes cannot hold is refused. With the default budget
//! a frame of n bytes costs at most 3 n + 1 MiB; text, bytes and records borrow and cost nothing.
//! So no input panics, overflows the stack (no type contains itself) or runs longer than its frame deserves.

use crate::{ApiKey, Blob, DecodeError, ErrorCode, Records, Str, Uuid};

type Result<T> = std::result::Result<T, DecodeError>;

/// Kafka's limit for strings, in bytes.
pub(crate) const STRING_BYTES_MAX: usize = 0x7fff;

const BUDGET_BYTES_MIN: usize = 1 << 20;

/// Reads values from a frame.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    frame: &'a [u8],
    at: usize,
    end: usize,
    budget: usize,
}

impl<'a> Decoder<'a> {
    /// For frames of strangers: 3 x frame + 1 MiB of memory.
    pub fn new(frame: &'a [u8]) -> Self {
        Self::with_budget(frame, frame.len().saturating_mul(3).saturating_add(BUDGET_BYTES_MIN))
    }

    /// For answers of a broker we chose to talk to: 32 x frame + 1 MiB, so that answers about very many small
    /// partitions fit.
    pub fn trusting(frame: &'a [u8]) -> Self {
        Self::with_budget(frame, frame.len().saturating_mul(32).saturating_add(BUDGET_BYTES_MIN))
    }

    /// With a budget of so many bytes of memory.
    pub fn with_budget(frame: &'a [u8], budget_bytes: usize) -> Self {
        Self { frame, at: 0, end: frame.len(), budget: budget_bytes }
    }

    /// Offset of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.end - self.at
    }

    /// Bytes of memory that may still be allocated.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// Ends the message.
    ///
    /// # Errors
    /// `Trailing` if bytes are left over.
    pub fn finish(self) -> Result<()> {
        match self.left() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing { at: self.at, left }),
        }
    }

    /// Refuses versions that the API does not serve.
    pub(crate) fn served(&self, api: ApiKey, version: i16) -> Result<()> {
        if api.serves(version) { Ok(()) } else { Err(DecodeError::Version { api, version }) }
    }

    #[inline]
    fn take(&mut self, wanted: usize) -> Result<&'a [u8]> {
        if wanted > self.left() {
            return Err(DecodeError::Truncated { at: self.at, wanted, left: self.left() });
        }
        let taken = &self.frame[self.at..self.at + wanted];
        self.at += wanted;
        Ok(taken)
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    #[inline]
    pub(crate) fn bool(&mut self) -> Result<bool> {
        Ok(self.i8()? != 0)
    }

    #[inline]
    pub(crate) fn i8(&mut self) -> Result<i8> {
        self.fixed().map(i8::from_be_bytes)
    }

    #[inline]
    pub(crate) fn i16(&mut self) -> Result<i16> {
        self.fixed().map(i16::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.fixed().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn i32(&mut self) -> Result<i32> {
        self.fixed().map(i32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn i64(&mut self) -> Result<i64> {
        self.fixed().map(i64::from_be_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64> {
        self.fixed().map(f64::from_be_bytes)
    }

    #[inline]
    pub(crate) fn uuid(&mut self) -> Result<Uuid> {
        self.fixed().map(Uuid)
    }

    #[inline]
    pub(crate) fn error(&mut self) -> Result<ErrorCode> {
        self.i16().map(ErrorCode)
    }

    #[inline]
    pub(crate) fn uvarint(&mut self) -> Result<u32> {
        let begin = self.at;
        // Nearly all are one byte.
        if self.left() > 0 && self.frame[begin] < 0x80 {
            self.at += 1;
            return Ok(self.frame[begin].into());
        }
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let [byte] = self.fixed()?;
            let bits = u64::from(byte & 0x7f);
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| DecodeError::Varint { at: begin });
            }
        }
        Err(DecodeError::Varint { at: begin })
    }

    /// A length in one of its three forms; `None` is null.
    #[inline]
    fn length(&mut self, flex: bool, short: bool) -> Result<Option<usize>> {
        let length = match (flex, short) {
            (true, _) => i64::from(self.uvarint()?) - 1,
            (false, true) => i64::from(self.i16()?),
            (false, false) => i64::from(self.i32()?),
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(DecodeError::NegativeLength { at: self.at, length }),
        }
    }

    #[inline]
    pub(crate) fn string(&mut self, flex: bool) -> Result<Str<'a>> {
        let at = self.at;
        self.string_opt(flex)?.ok_or(DecodeError::Null { at })
    }

    #[inline]
    pub(crate) fn string_opt(&mut self, flex: bool) -> Result<Option<Str<'a>>> {
        let Some(length) = self.length(flex, true)? else { return Ok(None) };
        if length > STRING_BYTES_MAX {
            return Err(DecodeError::StringTooLong { at: self.at, length });
        }
        let begin = self.at;
        let text = std::str::from_utf8(self.take(length)?);
        text.map(|text| Some(Str::Borrowed(text)))
            .map_err(|e| DecodeError::Utf8 { at: begin + e.valid_up_to() })
    }

    pub(crate) fn bytes(&mut self, flex: bool) -> Result<Blob<'a>> {
        let at = self.at;
        self.bytes_opt(flex)?.ok_or(DecodeError::Null { at })
    }

    pub(crate) fn bytes_opt(&mut self, flex: bool) -> Result<Option<Blob<'a>>> {
        match self.length(flex, false)? {
            Some(length) => self.take(length).map(|bytes| Some(Blob::Borrowed(bytes))),
            None => Ok(None),
        }
    }

    pub(crate) fn records(&mut self, flex: bool) -> Result<Records<'a>> {
        let at = self.at;
        self.records_opt(flex)?.ok_or(DecodeError::Null { at })
    }

    pub(crate) fn records_opt(&mut self, flex: bool) -> Result<Option<Records<'a>>> {
        match self.length(flex, false)? {
            Some(length) => self.take(length).map(|bytes| Some(Records::Borrowed(bytes))),
            None => Ok(None),
        }
    }

    /// `size_min`: the fewest bytes of an element.
    #[inline]
    pub(crate) fn array<T>(
        &mut self,
        flex: bool,
        size_min: usize,
        element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let at = self.at;
        self.array_opt(flex, size_min, element)?.ok_or(DecodeError::Null { at })
    }

    #[inline]
    pub(crate) fn array_opt<T>(
        &mut self,
        flex: bool,
        size_min: usize,
        mut element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(count) = self.length(flex, false)? else { return Ok(None) };
        if count.checked_mul(size_min).is_none_or(|bytes| bytes > self.left()) {
            return Err(DecodeError::Count { at: self.at, count, left: self.left() });
        }
        self.charge(count.saturating_mul(size_of::<T>()))?;
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(element(self)?);
        }
        Ok(Some(all))
    }

    #[inline]
    fn charge(&mut self, wanted: usize) -> Result<()> {
        let left = self.budget;
        self.budget = left.checked_sub(wanted).ok_or(DecodeError::Budget { at: self.at, wanted, left })?;
        Ok(())
    }

    pub(crate) fn struct_opt<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.i8()? < 0 { Ok(None) } else { read(self).map(Some) }
    }

    /// The tagged fields. `known` reads the field and says true, or says false, and the field is skipped.
    #[inline]
    pub(crate) fn tags(&mut self, mut known: impl FnMut(&mut Self, u32) -> Result<bool>) -> Result<()> {
        let count = self.uvarint()? as usize;
        if count > self.left() / 2 {
            return Err(DecodeError::Count { at: self.at, count, left: self.left() });
        }
        for _ in 0..count {
            let tag = self.uvarint()?;
            let size = self.uvarint()? as usize;
            if size > self.left() {
                return Err(DecodeError::Truncated { at: self.at, wanted: size, left: self.left() });
            }
            let outer = std::mem::replace(&mut self.end, self.at + size);
            if known(self, tag)? {
                if self.left() > 0 {
                    return Err(DecodeError::TagSize { at: self.at, tag, left: self.left() });
                }
            } else {
                self.at = self.end;
            }
            self.end = outer;
        }
        Ok(())
    }
}
