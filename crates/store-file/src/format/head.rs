//! The file `head`, version 1: the highest head marker with its exact bytes.

use bytes::{Buf as _, BufMut as _, Bytes};
use klamm_model::Slot;

use super::{FormatError, begin_frame, close_frame, open_frame};

/// The version that this release writes.
pub(crate) const VERSION: u8 = 1;
const MAGIC: u32 = 0x4b4c_4844; // "KLHD"

/// The head marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeadFile {
    /// The slot that it names.
    pub(crate) slot: Slot,
    /// Its bytes, as they were put.
    pub(crate) value: Bytes,
}

impl HeadFile {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = begin_frame(MAGIC, VERSION, 21 + self.value.len());
        out.put_u64(self.slot.0);
        out.put_u32(u32::try_from(self.value.len()).expect("head markers are small"));
        out.put_slice(&self.value);
        close_frame(&mut out);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut body = open_frame(bytes, MAGIC, VERSION)?;
        if body.len() < 12 {
            return Err(FormatError::Damaged("it is cut short"));
        }
        let (slot, length) = (Slot(body.get_u64()), body.get_u32() as usize);
        if body.len() != length {
            return Err(FormatError::Damaged("its length does not fit"));
        }
        Ok(Self { slot, value: Bytes::copy_from_slice(body) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_flipped_bits() {
        let head = HeadFile { slot: Slot(77), value: Bytes::from_static(b"any bytes") };
        let bytes = head.encode();
        assert_eq!(HeadFile::decode(&bytes), Ok(head));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(HeadFile::decode(&bad).is_err(), "bit {bit}");
        }
        assert!((0..bytes.len()).all(|end| HeadFile::decode(&bytes[..end]).is_err()));
    }
}
