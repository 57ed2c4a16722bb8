//! The model: from a state, every step that can come next.
//!
//! Contract: `steps` is deterministic and lists each step once. A step that breaks a property carries the
//! violation and the search ends there. Carrier, owner and candidate have a file each under `steps/`.

use crate::bounds::Bounds;
use crate::check::Violation;
use crate::entry::{Arena, Entry, Id, Key, Kind};
use crate::rules::{Rule, Rules};
use crate::state::{Finding, Phase, Sent, State};

/// A broker's number, for `State::procs`.
pub type ProcId = usize;

/// What happens in a step. `trace` puts it into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A put reaches its key.
    Land(Id),
    /// A put of a head marker takes effect.
    LandMarker(Id),
    /// A delete of the key that holds this entry takes effect.
    Delete(Id),
    /// The carrier loses an acknowledged entry.
    Lose(Id),
    /// The carrier damages an acknowledged entry.
    Damage(Id),
    /// An owner appends and puts an entry.
    Append(ProcId, Id),
    /// An owner repeats a put with other bytes.
    Retry(ProcId, Id),
    /// An owner skips an occupied key.
    Skip(ProcId, Id),
    /// An owner learns that an entry is durable and acknowledges it.
    Ack(ProcId, Id),
    /// An owner puts a head marker that names this entry.
    PutMarker(ProcId, Id),
    /// An owner deletes the keys below this entry.
    DeleteBelow(ProcId, Id),
    /// A broker crashes, or drops its state because it is fenced.
    Drop(ProcId),
    /// A broker starts a scan at the head marker.
    Start(ProcId, Id),
    /// A scan reads the expected key.
    Read(ProcId, Key, Option<Sent>),
    /// A scan reads the key so many places beyond the expected one, and keeps what it found.
    ReadAhead(ProcId, Key, Option<Sent>),
    /// A scan looks for entries well beyond an absent key, and finds one or none.
    LookBeyond(ProcId, Key, bool),
    /// A scan stops without reading the marker again (rule 7 is off).
    Conclude(ProcId, Finding),
    /// A scan reads the marker again, and counts or starts again.
    Recheck(ProcId, Id, Finding, bool),
    /// A candidate puts its Takeover.
    PutTakeover(ProcId, Id),
    /// A candidate learns that its Takeover is in place.
    InPlace(ProcId, Id),
    /// A candidate reads the marker once more, and becomes the owner or starts again.
    Confirm(ProcId, Id, bool),
    /// A broker resumes the epoch of its earlier Takeover (rule 5 is off).
    Resume(ProcId, Id),
}

/// A step to another state.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What happens.
    pub action: Action,
    /// The state after it.
    pub next: State,
    /// The property that it breaks.
    pub violation: Option<Violation>,
}

/// The rules kept, the bounds, and the entries met so far.
#[derive(Debug)]
pub struct Model {
    /// The rules that the brokers keep.
    pub rules: Rules,
    /// How far the search goes.
    pub bounds: Bounds,
    /// The entries met so far.
    pub arena: Arena,
}

impl Model {
    /// A model that has not taken a step.
    ///
    /// # Panics
    /// If `bounds.refusal()` has a reason.
    pub fn new(rules: Rules, bounds: Bounds) -> Model {
        assert_eq!(bounds.refusal(), None);
        Model { rules, bounds, arena: Arena::default() }
    }

    /// The state that every run begins in.
    pub fn initial(&self) -> State {
        let mut state = State::initial();
        if !self.keeps(Rule::NewTakeover) {
            state.procs[0].held = Id::GENESIS;
        }
        state
    }

    /// Replaces the content of `out` by all steps that can follow `state`.
    pub fn steps(&mut self, state: &State, out: &mut Vec<Step>) {
        out.clear();
        self.carrier_steps(state, out);
        for at in 0..self.bounds.brokers {
            match state.procs[at].phase {
                Phase::Owner => self.owner_steps(state, at, out),
                Phase::Halted => {}
                _ => self.candidate_steps(state, at, out),
            }
        }
        for step in out {
            self.forget(&mut step.next);
        }
    }

    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        self.rules.keeps(rule)
    }

    /// The key that comes after the entry `last`, by rule 2.
    pub(crate) fn next_key(&self, last: Id) -> Key {
        let Entry { key, epoch, .. } = *self.arena.get(last);
        let epoch = if self.keeps(Rule::KeyEpoch) { epoch } else { 0 };
        Key { epoch, slot: key.slot + 1 }
    }

    /// What is stored at `key`.
    pub(crate) fn stored_at(&self, state: &State, key: Key) -> Option<Sent> {
        let here = |sent: &&Sent| sent.has(Sent::STORED) && self.arena.get(sent.id).key == key;
        state.sent().iter().find(here).copied()
    }

    /// What a reader whose chain ends in `last` finds next.
    pub(crate) fn read_after(&self, state: &State, last: Id) -> Option<Sent> {
        let next = self.next_key(last);
        let is_fence = |sent: &&Sent| {
            let entry = self.arena.get(sent.id);
            let own_space = entry.kind == Kind::Takeover && entry.key.epoch == entry.epoch;
            sent.has(Sent::STORED) && own_space && entry.prev == last
        };
        let fence = || state.sent().iter().find(is_fence).copied();
        let fence = if self.keeps(Rule::OldOwnersKey) { None } else { fence() };
        fence.or_else(|| self.stored_at(state, next))
    }

    /// Whether the chain from `start` to `last` contains the marker's (slot, hash).
    pub(crate) fn chain_contains(&self, start: Id, last: Id, marker: Id) -> bool {
        if marker == start {
            return true;
        }
        let slots = self.arena.slot(start)..=if last.is_some() { self.arena.slot(last) } else { 0 };
        let slot_fits = slots.contains(&self.arena.slot(marker));
        slot_fits && (!self.keeps(Rule::Hash) || self.arena.contains(last, marker))
    }

    /// The observer follows the chain over what has just landed.
    pub(crate) fn follow(&self, state: &mut State) {
        let chains = |state: &State, sent: &Sent| {
            sent.has(Sent::STORED) && !sent.has(Sent::DAMAGED) && self.arena.get(sent.id).prev == state.tail
        };
        while let Some(next) = state.sent().iter().find(|sent| chains(state, sent)).map(|sent| sent.id) {
            state.tail = next;
        }
    }

    /// Drops what can no longer matter, so that equal futures are one state.
    fn forget(&self, state: &mut State) {
        let procs = state.procs;
        let marker_slot = self.arena.slot(state.marker);
        let awaited = |id: Id| {
            procs.iter().any(|proc| match proc.phase {
                Phase::Candidate => proc.last == id,
                Phase::Owner => {
                    self.arena.slot(id) > self.arena.slot(proc.acked) && self.arena.contains(proc.last, id)
                }
                _ => false,
            })
        };
        for sent in state.sent_mut() {
            if sent.has(Sent::LANDED) && !awaited(sent.id) {
                sent.flags &= !Sent::LANDED;
            }
            if self.keeps(Rule::HighestMarker) && self.arena.slot(sent.id) <= marker_slot {
                sent.flags &= !Sent::MARKER;
            }
        }
    }
}
