//! The file `head`, version 1: the head markers with their exact bytes. Only the highest counts; one that a higher
//! one replaced is left out when the file is written next.

use std::collections::BTreeMap;

use bytes::{Buf as _, BufMut as _, Bytes};
use klamm_model::Slot;

use super::{FormatError, begin_frame, close_frame, open_frame};

/// The version that this release writes.
pub(crate) const VERSION: u8 = 1;
const MAGIC: u32 = 0x4b4c_4844; // "KLHD"

/// Head markers by the slots that they name.
pub(crate) type Heads = BTreeMap<Slot, Bytes>;

pub(crate) fn encode(heads: &Heads) -> Vec<u8> {
    let mut out = begin_frame(MAGIC, VERSION, 256);
    out.put_u32(u32::try_from(heads.len()).expect("there are one or two"));
    for (slot, value) in heads {
        out.put_u64(slot.0);
        out.put_u32(u32::try_from(value.len()).expect("head markers are small"));
        out.put_slice(value);
    }
    close_frame(&mut out);
    out
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Heads, FormatError> {
    const SHORT: FormatError = FormatError::Damaged("it is cut short");
    let mut body = open_frame(bytes, MAGIC, VERSION)?;
    let mut heads = Heads::new();
    for _ in 0..body.try_get_u32().map_err(|_| SHORT)? {
        let slot = Slot(body.try_get_u64().map_err(|_| SHORT)?);
        let length = body.try_get_u32().map_err(|_| SHORT)? as usize;
        let value = body.get(..length).ok_or(SHORT)?;
        heads.insert(slot, Bytes::copy_from_slice(value));
        body.advance(length);
    }
    if body.is_empty() { Ok(heads) } else { Err(FormatError::Damaged("its length does not fit")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_flipped_bits() {
        let heads = Heads::from([(Slot(77), Bytes::from_static(b"any bytes")), (Slot(5), Bytes::new())]);
        let bytes = encode(&heads);
        assert_eq!(decode(&bytes), Ok(heads));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
        assert!((0..bytes.len()).all(|end| decode(&bytes[..end]).is_err()));
    }
}
