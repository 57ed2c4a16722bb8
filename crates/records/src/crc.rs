//! CRC32C (Castagnoli): of a slice, of several slices, and of a batch whose head changed.
//!
//! Contract: `Crc32c` over any split of the bytes equals `crc32c` over all of them.

use crc_fast::{CrcAlgorithm, Digest};

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
/// CRCs are affine, so the difference of the two prefixes times x^(8 rest) is the difference of the two CRCs. The payload
/// is not read again, so damage that came after the first CRC is still found. (`crc_fast::checksum_combine` does the
/// same with matrices: 40-100 us; this takes well under one.)
pub(crate) fn crc32c_of_changed_prefix(whole: u32, old: &[u8], new: &[u8], rest_bytes: u32) -> u32 {
    debug_assert_eq!(old.len(), new.len());
    let mut difference = crc32c(old) ^ crc32c(new);
    for (bit, power) in POWERS[3..].iter().enumerate() {
        if rest_bytes >> bit & 1 == 1 {
            difference = times(*power, difference);
        }
    }
    whole ^ difference
}

/// x^(2^n) modulo the polynomial, for n up to bit 31 of a length in bytes (three more in bits).
const POWERS: [u32; 35] = {
    let mut powers = [1 << 30; 35];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = times(powers[n - 1], powers[n - 1]);
        n += 1;
    }
    powers
};

/// The product modulo Castagnoli's polynomial, coefficients reflected: the highest bit is that of x^0.
const fn times(a: u32, b: u32) -> u32 {
    let (mut product, mut shifted, mut bit) = (0, b, 32);
    while bit > 0 {
        bit -= 1;
        product ^= shifted & (a >> bit & 1).wrapping_neg();
        shifted = shifted >> 1 ^ 0x82f6_3b78 & (shifted & 1).wrapping_neg();
    }
    product
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
    fn powers_reach_beyond_what_a_test_can_hold() {
        let combine = |difference: u32, bytes: u32| {
            crc_fast::checksum_combine(CrcAlgorithm::Crc32Iscsi, difference.into(), 0, bytes.into()) as u32
        };
        for rest_bytes in [0, 1, 255, 1 << 20, (1 << 29) + 1, i32::MAX as u32, u32::MAX] {
            let difference = crc32c(b"old") ^ crc32c(b"new");
            let got = crc32c_of_changed_prefix(0, b"old", b"new", rest_bytes);
            assert_eq!(got, combine(difference, rest_bytes), "rest of {rest_bytes} bytes");
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
            let got = crc32c_of_changed_prefix(whole, &old, &bytes[..40], rest_bytes as u32);
            assert_eq!(got, crc32c(&bytes), "rest of {rest_bytes} bytes");
        }
    }
}
