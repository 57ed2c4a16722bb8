//! Entries and the arena that gives each distinct entry one number.
//!
//! An entry names its predecessor by number, as a journal entry names it by hash. Equal bytes have equal numbers
//! and different bytes have different ones: hashes do not collide here. So a number stands for the whole chain
//! that ends in it, and a state needs only the ends of the chains that it knows.

use std::collections::HashMap;
use std::fmt;

/// The number of an entry. `Id::NONE` stands for no entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub u32);

impl Id {
    /// No entry.
    pub const NONE: Id = Id(0);
    /// The Takeover of epoch 1 at (0, 0), which every chain begins with.
    pub const GENESIS: Id = Id(1);

    /// Whether this is an entry.
    pub fn is_some(self) -> bool {
        self != Id::NONE
    }
}

/// Where an entry lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The epoch whose owner writes under this key.
    pub epoch: u8,
    /// The place in the journal.
    pub slot: u8,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.epoch, self.slot)
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The first entry of an epoch.
    Takeover,
    /// Data.
    Normal,
    /// A snapshot that covers everything below `snapshot_below`, which may lie below the entry itself.
    Checkpoint {
        /// The first slot that the snapshot does not cover.
        snapshot_below: u8,
    },
}

/// An entry's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Where the entry lives.
    pub key: Key,
    /// The owner's epoch.
    pub epoch: u8,
    /// What tells entries of different acquisitions (and of different retries, without rule 1) apart.
    pub nonce: u8,
    /// What it says.
    pub kind: Kind,
    /// The predecessor, as its hash names it.
    pub prev: Id,
}

/// All entries that the search has met. Grows only.
#[derive(Debug)]
pub struct Arena {
    entries: Vec<Entry>,
    ids: HashMap<Entry, Id>,
}

impl Default for Arena {
    fn default() -> Arena {
        let key = Key { epoch: 0, slot: 0 };
        let genesis = Entry { key, epoch: 1, nonce: 0, kind: Kind::Takeover, prev: Id::NONE };
        let ids = HashMap::from([(genesis, Id::GENESIS)]);
        Arena { entries: vec![genesis, genesis], ids }
    }
}

impl Arena {
    /// The number of `entry`: the old one if the same bytes were met before.
    pub fn intern(&mut self, entry: Entry) -> Id {
        *self.ids.entry(entry).or_insert_with(|| {
            self.entries.push(entry);
            Id(u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 entries"))
        })
    }

    /// The entry with number `id`, which must be one.
    pub fn get(&self, id: Id) -> &Entry {
        debug_assert!(id.is_some());
        &self.entries[id.0 as usize]
    }

    /// The slot of an entry.
    pub fn slot(&self, id: Id) -> u8 {
        self.get(id).key.slot
    }

    /// The entry at `slot` of the chain that ends in `last`, if that chain has one.
    pub fn at_slot(&self, last: Id, slot: u8) -> Option<Id> {
        let mut id = last;
        while id.is_some() && self.slot(id) > slot {
            id = self.get(id).prev;
        }
        (id.is_some() && self.slot(id) == slot).then_some(id)
    }

    /// Whether the chain that ends in `last` contains `id`.
    pub fn contains(&self, last: Id, id: Id) -> bool {
        self.at_slot(last, self.slot(id)) == Some(id)
    }

    /// The chain that ends in `last`, from its end back to `slot_min`.
    pub fn back_from(&self, last: Id, slot_min: u8) -> impl Iterator<Item = Id> {
        let step = move |id: &Id| Some(self.get(*id).prev).filter(|id| id.is_some());
        std::iter::successors(Some(last), step).take_while(move |id| self.slot(*id) >= slot_min)
    }
}
