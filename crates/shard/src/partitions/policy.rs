//! Which segments to merge next. Pure. The aim: all segments together take at most [`GARBAGE_MAX`] of what is needed, at
//! the least rewriting. Every merge either frees at least a quarter of a segment or makes one of many small ones, so it
//! comes to an end.

use std::ops::Range;

/// A segment that may be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// What it takes in the store.
    pub(super) bytes: u64,
    /// About what it would take if it were written anew.
    pub(super) needed: u64,
    /// It can't be merged, nor can its neighbours on both sides be joined.
    pub(super) barred: bool,
}

/// Merging begins when the segments take more than this many tenths of what is needed.
const GARBAGE_MAX: u64 = 14;
/// A neighbour is worth rewriting for its own sake when at least one byte in so many would go. The worst segment of
/// those that are above [`GARBAGE_MAX`] together is always worth it.
const WORTH_PARTS: u64 = 4;
/// Small segments are joined when at least so many are neighbours; small is what so many of make a whole one.
const JOIN_MIN: usize = 8;

impl Candidate {
    fn garbage(&self) -> u64 {
        self.bytes.saturating_sub(self.needed)
    }

    fn is_worth_it(&self) -> bool {
        self.garbage() * WORTH_PARTS >= self.bytes
    }

    /// Whether more of it is garbage than of the other.
    fn is_worse(&self, other: &Self) -> bool {
        u128::from(self.garbage()) * u128::from(other.bytes)
            > u128::from(other.garbage()) * u128::from(self.bytes)
    }
}

/// The neighbours to merge next, of segments in the order of their slots; None if all is well. The result of more than
/// one has at most about `file_bytes`.
pub(super) fn choose(segments: &[Candidate], file_bytes: u64) -> Option<Range<usize>> {
    let free = || segments.iter().filter(|segment| !segment.barred);
    let (bytes, needed) =
        free().fold((0, 0), |(bytes, needed), segment| (bytes + segment.bytes, needed + segment.needed));
    if bytes * 10 > needed * GARBAGE_MAX {
        worst(segments).map(|seed| grow(segments, seed, file_bytes))
    } else {
        small(segments, file_bytes)
    }
}

fn worst(segments: &[Candidate]) -> Option<usize> {
    let mut worst: Option<usize> = None;
    for (number, segment) in segments.iter().enumerate().filter(|(_, segment)| !segment.barred) {
        if worst.is_none_or(|worst| segment.is_worse(&segments[worst])) {
            worst = Some(number);
        }
    }
    worst.filter(|worst| segments[*worst].is_worth_it())
}

/// Takes neighbours in that have garbage of their own, or that are no larger than what is rewritten anyway: whatever is
/// rewritten for company's sake at least doubles its file, so it happens to a byte a few times only.
fn grow(segments: &[Candidate], seed: usize, file_bytes: u64) -> Range<usize> {
    let mut run = seed..seed + 1;
    let mut needed = segments[seed].needed;
    loop {
        let fits = |number: &usize| {
            let neighbour = &segments[*number];
            !neighbour.barred
                && needed + neighbour.needed <= file_bytes
                && (neighbour.is_worth_it() || neighbour.needed <= needed)
        };
        let before = run.start.checked_sub(1).filter(fits);
        let after = Some(run.end).filter(|number| *number < segments.len()).filter(fits);
        let next = match (before, after) {
            (Some(before), Some(after)) if segments[before].is_worse(&segments[after]) => before,
            (before, after) => match after.or(before) {
                Some(next) => next,
                None => return run,
            },
        };
        needed += segments[next].needed;
        run = run.start.min(next)..run.end.max(next + 1);
    }
}

/// The first run of many small neighbours.
fn small(segments: &[Candidate], file_bytes: u64) -> Option<Range<usize>> {
    let (mut run, mut needed) = (0..0, 0);
    for (number, segment) in segments.iter().enumerate() {
        let is_small = !segment.barred && segment.bytes * JOIN_MIN as u64 <= file_bytes;
        if is_small && needed + segment.needed <= file_bytes {
            run.end = number + 1;
            needed += segment.needed;
            continue;
        }
        if run.len() >= JOIN_MIN {
            return Some(run);
        }
        (run, needed) =
            if is_small { (number..number + 1, segment.needed) } else { (number + 1..number + 1, 0) };
    }
    (run.len() >= JOIN_MIN).then_some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments as (bytes, needed), files of 100; a segment of 0 bytes stands for one that is barred.
    fn check(segments: &[(u64, u64)], expected: Option<Range<usize>>) {
        let candidate = |(bytes, needed): &(u64, u64)| match bytes {
            0 => Candidate { bytes: 100, needed: 10, barred: true },
            _ => Candidate { bytes: *bytes, needed: *needed, barred: false },
        };
        let candidates: Vec<_> = segments.iter().map(candidate).collect();
        assert_eq!(choose(&candidates, 100), expected, "{segments:?}");
    }

    #[test]
    fn little_garbage_stays() {
        check(&[], None);
        check(&[(100, 100), (100, 72), (100, 60)], None);
        check(&[(100, 72)], None);
        check(&[(100, 71)], Some(0..1));
    }

    #[test]
    fn the_worst_goes_first() {
        check(&[(100, 70), (100, 90), (100, 40), (100, 80)], Some(2..3));
        check(&[(100, 90), (200, 10), (100, 90)], Some(1..2));
        check(&[(100, 0)], Some(0..1));
    }

    #[test]
    fn neighbours_join_while_it_pays() {
        check(&[(100, 20), (100, 30), (100, 40)], Some(0..3));
        check(&[(100, 20), (100, 30), (100, 40), (100, 20)], Some(0..3));
        check(&[(100, 40), (100, 20), (100, 30), (100, 50)], Some(0..3));
        // All of it is needed: it comes along if it is no larger than the rest.
        check(&[(100, 30), (30, 30), (20, 20)], Some(0..3));
        check(&[(100, 30), (31, 31), (20, 20)], Some(0..1));
        check(&[(100, 30), (30, 30), (41, 41)], Some(0..2));
    }

    #[test]
    fn what_is_barred_is_in_nobodys_way() {
        check(&[(0, 0)], None);
        check(&[(100, 20), (0, 0), (100, 20)], Some(0..1));
        check(&[(100, 90), (0, 0), (100, 90)], None);
    }

    #[test]
    fn many_small_ones_become_one() {
        check(&[(5, 5); 7], None);
        check(&[(5, 5); 8], Some(0..8));
        check(&[(13, 13); 20], None);
        check(&[(12, 12); 20], Some(0..8));
        let mut segments = vec![(100, 100), (5, 5), (0, 0)];
        segments.extend([(5, 5); 30]);
        check(&segments, Some(3..23));
    }

    /// A shard's life: files come, parts of them die at several speeds, and merging keeps up.
    #[test]
    fn it_ends_keeps_to_the_limit_and_rewrites_little() {
        const FILE: u64 = 1000;
        for speed in 1..12 {
            // Each segment: what it needs of a topic that stays, one that goes slowly, one that goes fast.
            let mut segments: Vec<(u64, [u64; 3])> = Vec::new();
            let (mut produced, mut rewritten) = (0, 0);
            for round in 0..400_u64 {
                segments.push((FILE, [250, 350, 400]));
                produced += FILE;
                let count = segments.len();
                for (number, (_, parts)) in segments.iter_mut().enumerate() {
                    let age = (count - number) as u64;
                    for (part, life) in [(1, 20 * speed), (2, 2 * speed)] {
                        if (age + round).is_multiple_of(3) && age > life {
                            parts[part] = parts[part].saturating_sub(150);
                        }
                    }
                }
                for step in 0.. {
                    assert!(step < 100, "it does not end");
                    let needed = |parts: &[u64; 3]| parts.iter().sum::<u64>();
                    let candidates: Vec<_> = segments
                        .iter()
                        .map(|(bytes, parts)| Candidate {
                            bytes: *bytes,
                            needed: needed(parts),
                            barred: false,
                        })
                        .collect();
                    let Some(run) = choose(&candidates, FILE) else {
                        let (bytes, needed) =
                            candidates.iter().fold((0, 0), |sum, c| (sum.0 + c.bytes, sum.1 + c.needed));
                        assert!(bytes * 10 <= needed * GARBAGE_MAX);
                        break;
                    };
                    let mut parts = [0; 3];
                    for (_, some) in &segments[run.clone()] {
                        (0..3).for_each(|part| parts[part] += some[part]);
                    }
                    rewritten += needed(&parts);
                    segments.splice(run, [(needed(&parts), parts)]);
                }
            }
            assert!(rewritten * 10 < produced * 15, "{rewritten} of {produced} were rewritten");
            let small = segments.iter().filter(|(bytes, _)| *bytes * 8 <= FILE).count();
            assert!(small < 40 + segments.len() / 2, "{small} of {} are small", segments.len());
        }
    }
}
