//! What the carrier does: puts, markers and deletes take effect at any time, any number of times; faults.

use crate::entry::{Id, Kind};
use crate::model::{Action, Model, Step};
use crate::rules::Rule;
use crate::state::{Sent, State};

impl Model {
    pub(crate) fn carrier_steps(&self, state: &State, out: &mut Vec<Step>) {
        let mut push = |action, next| out.push(Step { action, next, violation: None });
        for sent in state.sent() {
            if let Some(next) = self.land(state, *sent) {
                push(Action::Land(sent.id), next);
            }
            if sent.has(Sent::MARKER)
                && let Some(next) = self.land_marker(state, sent.id)
            {
                push(Action::LandMarker(sent.id), next);
            }
            if sent.has(Sent::STORED) && self.may_delete(state, sent.id) {
                let mut next = *state;
                *next.flags(sent.id) &= !(Sent::STORED | Sent::DAMAGED);
                push(Action::Delete(sent.id), next);
            }
            if self.may_fail(state, *sent) {
                let mut lost = *state;
                lost.faults += 1;
                // A scan that is under way may have passed the place already: nothing is asked of it.
                lost.procs.iter_mut().for_each(|proc| proc.required = 0);
                let mut damaged = lost;
                *lost.flags(sent.id) &= !Sent::STORED;
                push(Action::Lose(sent.id), lost);
                *damaged.flags(sent.id) |= Sent::DAMAGED;
                push(Action::Damage(sent.id), damaged);
            }
        }
    }

    fn land(&self, state: &State, sent: Sent) -> Option<State> {
        if sent.has(Sent::STORED) {
            return None;
        }
        let mut next = *state;
        if let Some(other) = self.stored_at(state, self.arena.get(sent.id).key) {
            if self.keeps(Rule::PutIfAbsent) {
                return None;
            }
            *next.flags(other.id) &= !(Sent::STORED | Sent::DAMAGED);
        }
        *next.flags(sent.id) |= Sent::STORED | Sent::LANDED;
        self.follow(&mut next);
        Some(next)
    }

    /// Markers have keys of their own, so an older one that lands changes nothing where the highest counts.
    fn land_marker(&self, state: &State, id: Id) -> Option<State> {
        let counts = if self.keeps(Rule::HighestMarker) {
            self.arena.slot(id) > self.arena.slot(state.marker)
        } else {
            id != state.marker
        };
        counts.then(|| {
            let mut next = *state;
            next.marker = id;
            next
        })
    }

    /// Deletes on the way take what they find at their keys. Leftovers of fenced owners may go once an
    /// acknowledged checkpoint is above them.
    fn may_delete(&self, state: &State, id: Id) -> bool {
        let entry = self.arena.get(id);
        let on_chain = self.arena.contains(state.tail, id);
        let stays = entry.kind == Kind::Takeover && on_chain && self.keeps(Rule::TakeoversStay);
        let trimmed = entry.key.slot < state.deletes_below && !stays;
        let leftover = || state.faults == 0 && !on_chain && entry.key.slot < self.checkpoint_slot(state);
        trimmed || leftover()
    }

    /// The slot of the last acknowledged checkpoint, 0 before the first.
    fn checkpoint_slot(&self, state: &State) -> u8 {
        let is_checkpoint = |id: &Id| matches!(self.arena.get(*id).kind, Kind::Checkpoint { .. });
        self.arena.back_from(state.acked, 0).find(is_checkpoint).map_or(0, |id| self.arena.slot(id))
    }

    /// Faults meet acknowledged entries that the journal still needs.
    fn may_fail(&self, state: &State, sent: Sent) -> bool {
        state.faults < self.bounds.faults
            && sent.has(Sent::STORED)
            && !sent.has(Sent::DAMAGED)
            && self.arena.slot(sent.id) >= self.arena.slot(state.marker)
            && self.arena.contains(state.acked, sent.id)
    }
}
