//! Appending to a file in whole blocks, so that the bytes can pass by the page cache. Contract: every write begins at a
//! multiple of [`BLOCK_BYTES`] in the file and in memory, and is a multiple of it long. The last block is filled up with
//! zeros and written again, with the same bytes in front, when more follows; so a write that breaks off never changes what
//! was there. No I/O of its own.
//!
//! Where little is appended at a time, zeros are written ahead: a file system converts reserved space when it is first
//! written, and the sync that follows pays for it; over zeros that were written before it does not
//! (`docs/adr/0011-zeros-ahead.md`). Zeros are what reserved space reads as, so it changes nothing for readers.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

/// The unit of writes that pass by the page cache.
pub const BLOCK_BYTES: usize = 4096;
/// How much is gathered for one write.
const WINDOW_BYTES_MAX: usize = 1 << 20;
/// What is gathered while little is appended.
const WINDOW_BYTES_MIN: usize = 16 << 10;
/// An append below this is a small one: zeros are written ahead of it.
const SMALL_BYTES: usize = 64 << 10;
/// How far they reach beyond the append that is the first to need them.
const ZEROS_AHEAD_BYTES: usize = 256 << 10;
const _: () =
    assert!(WINDOW_BYTES_MIN.is_multiple_of(BLOCK_BYTES) && WINDOW_BYTES_MAX.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(
    ZEROS_AHEAD_BYTES.is_multiple_of(BLOCK_BYTES)
        && SMALL_BYTES + ZEROS_AHEAD_BYTES + 2 * BLOCK_BYTES <= WINDOW_BYTES_MAX
);

/// Ends appends: when [`Gate::close`] returns none is being written, and none will be.
#[derive(Debug, Default, Clone)]
pub struct Gate(Arc<Mutex<bool>>);

impl Gate {
    /// Waits for the write that is under way, and lets no other begin.
    pub fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn pass<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let closed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(io::Error::other("the file is closed"));
        }
        write()
    }
}

/// The end of a file that is appended to.
#[derive(Debug)]
pub struct Blocks {
    gate: Gate,
    memory: Vec<u8>,
    /// Where the window, aligned and a multiple of blocks long, begins in `memory`.
    window: usize,
    /// The window's place in the file.
    position: u64,
    /// Bytes of the last, incomplete block, at the window's begin.
    kept: usize,
    /// Up to here the file was written, as far as is known.
    written: u64,
    /// Up to here space is reserved.
    reserved: u64,
}

impl Blocks {
    /// Goes on at `end`; `last` are the file's bytes from the last multiple of [`BLOCK_BYTES`] on.
    pub fn new(gate: Gate, end: u64, last: &[u8]) -> Self {
        let position = end / BLOCK_BYTES as u64 * BLOCK_BYTES as u64;
        assert_eq!(position + last.len() as u64, end, "the incomplete block is there");
        let mut blocks = Self {
            gate,
            memory: Vec::new(),
            window: 0,
            position,
            kept: last.len(),
            written: end,
            reserved: 0,
        };
        blocks.widen(WINDOW_BYTES_MIN);
        blocks.window_mut()[..last.len()].copy_from_slice(last);
        blocks
    }

    /// Where the next byte goes.
    pub fn end(&self) -> u64 {
        self.position + self.kept as u64
    }

    /// Says that the file's space is reserved, and reads as zeros from [`Blocks::end`] on, up to `end`.
    pub fn reserved(&mut self, end: u64) {
        self.reserved = end;
    }

    /// Appends the pieces with as few writes as the window's size allows. After an error only a new [`Blocks`] may go on.
    pub fn append(
        &mut self,
        pieces: &[Bytes],
        mut write: impl FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        let ahead = self.zeros_ahead(bytes);
        self.widen(((self.kept + bytes).next_multiple_of(BLOCK_BYTES) + ahead).min(WINDOW_BYTES_MAX));
        let mut filled = self.kept;
        for piece in pieces {
            let mut rest = &piece[..];
            while !rest.is_empty() {
                let window = self.window_mut();
                let (now, later) = rest.split_at(rest.len().min(window.len() - filled));
                window[filled..filled + now.len()].copy_from_slice(now);
                (filled, rest) = (filled + now.len(), later);
                if filled == window.len() {
                    self.write(filled, &mut write)?;
                    self.position += filled as u64;
                    filled = 0;
                }
            }
        }
        let whole = filled / BLOCK_BYTES * BLOCK_BYTES;
        if filled > 0 {
            let padded = filled.next_multiple_of(BLOCK_BYTES) + ahead;
            self.window_mut()[filled..padded].fill(0);
            self.write(padded, &mut write)?;
            self.window_mut().copy_within(whole..filled, 0);
        }
        self.position += whole as u64;
        self.kept = filled - whole;
        Ok(())
    }

    /// How many bytes of zeros follow the last block of an append.
    fn zeros_ahead(&self, bytes: usize) -> usize {
        let end = (self.end() + bytes as u64).next_multiple_of(BLOCK_BYTES as u64);
        if bytes >= SMALL_BYTES || end <= self.written {
            return 0;
        }
        let left = self.reserved.saturating_sub(end).min(ZEROS_AHEAD_BYTES as u64);
        left as usize / BLOCK_BYTES * BLOCK_BYTES
    }

    fn write(
        &mut self,
        bytes: usize,
        write: &mut impl FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let (gate, position) = (self.gate.clone(), self.position);
        let window = self.window_mut();
        gate.pass(|| write(position, &window[..bytes]))?;
        self.written = self.written.max(position + bytes as u64);
        Ok(())
    }

    fn window_mut(&mut self) -> &mut [u8] {
        let bytes = (self.memory.len() - self.window) / BLOCK_BYTES * BLOCK_BYTES;
        &mut self.memory[self.window..self.window + bytes]
    }

    /// Makes the window at least so long; its first block stays.
    fn widen(&mut self, bytes: usize) {
        if self.window_mut().len() >= bytes {
            return;
        }
        let mut memory = vec![0; bytes + BLOCK_BYTES - 1];
        let window = memory.as_ptr().addr().next_multiple_of(BLOCK_BYTES) - memory.as_ptr().addr();
        let kept = self.kept.min(self.window_mut().len());
        memory[window..window + kept].copy_from_slice(&self.window_mut()[..kept]);
        (self.memory, self.window) = (memory, window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in memory that takes whole blocks only.
    fn write_into(file: &mut Vec<u8>) -> impl FnMut(u64, &[u8]) -> io::Result<()> {
        |position, bytes| {
            let at = position as usize;
            assert!(at.is_multiple_of(BLOCK_BYTES) && bytes.len().is_multiple_of(BLOCK_BYTES));
            assert!(bytes.as_ptr().addr().is_multiple_of(BLOCK_BYTES) && bytes.len() <= WINDOW_BYTES_MAX);
            file.resize(file.len().max(at + bytes.len()), 0xee);
            file[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
    }

    #[test]
    fn what_is_appended_is_there_and_zeros_follow() {
        let sizes = [32, 4064, 1, 4095, 4096, 100_000, 0, 7, 3 << 20, 5, WINDOW_BYTES_MAX, 4095, 1 << 20];
        let (mut file, mut expected) = (Vec::new(), Vec::new());
        let mut blocks = Blocks::new(Gate::default(), 0, &[]);
        for (number, size) in sizes.into_iter().enumerate() {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 31 + number) as u8 | 1).collect();
            let cut = size / 3;
            let pieces = [Bytes::copy_from_slice(&bytes[..cut]), Bytes::copy_from_slice(&bytes[cut..])];
            blocks.append(&pieces, write_into(&mut file)).unwrap();
            expected.extend_from_slice(&bytes);
            assert_eq!(blocks.end(), expected.len() as u64);
            assert_eq!(file[..expected.len()], expected[..]);
            assert!(file[expected.len()..].iter().all(|byte| *byte == 0), "zeros mean end");
        }
    }

    #[test]
    fn zeros_are_written_ahead_of_small_appends() {
        let (reserved, mut file) = ((1 << 20) + 5000, Vec::new());
        let mut blocks = Blocks::new(Gate::default(), 0, &[]);
        blocks.reserved(reserved);
        let (mut expected, mut new_writes, mut ahead) = (Vec::new(), 0, 0);
        for (number, size) in (0..).zip([100, 4000, 60_000, 1, 200_000, 3, SMALL_BYTES].repeat(5)) {
            let before = file.len();
            blocks.append(&[Bytes::from(vec![number + 1; size])], write_into(&mut file)).unwrap();
            expected.resize(expected.len() + size, number + 1);
            let whole = expected.len().next_multiple_of(BLOCK_BYTES);
            assert!(file.len() >= whole && file.len() <= whole + ZEROS_AHEAD_BYTES);
            assert!(file.len() <= whole.max(reserved as usize), "no further than what is reserved");
            assert!(size < SMALL_BYTES || file.len() == before.max(whole), "a large append needs none");
            assert_eq!(file[..expected.len()], expected[..]);
            assert!(file[expected.len()..].iter().all(|byte| *byte == 0), "zeros mean end");
            (new_writes, ahead) =
                (new_writes + u32::from(file.len() > before), ahead.max(file.len() - whole));
        }
        assert_eq!(ahead, ZEROS_AHEAD_BYTES);
        assert!(new_writes < 20, "most appends go where zeros are: {new_writes}");
    }

    #[test]
    fn goes_on_in_the_middle_of_a_block() {
        let mut file = vec![7; BLOCK_BYTES + 100];
        let mut blocks = Blocks::new(Gate::default(), file.len() as u64, &file[BLOCK_BYTES..]);
        blocks.append(&[Bytes::from_static(b"more")], write_into(&mut file)).unwrap();
        assert_eq!(&file[BLOCK_BYTES + 98..][..8], b"\x07\x07more\0\0");
    }

    #[test]
    fn nothing_is_written_once_the_gate_is_closed() {
        let gate = Gate::default();
        let mut blocks = Blocks::new(gate.clone(), 0, &[]);
        gate.close();
        let error = blocks.append(&[Bytes::from_static(b"late")], |_, _| panic!("written")).unwrap_err();
        assert_eq!(error.to_string(), "the file is closed");
    }
}
