//! The last bytes of a segment, version 1. A journal file is sealed exactly if they are valid: everything before them was
//! durable when they were written. A merged segment has them always: it gets its name when all of it is durable.

use std::ops::Range;

use bytes::{Buf as _, BufMut as _};
use klamm_model::{ShardId, Slot};

use super::{FormatError, begin_frame, close_frame, open_frame};

/// The size of a trailer.
pub(crate) const TRAILER_BYTES: usize = 64;
/// The version that this release writes.
pub(crate) const VERSION: u8 = 1;
const MAGIC: u32 = 0x4b4c_5452; // "KLTR"

/// Where the parts of a sealed file are: entries, index blocks, directory, trailer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// The journal's shard.
    pub(crate) shard: ShardId,
    /// The slots of the file.
    pub(crate) slots: Range<Slot>,
    /// 0 for a journal file; of a merged segment its generation.
    pub(crate) generation: u32,
    /// Where the entries end and the index blocks begin. A merged segment has its blocks between the batches.
    pub(crate) entries_end: u64,
    /// Where the directory begins; it ends where the trailer begins.
    pub(crate) directory_at: u64,
    /// The directory's size.
    pub(crate) directory_bytes: u64,
}

/// Whether the last bytes of a file were meant to be a trailer.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC.to_be_bytes())
}

impl Trailer {
    /// The size of the whole file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.directory_at + self.directory_bytes + TRAILER_BYTES as u64
    }

    pub(crate) fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut out = begin_frame(MAGIC, VERSION, TRAILER_BYTES);
        out.put_bytes(0, 3);
        out.put_u32(self.shard.0);
        out.put_u64(self.slots.start.0);
        out.put_u64(self.slots.end.0);
        out.put_u64(self.entries_end);
        out.put_u64(self.directory_at);
        out.put_u64(self.directory_bytes);
        out.put_u32(self.generation);
        out.put_bytes(0, 4);
        close_frame(&mut out);
        out.try_into().expect("the fields add up to the trailer's size")
    }

    /// Reads the last bytes of a file of `file_bytes`.
    pub(crate) fn decode(bytes: &[u8], file_bytes: u64) -> Result<Self, FormatError> {
        let mut body = open_frame(bytes, MAGIC, VERSION)?;
        body.advance(3);
        let trailer = Self {
            shard: ShardId(body.get_u32()),
            slots: Slot(body.get_u64())..Slot(body.get_u64()),
            entries_end: body.get_u64(),
            directory_at: body.get_u64(),
            directory_bytes: body.get_u64(),
            generation: body.get_u32(),
        };
        let end = trailer.directory_at.checked_add(trailer.directory_bytes);
        if end.and_then(|end| end.checked_add(TRAILER_BYTES as u64)) != Some(file_bytes)
            || trailer.entries_end > trailer.directory_at
            || trailer.slots.start >= trailer.slots.end
        {
            return Err(FormatError::Damaged("its positions do not fit the file"));
        }
        Ok(trailer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_flipped_bits() {
        let trailer = Trailer {
            shard: ShardId(1),
            slots: Slot(5)..Slot(9),
            generation: 3,
            entries_end: 1000,
            directory_at: 1500,
            directory_bytes: 300,
        };
        let bytes = trailer.encode();
        assert_eq!(trailer.file_bytes(), 1864);
        assert_eq!(Trailer::decode(&bytes, 1864), Ok(trailer));
        assert!(Trailer::decode(&bytes, 1865).is_err(), "a trailer that was left in the middle of a file");
        let empty = Trailer { slots: Slot(5)..Slot(5), ..Trailer::decode(&bytes, 1864).expect("a trailer") };
        assert!(Trailer::decode(&empty.encode(), 1864).is_err(), "the next file would have its name");
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Trailer::decode(&bad, 1864).is_err(), "bit {bit}");
        }
    }
}
