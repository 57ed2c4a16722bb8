//! Zigzag varints as records use them, and a reader that never leaves its slice.
//!
//! Contract: what `put` writes, `Reader` reads; a varint with more bytes or bits than its type is refused.

use crate::RecordFault;

/// Reads from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn u8(&mut self) -> Result<u8, RecordFault> {
        let (first, rest) = self.0.split_first().ok_or(RecordFault::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    #[inline]
    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(front)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<i32, RecordFault> {
        let raw = u32::try_from(self.unsigned(5)?).map_err(|_| RecordFault::Varint)?;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    #[inline]
    pub(crate) fn varlong(&mut self) -> Result<i64, RecordFault> {
        let raw = self.unsigned(10)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Most varints in records have one byte.
    #[inline]
    fn unsigned(&mut self, bytes_max: u32) -> Result<u64, RecordFault> {
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.unsigned_long(bytes_max),
        }
    }

    fn unsigned_long(&mut self, bytes_max: u32) -> Result<u64, RecordFault> {
        let mut value = 0u64;
        for index in 0..bytes_max {
            let byte = self.u8()?;
            // The tenth byte of a varlong has room for one bit.
            if index == 9 && byte > 1 {
                return Err(RecordFault::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(RecordFault::Varint)
    }
}

/// Appends a zigzag varint. An `i32` and the same number as an `i64` have the same bytes.
pub(crate) fn put(out: &mut Vec<u8>, value: i64) {
    let mut raw = zigzag(value);
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// How many bytes `put` writes.
pub(crate) fn size_bytes(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_at_the_edges() {
        for value in
            [0, 1, -1, 63, 64, -64, -65, 8191, 8192, i32::MAX.into(), i32::MIN.into(), i64::MAX, i64::MIN]
        {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            assert_eq!(bytes.len(), size_bytes(value), "{value}");
            assert_eq!(Reader(&bytes).varlong(), Ok(value));
            match i32::try_from(value) {
                Ok(small) => assert_eq!(Reader(&bytes).varint(), Ok(small)),
                Err(_) => assert_eq!(Reader(&bytes).varint(), Err(RecordFault::Varint)),
            }
        }
    }

    #[test]
    fn too_long_or_cut_off_is_refused() {
        assert_eq!(Reader(&[0xff; 11]).varlong(), Err(RecordFault::Varint));
        assert_eq!(Reader(&[0x80; 4]).varint(), Err(RecordFault::Truncated));
        assert_eq!(Reader(&[0xff, 0xff, 0xff, 0xff, 0x1f]).varint(), Err(RecordFault::Varint));
        assert_eq!(
            Reader(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2]).varlong(),
            Err(RecordFault::Varint)
        );
    }
}
