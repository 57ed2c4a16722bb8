//! The files of a journal: which slots they have, where their entries end, where each entry is. Pure.
//! Invariant: at most the last file is active; all others are complete, and some of these sealed.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use klamm_env::File;
use klamm_model::Slot;
use klamm_store::{Key, SegmentId};

use crate::{
    format::trailer::Trailer,
    keys::{Found, Keys},
};

/// One journal file.
pub(crate) struct JournalFile {
    /// Where its slots end; None while it is active.
    pub(crate) slots_end: Option<Slot>,
    /// Where its entries end.
    pub(crate) end: u64,
    /// Open for writing until it is sealed.
    pub(crate) handle: Option<Arc<dyn File>>,
    /// Its trailer once it is sealed.
    pub(crate) sealed: Option<Trailer>,
    /// Its entries, as far as the journal may need them.
    pub(crate) keys: Keys,
}

/// All files, by their first slots.
#[derive(Default)]
pub(crate) struct Catalog {
    files: BTreeMap<Slot, JournalFile>,
}

impl Catalog {
    pub(crate) fn insert(&mut self, first: Slot, file: JournalFile) {
        assert!(self.files.insert(first, file).is_none(), "a file has its first slot for itself");
    }

    pub(crate) fn get(&self, first: Slot) -> Option<&JournalFile> {
        self.files.get(&first)
    }

    pub(crate) fn get_mut(&mut self, first: Slot) -> Option<&mut JournalFile> {
        self.files.get_mut(&first)
    }

    pub(crate) fn remove(&mut self, first: Slot) -> Option<JournalFile> {
        self.files.remove(&first)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (Slot, &JournalFile)> {
        self.files.iter().map(|(first, file)| (*first, file))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut JournalFile> {
        self.files.values_mut()
    }

    /// The entry, and the first slot of its file.
    pub(crate) fn find(&self, key: Key) -> Option<(Slot, Found)> {
        self.iter().rev().find_map(|(first, file)| Some((first, file.keys.get(key)?)))
    }

    /// Complete files that are not sealed.
    pub(crate) fn unsealed(&self) -> Vec<Range<Slot>> {
        let files = self.iter().filter(|(_, file)| file.sealed.is_none());
        files.filter_map(|(first, file)| Some(first..file.slots_end?)).collect()
    }

    /// Sealed files.
    pub(crate) fn sealed(&self) -> Vec<(SegmentId, Trailer)> {
        self.iter().filter_map(|(first, file)| Some((SegmentId(first.0), file.sealed.clone()?))).collect()
    }
}
