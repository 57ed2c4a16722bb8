//! A journal entry and its persisted form, version 1. Invariant: the header's hash covers the payload (through its
//! CRC32C), the writer's nonce and the hash of the entry before, so equal headers are equal entries and a chain of
//! hashes admits one history only.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use klamm_model::{BrokerId, Bug, Epoch, ShardId, Slot, planted};

/// The size of an encoded header.
pub const HEADER_BYTES: usize = 96;
/// The largest payload of an entry.
pub const PAYLOAD_BYTES_MAX: usize = 256 << 20;
const MAGIC: u32 = 0x4b4c_4a45; // "KLJE"
const VERSION: u8 = 1;

/// Where an entry lives: the epoch that its owner writes under, and its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The epoch in whose key space the entry is put (the old owner's for a takeover).
    pub epoch: Epoch,
    /// The entry's slot.
    pub slot: Slot,
}

/// The hash that chains entries: 128 bits over the encoded header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EntryHash(pub u128);

/// Makes every acquisition unlike any other, also of two processes with one broker id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(pub [u8; 16]);

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// The first entry of an owner.
    Takeover,
    /// Records of machines.
    Records,
    /// Names a snapshot that covers all slots below one.
    Checkpoint,
}

/// An entry's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the payload is.
    pub kind: EntryKind,
    /// The journal's shard.
    pub shard: ShardId,
    /// Where the entry lives.
    pub key: Key,
    /// The writer's epoch; above `key.epoch` in a takeover, equal to it elsewhere.
    pub epoch: Epoch,
    /// The writer.
    pub writer: BrokerId,
    /// The writer's acquisition.
    pub nonce: Nonce,
    /// The hash of the entry in the slot before; zero for slot 0.
    pub previous: EntryHash,
    /// The writer knew that all slots below this one were durable. An entry that is missing below it was lost.
    pub durable: Slot,
    /// The writer's wall clock in milliseconds: the time that machines see on replay.
    pub time_ms: i64,
    /// The payload's length.
    pub payload_bytes: u32,
    /// The payload's CRC32C.
    pub payload_crc: u32,
}

/// An entry: its header and its payload in pieces that are not copied together.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The header.
    pub header: Header,
    /// The payload.
    pub payload: Vec<Bytes>,
}

/// Why bytes are not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Fewer bytes than the header or its payload need.
    #[error("the entry is cut short")]
    Short,
    /// Not an entry at all.
    #[error("no entry's magic number")]
    Magic,
    /// Written by a later release.
    #[error("entry format {0} is newer than this release reads (1); use a newer release")]
    Version(u8),
    /// A checksum does not match.
    #[error("the entry's checksum does not match its bytes")]
    Checksum,
    /// An unknown kind.
    #[error("unknown kind of entry {0}")]
    Kind(u8),
}

/// CRC32C of bytes in pieces.
pub fn crc32c<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    pieces.into_iter().for_each(|piece| digest.update(piece));
    digest.finalize() as u32
}

impl Header {
    /// The persisted form.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = BytesMut::with_capacity(HEADER_BYTES);
        out.put_u32(MAGIC);
        out.put_u8(VERSION);
        out.put_u8(match self.kind {
            EntryKind::Takeover => 1,
            EntryKind::Records => 2,
            EntryKind::Checkpoint => 3,
        });
        out.put_u16(0);
        out.put_u32(self.shard.0);
        out.put_i32(self.writer);
        out.put_u64(self.key.slot.0);
        out.put_u32(self.key.epoch.0);
        out.put_u32(self.epoch.0);
        out.put_slice(&self.nonce.0);
        out.put_u128(self.previous.0);
        out.put_u64(self.durable.0);
        out.put_i64(self.time_ms);
        out.put_u32(self.payload_bytes);
        out.put_u32(self.payload_crc);
        out.put_u32(0);
        let crc = crc32c([&out[..]]);
        out.put_u32(crc);
        out[..].try_into().expect("the fields add up to the header's size")
    }

    /// Reads a header; its own checksum is verified, the payload's is not.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut input = bytes.get(..HEADER_BYTES).ok_or(EntryError::Short)?;
        if input.get_u32() != MAGIC {
            return Err(EntryError::Magic);
        }
        let crc = u32::from_be_bytes(bytes[HEADER_BYTES - 4..HEADER_BYTES].try_into().expect("four bytes"));
        if crc != crc32c([&bytes[..HEADER_BYTES - 4]]) {
            return Err(EntryError::Checksum);
        }
        match input.get_u8() {
            VERSION => {}
            later => return Err(EntryError::Version(later)),
        }
        let kind = match input.get_u8() {
            1 => EntryKind::Takeover,
            2 => EntryKind::Records,
            3 => EntryKind::Checkpoint,
            other => return Err(EntryError::Kind(other)),
        };
        input.advance(2);
        let (shard, writer) = (ShardId(input.get_u32()), input.get_i32());
        let (slot, key_epoch, epoch) =
            (Slot(input.get_u64()), Epoch(input.get_u32()), Epoch(input.get_u32()));
        let mut nonce = [0; 16];
        input.copy_to_slice(&mut nonce);
        Ok(Self {
            kind,
            shard,
            key: Key { epoch: key_epoch, slot },
            epoch,
            writer,
            nonce: Nonce(nonce),
            previous: EntryHash(input.get_u128()),
            durable: Slot(input.get_u64()),
            time_ms: input.get_i64(),
            payload_bytes: input.get_u32(),
            payload_crc: input.get_u32(),
        })
    }

    /// The hash by which the next entry names this one.
    pub fn hash(&self) -> EntryHash {
        EntryHash(twox_hash::XxHash3_128::oneshot(&self.encode()))
    }
}

impl Entry {
    /// The whole entry in pieces: the header, then the payload's.
    pub fn encode(&self) -> Vec<Bytes> {
        let mut pieces = Vec::with_capacity(1 + self.payload.len());
        pieces.push(Bytes::copy_from_slice(&self.header.encode()));
        pieces.extend(self.payload.iter().cloned());
        pieces
    }

    /// Reads an entry and verifies both checksums. Trailing bytes are an error of the caller and refused.
    pub fn decode(pieces: &[Bytes]) -> Result<Self, EntryError> {
        let first = pieces.first().ok_or(EntryError::Short)?;
        let header = Header::decode(first)?;
        let mut payload = vec![first.slice(HEADER_BYTES..)];
        payload.extend(pieces[1..].iter().cloned());
        payload.retain(|piece| !piece.is_empty());
        let bytes: usize = payload.iter().map(Bytes::len).sum();
        if bytes != header.payload_bytes as usize {
            return Err(EntryError::Short);
        }
        let crc = crc32c(payload.iter().map(|piece| &piece[..]));
        if crc != header.payload_crc && !planted(Bug::IgnoreHashChain) {
            return Err(EntryError::Checksum);
        }
        Ok(Self { header, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let payload = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        Entry {
            header: Header {
                kind: EntryKind::Records,
                shard: ShardId(7),
                key: Key { epoch: Epoch(3), slot: Slot(99) },
                epoch: Epoch(3),
                writer: -1,
                nonce: Nonce([9; 16]),
                previous: EntryHash(u128::MAX - 1),
                durable: Slot(90),
                time_ms: -5,
                payload_bytes: 6,
                payload_crc: crc32c([&b"onetwo"[..]]),
            },
            payload,
        }
    }

    #[test]
    fn round_trip_and_every_flipped_bit() {
        let whole = Bytes::from(entry().encode().concat());
        let back = Entry::decode(std::slice::from_ref(&whole)).unwrap();
        assert_eq!(back.header, entry().header);
        assert_eq!(back.payload.concat(), b"onetwo");
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Entry::decode(&[bytes.into()]).is_err(), "bit {bit}");
        }
        for end in 0..whole.len() {
            assert!(Entry::decode(&[whole.slice(..end)]).is_err());
        }
    }

    #[test]
    fn crc_of_the_check_string() {
        assert_eq!(crc32c([&b"1234"[..], b"56789"]), 0xe306_9283);
    }
}
