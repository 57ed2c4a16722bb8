//! Memory of the checker: numbers by number, dense where they are dense; and numbers that only grow, over time.

use std::collections::BTreeMap;

const CHUNK: u64 = 4096;
const NONE: u64 = u64::MAX;

/// A map from numbers to numbers (below the highest); neighbours cost eight bytes each.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    chunks: BTreeMap<u64, Box<[u64]>>,
}

impl Numbers {
    pub(crate) fn get(&self, key: u64) -> Option<u64> {
        let number = self.chunks.get(&(key / CHUNK))?[(key % CHUNK) as usize];
        (number != NONE).then_some(number)
    }

    /// Puts a number; gives the one that was there.
    pub(crate) fn put(&mut self, key: u64, number: u64) -> Option<u64> {
        let empty = || vec![NONE; CHUNK as usize].into_boxed_slice();
        let place = &mut self.chunks.entry(key / CHUNK).or_insert_with(empty)[(key % CHUNK) as usize];
        let before = std::mem::replace(place, number);
        (before != NONE).then_some(before)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.chunks.iter().flat_map(|(chunk, numbers)| {
            let keyed = (chunk * CHUNK..).zip(numbers.iter().copied());
            keyed.filter(|(_, number)| *number != NONE)
        })
    }
}

/// The highest number that was known at each event.
#[derive(Debug, Default)]
pub(crate) struct Highest(Vec<(u64, i64)>);

impl Highest {
    /// At this event it is known to be at least so high.
    pub(crate) fn at_least(&mut self, event: u64, number: i64) {
        if self.now().is_none_or(|highest| highest < number) {
            self.0.push((event, number));
        }
    }

    /// What is known by now.
    pub(crate) fn now(&self) -> Option<i64> {
        self.0.last().map(|(_, highest)| *highest)
    }

    /// What was known when so many events had been recorded.
    pub(crate) fn when(&self, events: u64) -> Option<i64> {
        let known = self.0.partition_point(|(event, _)| *event < events);
        self.0[..known].last().map(|(_, highest)| *highest)
    }
}
