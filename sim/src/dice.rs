//! Seeded randomness. Every part of a run has dice of its own, so that a throw more in one part moves no other.

use std::ops::Range;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// A source of decisions: the same seed and name give the same throws.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of one part of a run.
    pub fn new(seed: u64, part: &str) -> Self {
        Self(ChaCha8Rng::seed_from_u64(twox_hash::XxHash3_64::oneshot_with_seed(seed, part.as_bytes())))
    }

    /// A number in a range that is not empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        assert!(!range.is_empty(), "a throw has an outcome");
        range.start + self.0.next_u64() % (range.end - range.start)
    }

    /// True once in so many throws.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.within(0..times) == 0
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.within(0..of.len() as u64) as usize]
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_apart_and_seeds_repeat() {
        let throws = |seed, part| {
            let mut dice = Dice::new(seed, part);
            (0..8).map(|_| dice.within(3..1000)).collect::<Vec<_>>()
        };
        assert_eq!(throws(1, "disk"), throws(1, "disk"));
        assert_ne!(throws(1, "disk"), throws(2, "disk"));
        assert_ne!(throws(1, "disk"), throws(1, "net"));
        assert!(throws(7, "x").iter().all(|throw| (3..1000).contains(throw)));
    }
}
