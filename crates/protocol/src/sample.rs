//! Seeded random messages, valid in a version: for round trips, fuzzing and simulation.
//! The same seed gives the same message. Half of all values are edges (zero, extremes, empty, null).

use crate::{Blob, ErrorCode, Records, Str, Uuid};
use bytes::Bytes;

/// A random value that a version can carry.
pub trait Sample: Sized {
    /// Draws one.
    fn sample(g: &mut Gen, version: i16) -> Self;
}

/// A seeded source of random numbers (SplitMix64), and a limit for the size of what is drawn.
#[derive(Debug, Clone)]
pub struct Gen {
    state: u64,
    elements_left: usize,
}

impl Gen {
    /// From a seed. What is drawn from it has some hundred array elements at most.
    pub fn new(seed: u64) -> Self {
        Self { state: seed, elements_left: 300 }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.bits() % (end.max(1) as u64)).unwrap_or(0)
    }

    fn length(&mut self) -> usize {
        match self.below(40) {
            0 => 700 + self.below(700),
            1..=9 => 0,
            _ => 1 + self.below(20),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.length()).map(|_| self.bits() as u8).collect()
    }
}

macro_rules! integer {
    ($($type:ty),*) => {$(
        impl Sample for $type {
            fn sample(g: &mut Gen, _version: i16) -> Self {
                match g.below(8) {
                    0 => 0,
                    1 => <$type>::MIN,
                    2 => <$type>::MAX,
                    3 => (0 as $type).wrapping_sub(1),
                    _ => g.bits() as $type,
                }
            }
        }
    )*};
}
integer!(i8, i16, u16, i32, i64);

impl Sample for bool {
    fn sample(g: &mut Gen, _version: i16) -> Self {
        g.below(2) == 1
    }
}

impl Sample for f64 {
    fn sample(g: &mut Gen, version: i16) -> Self {
        i32::sample(g, version).into()
    }
}

impl Sample for Uuid {
    fn sample(g: &mut Gen, _version: i16) -> Self {
        let bits = u128::from(g.bits()) << 64 | u128::from(g.bits());
        Self(if g.below(4) == 0 { [0; 16] } else { bits.to_be_bytes() })
    }
}

impl Sample for ErrorCode {
    fn sample(g: &mut Gen, version: i16) -> Self {
        Self(i16::sample(g, version))
    }
}

impl Sample for Str<'_> {
    fn sample(g: &mut Gen, _version: i16) -> Self {
        const LETTERS: [char; 8] = ['a', 'Z', '0', '.', '-', 'ü', '語', '🦀'];
        (0..g.length()).map(|_| LETTERS[g.below(LETTERS.len())]).collect()
    }
}

impl Sample for Blob<'_> {
    fn sample(g: &mut Gen, _version: i16) -> Self {
        g.bytes().into()
    }
}

impl Sample for Records<'_> {
    fn sample(g: &mut Gen, _version: i16) -> Self {
        Self::Segments((0..g.below(3)).map(|_| Bytes::from(g.bytes())).collect())
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(g: &mut Gen, version: i16) -> Self {
        let count = [0, 0, 1, 1, 1, 2, 3][g.below(7)].min(g.elements_left);
        g.elements_left -= count;
        (0..count).map(|_| T::sample(g, version)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(g: &mut Gen, version: i16) -> Self {
        (g.below(4) > 0).then(|| T::sample(g, version))
    }
}
