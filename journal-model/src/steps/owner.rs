//! What an owner does: append, acknowledge, checkpoint, trim, and lose its state.

use crate::entry::{Entry, Id, Key, Kind};
use crate::model::{Action, Model, ProcId, Step};
use crate::rules::Rule;
use crate::state::{Phase, Proc, Sent, State};

/// Marks the bytes of a retry that differ from the first put's.
const RETRY: u8 = 0x80;

impl Model {
    pub(crate) fn owner_steps(&mut self, state: &State, at: ProcId, out: &mut Vec<Step>) {
        let proc = state.procs[at];
        let in_flight = self.arena.slot(proc.last) - self.arena.slot(proc.acked);
        if in_flight < self.bounds.in_flight {
            self.append_steps(state, at, out);
        }
        if !self.keeps(Rule::SameBytes) {
            self.retry_steps(state, at, out);
        }
        if !self.keeps(Rule::NeverSkip) {
            self.skip_step(state, at, out);
        }
        self.ack_steps(state, at, out);
        self.trim_steps(state, at, out);
        out.push(drop_step(state, at));
    }

    fn append_steps(&mut self, state: &State, at: ProcId, out: &mut Vec<Step>) {
        let proc = state.procs[at];
        let key = self.next_key(proc.last);
        if state.appends < self.bounds.appends {
            let mut next = *state;
            next.appends += 1;
            out.push(self.append(next, at, key, Kind::Normal));
        }
        if state.trims < self.bounds.trims {
            for snapshot_below in self.arena.slot(proc.start) + 1..=key.slot {
                let mut next = *state;
                next.trims += 1;
                out.push(self.append(next, at, key, Kind::Checkpoint { snapshot_below }));
            }
        }
    }

    fn append(&mut self, mut next: State, at: ProcId, key: Key, kind: Kind) -> Step {
        let proc = &mut next.procs[at];
        let epoch = self.arena.get(proc.last).epoch;
        let id = self.arena.intern(Entry { key, epoch, nonce: proc.nonce, kind, prev: proc.last });
        proc.last = id;
        next.send(id);
        Step { action: Action::Append(at, id), next, violation: None }
    }

    /// Without rule 1's identical bytes, any put in flight may be repeated once with other bytes.
    fn retry_steps(&mut self, state: &State, at: ProcId, out: &mut Vec<Step>) {
        let proc = state.procs[at];
        let unacked: Vec<Id> = self.unacked(&proc).collect();
        for id in unacked {
            let entry = *self.arena.get(id);
            let again = self.arena.intern(Entry { nonce: entry.nonce | RETRY, ..entry });
            let mut next = *state;
            next.send(again);
            if next != *state {
                out.push(Step { action: Action::Retry(at, again), next, violation: None });
            }
        }
    }

    /// Without rule 4's fence, an owner that finds its key occupied puts its entry at the next slot.
    fn skip_step(&mut self, state: &State, at: ProcId, out: &mut Vec<Step>) {
        let proc = state.procs[at];
        let entry = *self.arena.get(proc.last);
        let occupied = self.stored_at(state, entry.key).is_some_and(|sent| sent.id != proc.last);
        let waits = entry.prev == proc.acked && proc.last != proc.acked;
        if occupied && waits && state.appends < self.bounds.appends {
            let key = Key { slot: entry.key.slot + 1, ..entry.key };
            let id = self.arena.intern(Entry { key, ..entry });
            let mut next = *state;
            next.appends += 1;
            next.procs[at].last = id;
            next.send(id);
            out.push(Step { action: Action::Skip(at, id), next, violation: None });
        }
    }

    /// A put that succeeded may be noticed at any later time. So it is enough to notice in slot order, unless
    /// the order of acknowledgements is what is switched off.
    fn ack_steps(&self, state: &State, at: ProcId, out: &mut Vec<Step>) {
        let proc = state.procs[at];
        for id in self.unacked(&proc) {
            let in_order = self.arena.get(id).prev == proc.acked;
            let known = state.has(id, Sent::LANDED) || !self.keeps(Rule::ReadBack);
            if known && (in_order || !self.keeps(Rule::AckInOrder)) {
                let mut next = *state;
                next.procs[at].acked = id;
                self.note_acked(&mut next, id);
                let violation = self.check_ack(state, id);
                out.push(Step { action: Action::Ack(at, id), next, violation });
            }
        }
    }

    /// Rule 6: the marker follows the checkpoint, the deletes follow the marker.
    fn trim_steps(&self, state: &State, at: ProcId, out: &mut Vec<Step>) {
        let proc = state.procs[at];
        let mut push = |action, next| out.push(Step { action, next, violation: None });
        if proc.marker.is_some() {
            let slot = self.arena.slot(proc.marker);
            if self.arena.slot(state.marker) >= slot || !self.keeps(Rule::MarkerDurable) {
                let mut next = *state;
                next.procs[at].marker = Id::NONE;
                next.deletes_below = next.deletes_below.max(slot);
                push(Action::DeleteBelow(at, proc.marker), next);
            }
            return;
        }
        let durable = if self.keeps(Rule::CheckpointAcked) { proc.acked } else { proc.last };
        for checkpoint in self.arena.back_from(durable, self.arena.slot(proc.start)) {
            let Kind::Checkpoint { snapshot_below } = self.arena.get(checkpoint).kind else { continue };
            let Some(named) = self.arena.at_slot(checkpoint, snapshot_below) else { continue };
            if snapshot_below > state.deletes_below && snapshot_below > self.arena.slot(proc.start) {
                let mut next = *state;
                next.procs[at].marker = named;
                *next.flags(named) |= Sent::MARKER;
                push(Action::PutMarker(at, named), next);
            }
        }
    }

    /// An owner's entries that it has not acknowledged, the last first.
    fn unacked(&self, proc: &Proc) -> impl Iterator<Item = Id> {
        self.arena.back_from(proc.last, self.arena.slot(proc.acked) + 1)
    }

    /// The observer notes what clients were promised.
    pub(crate) fn note_acked(&self, state: &mut State, id: Id) {
        let higher = self.arena.slot(id) > self.arena.slot(state.acked);
        if higher && self.arena.contains(state.tail, id) {
            state.acked = id;
        }
    }
}

/// A broker crashes, or drops its state. What it has put stays on the way.
pub(crate) fn drop_step(state: &State, at: ProcId) -> Step {
    let mut next = *state;
    next.procs[at] = Proc { phase: Phase::Idle, held: state.procs[at].held, ..Proc::default() };
    Step { action: Action::Drop(at), next, violation: None }
}
