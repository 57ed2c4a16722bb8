//! Reading and writing persisted records. Writing shares large byte strings and copies small ones, so that a small
//! batch never pins the large frame that it came in; reading slices the entry's bytes.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Byte strings of at least this size are shared, smaller ones are copied.
pub const SHARED_BYTES_MIN: usize = 2048;

/// Persisted bytes that no release wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("corrupt record: {0}")]
pub struct Corrupt(pub &'static str);

/// An entry's payload in the making.
#[derive(Debug, Default)]
pub struct PayloadWriter {
    arena: BytesMut,
    pieces: Vec<Bytes>,
    /// Bytes in `pieces`.
    done: usize,
}

impl PayloadWriter {
    /// An empty payload with room for `bytes` of what is copied.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { arena: BytesMut::with_capacity(bytes), ..Self::default() }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.done + self.arena.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.arena.put_u8(value);
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.arena.put_u32(value);
    }

    /// Four bytes, signed.
    pub fn i32(&mut self, value: i32) {
        self.arena.put_i32(value);
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.arena.put_u64(value);
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, value: i64) {
        self.arena.put_i64(value);
    }

    /// Bytes, copied, without their length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.arena.put_slice(bytes);
    }

    /// A byte string with its length, copied.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).expect("persisted strings are below 4 GiB"));
        self.raw(bytes);
    }

    /// Bytes, shared if they are large, without their length.
    pub fn shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.raw(bytes);
        }
        self.cut();
        self.done += bytes.len();
        self.pieces.push(bytes.clone());
    }

    /// Here; for [`Self::rewind`] and [`Self::copy_out`].
    pub fn mark(&self) -> Mark {
        Mark { pieces: self.pieces.len(), done: self.done, arena: self.arena.len() }
    }

    /// Forgets what was written since `mark`.
    pub fn rewind(&mut self, mark: Mark) {
        if let Some(piece) = self.pieces.get(mark.pieces) {
            // What stood in the arena then is the beginning of the first piece that was cut since.
            self.arena = BytesMut::from(&piece[..mark.arena]);
            self.pieces.truncate(mark.pieces);
        } else {
            self.arena.truncate(mark.arena);
        }
        self.done = mark.done;
    }

    /// Copies what was shared since `mark`.
    pub fn copy_out(&mut self, mark: Mark) {
        for piece in self.pieces[mark.pieces..].iter_mut().filter(|piece| piece.len() >= SHARED_BYTES_MIN) {
            *piece = Bytes::copy_from_slice(piece);
        }
    }

    /// The payload.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.cut();
        self.pieces
    }

    fn cut(&mut self) {
        if !self.arena.is_empty() {
            self.done += self.arena.len();
            self.pieces.push(self.arena.split().freeze());
        }
    }
}

/// A place in a payload in the making.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    pieces: usize,
    done: usize,
    arena: usize,
}

/// A payload being read.
#[derive(Debug)]
pub struct PayloadReader(Bytes);

impl PayloadReader {
    /// Reads `bytes` from the start.
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.0.len()
    }

    /// The next `bytes` bytes, shared.
    pub fn take(&mut self, bytes: usize) -> Result<Bytes, Corrupt> {
        if self.0.len() < bytes {
            return Err(Corrupt("cut short"));
        }
        Ok(self.0.split_to(bytes))
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let mut out = [0; N];
        if self.0.len() < N {
            return Err(Corrupt("cut short"));
        }
        self.0.copy_to_slice(&mut out);
        Ok(out)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Corrupt> {
        self.array().map(|[byte]| byte)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Corrupt> {
        self.array().map(u32::from_be_bytes)
    }

    /// Four bytes, signed.
    pub fn i32(&mut self) -> Result<i32, Corrupt> {
        self.array().map(i32::from_be_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Corrupt> {
        self.array().map(u64::from_be_bytes)
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self) -> Result<i64, Corrupt> {
        self.array().map(i64::from_be_bytes)
    }

    /// A byte string with its length.
    pub fn bytes(&mut self) -> Result<Bytes, Corrupt> {
        let bytes = self.u32()? as usize;
        self.take(bytes)
    }

    /// A text with its length.
    pub fn text(&mut self) -> Result<String, Corrupt> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Corrupt("text that is not UTF-8"))
    }

    /// A count of things that take at least `bytes_min` each; refused if they can't all be there.
    pub fn count(&mut self, bytes_min: usize) -> Result<usize, Corrupt> {
        let count = self.u32()? as usize;
        if count.checked_mul(bytes_min).is_none_or(|bytes| bytes > self.remaining()) {
            return Err(Corrupt("a count beyond the bytes"));
        }
        Ok(count)
    }

    /// Refuses leftovers.
    pub fn finish(&self) -> Result<(), Corrupt> {
        if self.0.is_empty() { Ok(()) } else { Err(Corrupt("bytes left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_strings_are_shared_and_small_ones_copied() {
        let (small, large) = (Bytes::from(vec![1; 10]), Bytes::from(vec![2; SHARED_BYTES_MIN]));
        let mut out = PayloadWriter::default();
        out.u64(7);
        out.shared(&small);
        out.shared(&large);
        out.bytes(b"end");
        assert_eq!(out.len(), 8 + 10 + SHARED_BYTES_MIN + 4 + 3);
        let pieces = out.finish();
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[1].as_ptr(), large.as_ptr());
        let mut input = PayloadReader::new(pieces.concat().into());
        assert_eq!(input.u64(), Ok(7));
        assert_eq!(input.take(10).unwrap(), small);
        assert_eq!(input.take(SHARED_BYTES_MIN).unwrap(), large);
        assert_eq!(input.text().as_deref(), Ok("end"));
        assert_eq!(input.finish(), Ok(()));
        assert!(input.u8().is_err());
    }

    #[test]
    fn what_was_written_is_taken_back_or_copied_out() {
        let large = Bytes::from(vec![2; SHARED_BYTES_MIN]);
        let mut out = PayloadWriter::default();
        out.u8(1);
        out.shared(&large);
        out.u8(3);
        let mark = out.mark();
        for shared in [false, true] {
            out.u8(4);
            (0..2).filter(|_| shared).for_each(|_| out.shared(&large));
            out.u8(5);
            out.rewind(mark);
            assert_eq!(out.len(), SHARED_BYTES_MIN + 2);
        }
        out.u8(6);
        out.shared(&large);
        out.copy_out(mark);
        out.shared(&large);
        let pieces = out.finish();
        assert_eq!(pieces.concat(), [&[1][..], &large, &[3, 6], &large, &large].concat());
        let is_shared: Vec<_> = pieces.iter().map(|piece| piece.as_ptr() == large.as_ptr()).collect();
        assert_eq!(is_shared, [false, true, false, false, true]);
    }
}
