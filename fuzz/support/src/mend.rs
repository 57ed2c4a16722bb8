//! Puts checksums right, so that a fuzzer gets below them: in a file of a shard's folder, at each magic number, the CRC of
//! what begins there.

use klamm_store::entry::{HEADER_BYTES, Header, crc32c};

/// Where an entry's header has the hash of the entry before.
const PREVIOUS: usize = 48;
const PAYLOAD_BYTES: usize = 80;
const PAYLOAD_CRC: usize = 84;
/// A block of an index: magic number and partition, then the count.
const BLOCK_COUNT: usize = 24;
const BLOCK_BATCH_BYTES: usize = 36;
/// A directory: magic number, then the count.
const DIRECTORY_COUNT: usize = 4;
const DIRECTORY_EXTENT_BYTES: usize = 64;

/// The hash of the entry before, if there was one. The first entry keeps what it says of the one before it.
pub(crate) type Chain = Option<u128>;

/// Mends a file; with a chain, each entry gets the hash of the one before it too.
pub(crate) fn file(bytes: &mut [u8], mut chain: Option<&mut Chain>) {
    let mut at = 0;
    while let Some(magic) = bytes.get(at..at + 4) {
        let here = match magic {
            b"KLJF" => Some(32),
            b"KLTR" => Some(64),
            b"KLHD" | b"KLSN" => Some(bytes.len() - at),
            b"KLBX" => counted(&bytes[at..], BLOCK_COUNT, BLOCK_BATCH_BYTES),
            b"KLDI" => counted(&bytes[at..], DIRECTORY_COUNT, DIRECTORY_EXTENT_BYTES),
            b"KLJE" => entry(&mut bytes[at..], chain.as_deref_mut()),
            _ => None,
        };
        let Some(part) = here.and_then(|length| bytes.get_mut(at..at.checked_add(length)?)) else {
            at += 1;
            continue;
        };
        if magic_of(part) == *b"KLHD" {
            markers(part);
        }
        // An entry's header has its own in its middle: it is mended already.
        if magic_of(part) != *b"KLJE" {
            close(part);
        }
        at += part.len();
    }
}

fn magic_of(part: &[u8]) -> [u8; 4] {
    part[..4].try_into().expect("a magic number was found")
}

/// The CRC of all but the last four bytes into these.
fn close(part: &mut [u8]) {
    if let Some((covered, crc)) = part.split_last_chunk_mut::<4>() {
        *crc = crc32c([&*covered]).to_be_bytes();
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

fn counted(bytes: &[u8], at: usize, each: usize) -> Option<usize> {
    number(bytes, at)?.checked_mul(each)?.checked_add(at + 8)
}

/// The head markers in the file `head`: version, count, and for each a slot, a length and the marker.
fn markers(file: &mut [u8]) {
    let mut at = 9;
    while let Some(length) = number(file, at + 8) {
        let Some(marker) = file.get_mut(at + 12..).and_then(|rest| rest.get_mut(..length)) else { return };
        close(marker);
        at += 12 + length;
    }
}

/// An entry's length, once it is mended.
fn entry(bytes: &mut [u8], chain: Option<&mut Chain>) -> Option<usize> {
    let length = HEADER_BYTES + number(bytes, PAYLOAD_BYTES)?;
    let (header, payload) = bytes.get_mut(..length)?.split_at_mut(HEADER_BYTES);
    header[PAYLOAD_CRC..][..4].copy_from_slice(&crc32c([&*payload]).to_be_bytes());
    if let Some(Some(hash)) = &chain {
        header[PREVIOUS..][..16].copy_from_slice(&hash.to_be_bytes());
    }
    close(header);
    if let (Some(chain), Ok(header)) = (chain, Header::decode(header)) {
        *chain = Some(header.hash().0);
    }
    Some(length)
}
