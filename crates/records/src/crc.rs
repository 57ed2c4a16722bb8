//! CRC32C (Castagnoli): of a slice, of several slices, and of a batch whose head changed.
//!
//! Contract: `Crc32c` over any split of the bytes equals `crc32c` over all of them.

use crc_fast::{CrcAlgorithm, Digest, checksum_combine};

/// CRC32C of one slice.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// CRC32C over several slices, in order.
#[derive(Clone, Debug)]
pub struct Crc32c(Digest);

impl Crc32c {
    /// Of no bytes yet.
    pub fn new() -> Crc32c {
        Crc32c(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    /// Adds the next slice.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Crc32c {
        self.0.update(bytes);
        self
    }

    /// The CRC of all slices so far; more may follow.
    pub fn value(&self) -> u32 {
        self.0.finalize() as u32
    }
}

impl Default for Crc32c {
    fn default() -> Crc32c {
        Crc32c::new()
    }
}

/// The CRC of `new ++ rest`, given that of `old ++ rest`, where `old` and `new` are equally long.
///
/// CRCs are affine, so only the difference of the two prefixes is shifted over the length of `rest`: the payload is
/// not read again.
pub(crate) fn crc32c_of_changed_prefix(whole: u32, old: &[u8], new: &[u8], rest_bytes: u64) -> u32 {
    debug_assert_eq!(old.len(), new.len());
    let difference = crc32c(old) ^ crc32c(new);
    checksum_combine(CrcAlgorithm::Crc32Iscsi, u64::from(difference), u64::from(whole), rest_bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn slices_equal_the_whole() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| (i * 7) as u8).collect();
        for cut in [0, 1, 61, 512, 999, 1000] {
            let mut crc = Crc32c::new();
            crc.update(&bytes[..cut]).update(&bytes[cut..]);
            assert_eq!(crc.value(), crc32c(&bytes));
        }
    }

    #[test]
    fn changed_prefix_equals_recomputing() {
        for rest_bytes in [0usize, 1, 39, 40, 1000, 70_000] {
            let mut bytes: Vec<u8> = (0..40 + rest_bytes).map(|i| (i * 31 % 251) as u8).collect();
            let whole = crc32c(&bytes);
            let old = bytes[..40].to_vec();
            bytes[3] ^= 0x08;
            bytes[20] = 0xff;
            let got = crc32c_of_changed_prefix(whole, &old, &bytes[..40], rest_bytes as u64);
            assert_eq!(got, crc32c(&bytes), "rest of {rest_bytes} bytes");
        }
    }
}
