//! The first bytes of a journal file, version 1. Entries follow back to back; zeros end them.

use bytes::{Buf as _, BufMut as _};
use klamm_model::{ShardId, Slot};

use super::{FormatError, begin_frame, close_frame, open_frame};

/// The size of a file's header.
pub(crate) const FILE_HEADER_BYTES: usize = 32;
/// The version that this release writes.
pub(crate) const VERSION: u8 = 1;
const MAGIC: u32 = 0x4b4c_4a46; // "KLJF"

/// Whose file it is and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// The journal's shard.
    pub(crate) shard: ShardId,
    /// No entry of the chain in this file has a lower slot.
    pub(crate) first: Slot,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut out = begin_frame(MAGIC, VERSION, FILE_HEADER_BYTES);
        out.put_bytes(0, 3);
        out.put_u32(self.shard.0);
        out.put_u64(self.first.0);
        out.put_bytes(0, 8);
        close_frame(&mut out);
        out.try_into().expect("the fields add up to the header's size")
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let bytes = bytes.get(..FILE_HEADER_BYTES).ok_or(FormatError::Damaged("it is cut short"))?;
        let mut body = open_frame(bytes, MAGIC, VERSION)?;
        body.advance(3);
        Ok(Self { shard: ShardId(body.get_u32()), first: Slot(body.get_u64()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_flipped_bits_and_a_newer_version() {
        let header = FileHeader { shard: ShardId(3), first: Slot(1 << 40) };
        let bytes = header.encode();
        assert_eq!(FileHeader::decode(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(FileHeader::decode(&bad), Err(FormatError::Damaged(_))), "bit {bit}");
        }
        let mut newer = bytes[..28].to_vec();
        newer[4] = 9;
        close_frame(&mut newer);
        assert_eq!(FileHeader::decode(&newer), Err(FormatError::Newer(9)));
    }
}
