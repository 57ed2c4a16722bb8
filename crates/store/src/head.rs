//! The head marker and its persisted form: version, slot, key-epoch, hash, checkpoint, CRC-32C of all before it; big-endian.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use klamm_model::{Epoch, Slot};

use crate::{EntryHash, entry::crc32c};

const VERSION: u8 = 1;
/// What is before the checkpoint.
const FIXED_BYTES: usize = 1 + 8 + 4 + 16 + 4;
const CRC_BYTES: usize = 4;

/// The first entry that a scan reads: all below it is covered by a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The entry's slot.
    pub slot: Slot,
    /// The key-epoch that the entry lives under.
    pub key_epoch: Epoch,
    /// The entry's hash.
    pub hash: EntryHash,
    /// The payload of the Checkpoint entry whose snapshot covers all slots below `slot`.
    pub checkpoint: Bytes,
}

impl Head {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(FIXED_BYTES + self.checkpoint.len() + CRC_BYTES);
        out.put_u8(VERSION);
        out.put_u64(self.slot.0);
        out.put_u32(self.key_epoch.0);
        out.put_u128(self.hash.0);
        out.put_u32(u32::try_from(self.checkpoint.len()).expect("checkpoints are small"));
        out.put_slice(&self.checkpoint);
        let crc = crc32c([&out[..]]);
        out.put_u32(crc);
        out.freeze()
    }

    /// None if it is damaged, or of a later release.
    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        let body = bytes.len().checked_sub(CRC_BYTES)?;
        let mut input = bytes.clone();
        let mut crc = input.split_off(body);
        if crc.get_u32() != crc32c([&input[..]]) || input.len() < FIXED_BYTES || input.get_u8() != VERSION {
            return None;
        }
        let (slot, key_epoch, hash) =
            (Slot(input.get_u64()), Epoch(input.get_u32()), EntryHash(input.get_u128()));
        (input.get_u32() as usize == input.len()).then_some(Self { slot, key_epoch, hash, checkpoint: input })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_refused() {
        for checkpoint in ["", "as of slot 5"] {
            let (slot, key_epoch) = (Slot(u64::MAX - 5), Epoch(7));
            let head = Head { slot, key_epoch, hash: EntryHash(1 << 100), checkpoint: checkpoint.into() };
            let bytes = head.encode();
            assert_eq!(bytes.len(), FIXED_BYTES + checkpoint.len() + CRC_BYTES);
            assert_eq!(Head::decode(&bytes), Some(head));
            for at in 0..bytes.len() {
                assert_eq!(Head::decode(&bytes.slice(..at)), None, "cut at {at}");
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1;
                assert_eq!(Head::decode(&flipped.into()), None, "flipped at {at}");
            }
        }
    }
}
