//! Where the entries of one file are: key -> (position, length). Disposable. 24 bytes an entry, sorted by slot within
//! each key-epoch; puts come nearly in order, so an insert is a push.

use klamm_model::{Epoch, Slot};
use klamm_store::Key;

/// A place of an entry in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    slot: u64,
    /// Where its header begins.
    pub(crate) position: u64,
    /// Its size, header included.
    pub(crate) bytes: u32,
}

const _: () = assert!(size_of::<Found>() <= 24);

/// The entries of one file.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    runs: Vec<(Epoch, Vec<Found>)>,
}

impl Keys {
    fn run(&self, epoch: Epoch) -> Option<&Vec<Found>> {
        self.runs.iter().rev().find(|(other, _)| *other == epoch).map(|(_, run)| run)
    }

    pub(crate) fn get(&self, key: Key) -> Option<Found> {
        let run = self.run(key.epoch)?;
        if run.last().is_none_or(|last| last.slot < key.slot.0) {
            return None;
        }
        run.binary_search_by_key(&key.slot.0, |found| found.slot).ok().map(|at| run[at])
    }

    /// Adds an entry; false if the key is there already.
    pub(crate) fn insert(&mut self, key: Key, position: u64, bytes: u32) -> bool {
        let number = match self.runs.iter().rposition(|(epoch, _)| *epoch == key.epoch) {
            Some(number) => number,
            None => {
                self.runs.push((key.epoch, Vec::new()));
                self.runs.len() - 1
            }
        };
        let run = &mut self.runs[number].1;
        let found = Found { slot: key.slot.0, position, bytes };
        if run.last().is_none_or(|last| last.slot < found.slot) {
            run.push(found);
            return true;
        }
        match run.binary_search_by_key(&found.slot, |other| other.slot) {
            Ok(_) => false,
            Err(at) => {
                run.insert(at, found);
                true
            }
        }
    }

    /// Forgets these keys, which are sorted.
    pub(crate) fn forget(&mut self, sorted: &[Key]) {
        for (epoch, run) in &mut self.runs {
            let mut keys = &sorted[sorted.partition_point(|key| key.epoch < *epoch)..];
            let before = run.len();
            run.retain(|found| {
                while keys.first().is_some_and(|key| key.epoch == *epoch && key.slot.0 < found.slot) {
                    keys = &keys[1..];
                }
                keys.first() != Some(&Key { epoch: *epoch, slot: Slot(found.slot) })
            });
            if run.len() < before / 2 {
                run.shrink_to_fit();
            }
        }
        self.runs.retain(|(_, run)| !run.is_empty());
    }

    /// No more entries come.
    pub(crate) fn complete(&mut self) {
        self.runs.iter_mut().for_each(|(_, run)| run.shrink_to_fit());
    }

    /// The keys below a slot, under any epoch.
    pub(crate) fn below(&self, slot: Slot) -> impl Iterator<Item = Key> {
        self.runs.iter().flat_map(move |(epoch, run)| {
            let end = run.partition_point(|found| found.slot < slot.0);
            run[..end].iter().map(|found| Key { epoch: *epoch, slot: Slot(found.slot) })
        })
    }

    /// The keys from one on: of its epoch from its slot on, and all of later epochs.
    pub(crate) fn from(&self, key: Key) -> impl Iterator<Item = Key> {
        self.runs.iter().filter(move |(epoch, _)| *epoch >= key.epoch).flat_map(move |(epoch, run)| {
            let first = if *epoch == key.epoch { key.slot.0 } else { 0 };
            let start = run.partition_point(|found| found.slot < first);
            run[start..].iter().map(|found| Key { epoch: *epoch, slot: Slot(found.slot) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(epoch: u32, slot: u64) -> Key {
        Key { epoch: Epoch(epoch), slot: Slot(slot) }
    }

    #[test]
    fn insert_find_and_forget() {
        let mut keys = Keys::default();
        for (number, (epoch, slot)) in
            [(0, 0), (1, 1), (1, 2), (1, 5), (1, 4), (2, 3)].into_iter().enumerate()
        {
            assert!(keys.insert(key(epoch, slot), number as u64 * 100, 96));
        }
        assert!(!keys.insert(key(1, 4), 0, 96), "there already");
        assert_eq!(keys.get(key(1, 4)).map(|found| found.position), Some(400));
        assert_eq!([key(1, 3), key(1, 6), key(3, 1)].map(|key| keys.get(key)), [None; 3]);
        assert_eq!(keys.below(Slot(3)).collect::<Vec<_>>(), [key(0, 0), key(1, 1), key(1, 2)]);
        assert_eq!(keys.from(key(1, 3)).collect::<Vec<_>>(), [key(1, 4), key(1, 5), key(2, 3)]);
        keys.forget(&[key(0, 0), key(1, 1), key(1, 2), key(1, 4), key(2, 3)]);
        assert_eq!(keys.below(Slot(9)).collect::<Vec<_>>(), [key(1, 5)]);
    }
}
