//! What has to hold. The observer follows the one true chain (`State::tail`) as puts land, and knows what was
//! acknowledged (`State::acked` and all its predecessors).
//!
//! 1. An acknowledged entry is on the true chain, so there is one acknowledged entry for a slot, and a fenced
//!    owner acknowledges nothing more.
//! 2. A Takeover makes one owner, and it is on the true chain.
//! 3. A scan that counts reads a part of the true chain that has everything that was acknowledged when the scan
//!    started, and a checkpoint to load it from. It reports damage only after a fault.
//! 4. After a fault that can be noticed, no scan that counts and no new owner passes over it in silence. (What was
//!    lost at the very end, or replaced by an entry that chains, cannot be noticed.)

use std::fmt;

use crate::entry::{Id, Kind};
use crate::model::Model;
use crate::state::{Finding, Phase, Proc, Sent, State};

/// A property that a step breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An acknowledged entry is not on the chain.
    AckedOffChain,
    /// A broker believes to be owner but its Takeover is not on the chain.
    OwnerOffChain,
    /// Two brokers are owners by the same Takeover.
    TwoOwners,
    /// A scan that counts read entries that are not on the chain.
    ScanOffChain,
    /// A scan that counts misses an acknowledged entry.
    ScanMissesAcked,
    /// A scan that counts has no checkpoint to load its first entries from.
    ScanWithoutSnapshot,
    /// A scan that counts reports damage but there is none.
    FalseAlarm,
    /// A new owner lacks acknowledged entries although their loss was visible.
    OwnerMissesAcked,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Violation::AckedOffChain => "an acknowledged entry is not on the chain",
            Violation::OwnerOffChain => {
                "a broker believes to be the owner but its Takeover is not on the chain"
            }
            Violation::TwoOwners => "two brokers believe to be the owner of the same epoch",
            Violation::ScanOffChain => "a scan that counts read entries that are not on the chain",
            Violation::ScanMissesAcked => "a scan that counts misses an acknowledged entry",
            Violation::ScanWithoutSnapshot => "a scan that counts has no checkpoint to load from",
            Violation::FalseAlarm => "a scan that counts reports damage but there is none",
            Violation::OwnerMissesAcked => {
                "a new owner lacks acknowledged entries although their loss was visible"
            }
        })
    }
}

impl Model {
    /// Property 1, for an owner that acknowledges `id`.
    pub(crate) fn check_ack(&self, state: &State, id: Id) -> Option<Violation> {
        let wrong = state.faults == 0 && !self.arena.contains(state.tail, id);
        wrong.then_some(Violation::AckedOffChain)
    }

    /// Properties 2 and 4, for a broker that becomes the owner by its Takeover `proc.last`.
    pub(crate) fn check_owner(&self, state: &State, proc: &Proc) -> Option<Violation> {
        if state.has(proc.last, Sent::OWNED) {
            Some(Violation::TwoOwners)
        } else if state.faults == 0 && !self.arena.contains(state.tail, proc.last) {
            Some(Violation::OwnerOffChain)
        } else if state.faults > 0 && !self.sees(state, proc) {
            Some(Violation::OwnerMissesAcked)
        } else {
            None
        }
    }

    /// Properties 3 and 4, for a scan that counts.
    pub(crate) fn check_scan(&self, state: &State, proc: &Proc, finding: Finding) -> Option<Violation> {
        if finding != Finding::Tail {
            return (state.faults == 0).then_some(Violation::FalseAlarm);
        }
        if state.faults > 0 {
            let silent = !self.sees(state, proc) && self.fault_is_visible(state);
            return silent.then_some(Violation::ScanMissesAcked);
        }
        if !self.sees(state, proc) {
            Some(Violation::ScanMissesAcked)
        } else if !self.arena.contains(state.tail, proc.last) {
            Some(Violation::ScanOffChain)
        } else if !self.has_snapshot(proc) {
            Some(Violation::ScanWithoutSnapshot)
        } else {
            None
        }
    }

    /// What a scan that starts now has to see.
    pub(crate) fn required(&self, state: &State) -> u8 {
        if state.faults == 0 || self.fault_is_visible(state) { self.arena.slot(state.acked) } else { 0 }
    }

    /// Whether a broker's chain has what its scan had to see, or starts above it. (Every chain that does not start
    /// above slot 0 has it.)
    fn sees(&self, state: &State, proc: &Proc) -> bool {
        if proc.required == 0 || proc.required < self.arena.slot(proc.start) {
            return true;
        }
        let found = if proc.last.is_some() { self.arena.at_slot(proc.last, proc.required) } else { None };
        found.is_some_and(|id| self.arena.contains(state.tail, id))
    }

    /// Whether a scanned chain can be loaded: from the journal's beginning, or from a snapshot that covers
    /// everything below the chain's start.
    fn has_snapshot(&self, proc: &Proc) -> bool {
        let start = self.arena.slot(proc.start);
        let covers = |id: Id| match self.arena.get(id).kind {
            Kind::Checkpoint { snapshot_below } => snapshot_below >= start,
            _ => false,
        };
        start == 0 || self.arena.back_from(proc.last, start).any(covers)
    }

    /// Whether a scan from the head marker could notice the fault: what it meets first is damaged or does not
    /// chain, or is absent while an entry stands in its key-epoch beyond what one owner has in flight.
    fn fault_is_visible(&self, state: &State) -> bool {
        let intact = |id: &Id| state.has(*id, Sent::STORED) && !state.has(*id, Sent::DAMAGED);
        let chain = self.arena.back_from(state.tail, self.arena.slot(state.marker));
        let Some(first) = chain.filter(|id| !intact(id)).last() else { return false };
        if first == state.marker || state.has(first, Sent::DAMAGED) {
            return true;
        }
        let entry = self.arena.get(first);
        match self.stored_at(state, entry.key) {
            Some(other) => self.arena.get(other.id).prev != entry.prev,
            None => self.entries_beyond(state, entry.prev),
        }
    }

    /// Whether an entry stands in the key-epoch that follows `last`, farther from it than one owner's puts in
    /// flight reach.
    pub(crate) fn entries_beyond(&self, state: &State, last: Id) -> bool {
        let next = self.next_key(last);
        state.sent().iter().any(|sent| {
            let key = self.arena.get(sent.id).key;
            sent.has(Sent::STORED) && key.epoch == next.epoch && key.slot >= next.slot + self.bounds.in_flight
        })
    }

    /// The state that shows that the model is not idle: an entry of a later epoch is acknowledged after a trim to
    /// a slot below the checkpoint's, and a scan has counted and has that entry.
    pub(crate) fn is_witness(&self, state: &State) -> bool {
        let acked = self.arena.get(state.acked);
        let marker = self.arena.get(state.marker);
        let trimmed = state.deletes_below > 0 && !matches!(marker.kind, Kind::Checkpoint { .. });
        let saw = |proc: &Proc| proc.phase == Phase::Tail && self.arena.contains(proc.last, state.acked);
        acked.epoch > 1 && acked.kind == Kind::Normal && trimmed && state.procs.iter().any(saw)
    }
}
