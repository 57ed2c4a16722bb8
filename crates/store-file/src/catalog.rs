//! The files of a journal: which slots they have, where their entries end, where each entry is. Pure.
//! Invariants: at most the last file is active; all others are complete, and some of these sealed. The slots of merged
//! segments nest in each other's, or have none in common; what nests in another one is replaced.

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

/// All files, by their first slots, and all merged segments.
#[derive(Default)]
pub(crate) struct Catalog {
    files: BTreeMap<Slot, JournalFile>,
    merged: BTreeMap<SegmentId, Trailer>,
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

    /// The trailer of a segment.
    pub(crate) fn segment(&self, id: SegmentId) -> Option<&Trailer> {
        match id.generation {
            0 => self.files.get(&id.first)?.sealed.as_ref(),
            _ => self.merged.get(&id),
        }
    }

    /// Whether there is a file of this name, sealed or not.
    pub(crate) fn has(&self, id: SegmentId) -> bool {
        if id.generation == 0 { self.files.contains_key(&id.first) } else { self.merged.contains_key(&id) }
    }

    /// Takes a merged segment in; the segments whose slots it has are replaced by it.
    pub(crate) fn merged(&mut self, id: SegmentId, trailer: Trailer) {
        self.merged.insert(id, trailer);
    }

    /// Forgets a merged segment.
    pub(crate) fn remove_merged(&mut self, id: SegmentId) -> Option<Trailer> {
        self.merged.remove(&id)
    }

    /// All segments, sorted, each with whether it is replaced.
    fn all(&self) -> Vec<(SegmentId, &Trailer, bool)> {
        let sealed =
            self.iter().filter_map(|(first, file)| Some((SegmentId::sealed(first), file.sealed.as_ref()?)));
        let mut all: Vec<_> = sealed.chain(self.merged.iter().map(|(id, trailer)| (*id, trailer))).collect();
        // The outermost of those that nest comes first.
        all.sort_by_key(|(id, _)| (id.first, std::cmp::Reverse(id.generation)));
        let mut covered = Slot(0);
        all.into_iter()
            .map(|(id, trailer)| {
                let replaced = trailer.slots.end <= covered;
                covered = covered.max(trailer.slots.end);
                (id, trailer, replaced)
            })
            .collect()
    }

    /// Segments that no merged one replaced.
    pub(crate) fn segments(&self) -> Vec<(SegmentId, Trailer)> {
        let current = self.all().into_iter().filter(|(.., replaced)| !replaced);
        current.map(|(id, trailer, _)| (id, trailer.clone())).collect()
    }

    /// Segments that a merged one replaced.
    pub(crate) fn replaced(&self) -> Vec<SegmentId> {
        if self.merged.is_empty() {
            return Vec::new();
        }
        self.all().into_iter().filter(|(.., replaced)| *replaced).map(|(id, ..)| id).collect()
    }
}
