//! What a broker does that is not the owner: scan, put its Takeover, confirm it.
//!
//! A scan changes nothing, so giving one up is the same as not having started it; only what follows a Takeover
//! has a step for a crash.

use crate::entry::{Entry, Id, Key, Kind};
use crate::model::{Action, Model, ProcId, Step};
use crate::rules::Rule;
use crate::state::{Finding, Phase, Proc, Seen, Sent, State};
use crate::steps::owner::drop_step;

impl Model {
    pub(crate) fn candidate_steps(&mut self, state: &State, at: ProcId, out: &mut Vec<Step>) {
        let proc = state.procs[at];
        if proc.last.is_some() && self.may_put_takeover(proc.phase) && state.takeovers < self.bounds.takeovers
        {
            out.push(self.put_takeover(state, at));
        }
        match proc.phase {
            Phase::Idle => {
                let next = with(state, at, self.attempt(state, &proc));
                out.push(Step { action: Action::Start(at, state.marker), next, violation: None });
            }
            Phase::Reading => {
                out.push(self.read(state, at));
                (1..=usize::from(self.bounds.ahead))
                    .for_each(|far| out.extend(self.read_ahead(state, at, far)));
            }
            Phase::Again => out.push(self.read(state, at)),
            Phase::Beyond => out.push(self.look_beyond(state, at)),
            Phase::Recheck(finding) => out.push(self.recheck(state, at, finding)),
            Phase::Tail => out.extend(self.resume(state, at)),
            Phase::Candidate => {
                out.extend(self.in_place(state, at));
                out.push(drop_step(state, at));
            }
            Phase::Confirm => {
                out.push(self.confirm(state, at));
                out.push(drop_step(state, at));
            }
            Phase::Owner | Phase::Halted => unreachable!("these do not scan"),
        }
    }

    /// A scan that begins now, at the marker that counts now.
    fn attempt(&self, state: &State, proc: &Proc) -> Proc {
        let required = self.required(state);
        Proc { phase: Phase::Reading, start: state.marker, required, held: proc.held, ..Proc::default() }
    }

    /// The key that a scan reads next.
    fn expected(&self, proc: &Proc) -> Key {
        if proc.last == Id::NONE { self.arena.get(proc.start).key } else { self.next_key(proc.last) }
    }

    /// A scan reads the key `far` places beyond the expected one, as if no Takeover came before it.
    fn read_ahead(&self, state: &State, at: ProcId, far: usize) -> Option<Step> {
        let mut proc = state.procs[at];
        if proc.seen.0[far] != Seen::Unread {
            return None;
        }
        let Key { epoch, slot } = self.expected(&proc);
        let key = Key { epoch, slot: slot + far as u8 };
        let found = self.stored_at(state, key).map(|sent| Sent { flags: sent.flags & Sent::DAMAGED, ..sent });
        proc.seen.0[far] = Seen::Read(found);
        Some(Step { action: Action::ReadAhead(at, key, found), next: with(state, at, proc), violation: None })
    }

    fn read(&self, state: &State, at: ProcId) -> Step {
        let mut proc = state.procs[at];
        let first = proc.last == Id::NONE;
        let key = self.expected(&proc);
        let found = match proc.seen.0[0] {
            Seen::Read(found) => found,
            Seen::Unread if first => self.stored_at(state, key),
            Seen::Unread => self.read_after(state, proc.last),
        };
        let seen = std::mem::take(&mut proc.seen);
        let chains = |id: Id| {
            let hash_fits = if first { id == proc.start } else { self.arena.get(id).prev == proc.last };
            hash_fits || !self.keeps(Rule::Hash)
        };
        let stop = match found {
            Some(sent) if !sent.has(Sent::DAMAGED) && chains(sent.id) => {
                proc.last = sent.id;
                proc.phase = Phase::Reading;
                // After a Takeover other keys follow: what was read ahead is dropped.
                if self.next_key(sent.id).epoch == key.epoch {
                    proc.seen = seen.shifted();
                }
                None
            }
            None if !first && proc.phase == Phase::Again => Some(Finding::Loss),
            None if !first && self.keeps(Rule::LookBeyond) => {
                proc.phase = Phase::Beyond;
                None
            }
            None if !first => Some(Finding::Tail),
            // The chain begins with the marker's (slot, hash): its entry cannot be the end.
            _ => Some(Finding::Damage),
        };
        self.stop_at(state, at, proc, Action::Read(at, key, found), stop)
    }

    fn look_beyond(&self, state: &State, at: ProcId) -> Step {
        let mut proc = state.procs[at];
        let beyond = self.entries_beyond(state, proc.last);
        let stop = match (beyond, self.keeps(Rule::ReadAgain)) {
            (true, true) => {
                proc.phase = Phase::Again;
                None
            }
            (true, false) => Some(Finding::Loss),
            (false, _) => Some(Finding::Tail),
        };
        let action = Action::LookBeyond(at, self.next_key(proc.last), beyond);
        self.stop_at(state, at, proc, action, stop)
    }

    /// The step's end for a scan that goes on, or that stops with a finding.
    fn stop_at(&self, state: &State, at: ProcId, proc: Proc, action: Action, stop: Option<Finding>) -> Step {
        let Some(finding) = stop else {
            return Step { action, next: with(state, at, proc), violation: None };
        };
        let proc = Proc { phase: Phase::Recheck(finding), ..proc };
        Step { action, next: with(state, at, proc), violation: None }
    }

    /// Rule 7: what was found counts only if the chain contains the marker that counts now.
    fn recheck(&self, state: &State, at: ProcId, finding: Finding) -> Step {
        let proc = state.procs[at];
        let reads = self.keeps(Rule::MarkerAgain);
        if reads && !self.chain_contains(proc.start, proc.last, state.marker) {
            let next = with(state, at, self.attempt(state, &proc));
            let action = Action::Recheck(at, state.marker, finding, false);
            return Step { action, next, violation: None };
        }
        let taken = match finding {
            Finding::Damage if proc.last.is_some() && !self.keeps(Rule::DamageHalts) => Finding::Tail,
            other => other,
        };
        let action =
            if reads { Action::Recheck(at, state.marker, taken, true) } else { Action::Conclude(at, taken) };
        let violation = self.check_scan(state, &proc, taken);
        let phase = if taken == Finding::Tail { Phase::Tail } else { Phase::Halted };
        let next = with(state, at, Proc { phase, required: 0, ..proc });
        Step { action, next, violation }
    }

    /// Rule 8.
    fn may_put_takeover(&self, phase: Phase) -> bool {
        match phase {
            Phase::Tail => true,
            Phase::Reading | Phase::Beyond | Phase::Again | Phase::Recheck(_) => {
                !self.keeps(Rule::ScanCounts)
            }
            _ => false,
        }
    }

    fn put_takeover(&mut self, state: &State, at: ProcId) -> Step {
        let mut next = *state;
        next.takeovers += 1;
        let last = next.procs[at].last;
        let mut key = self.next_key(last);
        let mut epoch = self.arena.get(last).epoch;
        if self.keeps(Rule::EpochAbove) {
            epoch += 1;
        }
        if !self.keeps(Rule::OldOwnersKey) {
            key.epoch = epoch;
        }
        let nonce = if self.keeps(Rule::Nonce) { next.takeovers } else { 0 };
        let id = self.arena.intern(Entry { key, epoch, nonce, kind: Kind::Takeover, prev: last });
        let proc = &mut next.procs[at];
        *proc = Proc { phase: Phase::Candidate, last: id, nonce: state.takeovers + 1, ..*proc };
        next.send(id);
        Step { action: Action::PutTakeover(at, id), next, violation: None }
    }

    /// The candidate learns that its put succeeded, from the answer or by reading the key.
    fn in_place(&self, state: &State, at: ProcId) -> Option<Step> {
        let proc = state.procs[at];
        if !state.has(proc.last, Sent::LANDED) && self.keeps(Rule::ReadBack) {
            return None;
        }
        let action = Action::InPlace(at, proc.last);
        if self.keeps(Rule::ConfirmMarker) {
            let next = with(state, at, Proc { phase: Phase::Confirm, ..proc });
            return Some(Step { action, next, violation: None });
        }
        Some(self.become_owner(state, at, action))
    }

    /// Rule 9.
    fn confirm(&self, state: &State, at: ProcId) -> Step {
        let proc = state.procs[at];
        let owns = self.chain_contains(proc.start, proc.last, state.marker);
        let action = Action::Confirm(at, state.marker, owns);
        if owns { self.become_owner(state, at, action) } else { Step { action, ..drop_step(state, at) } }
    }

    /// A new owner vouches for the whole chain that it took over.
    fn become_owner(&self, state: &State, at: ProcId, action: Action) -> Step {
        let proc = state.procs[at];
        let violation = self.check_owner(state, &proc);
        let held = if self.keeps(Rule::NewTakeover) { Id::NONE } else { proc.last };
        let owner = Proc { phase: Phase::Owner, acked: proc.last, required: 0, held, ..proc };
        let mut next = with(state, at, owner);
        if !self.keeps(Rule::Nonce) {
            *next.flags(proc.last) |= Sent::OWNED;
        }
        self.note_acked(&mut next, proc.last);
        Step { action, next, violation }
    }

    /// Without rule 5's new Takeover, a broker that finds its own epoch last goes on in it.
    fn resume(&self, state: &State, at: ProcId) -> Option<Step> {
        let proc = state.procs[at];
        let resumes = !self.keeps(Rule::NewTakeover)
            && proc.held.is_some()
            && state.takeovers < self.bounds.takeovers
            && self.arena.get(proc.held).epoch == self.arena.get(proc.last).epoch
            && self.arena.contains(proc.last, proc.held);
        let nonce = state.takeovers + 1;
        resumes.then(|| {
            let owner = Proc { phase: Phase::Owner, acked: proc.last, nonce, ..proc };
            let mut next = with(state, at, owner);
            next.takeovers += 1;
            self.note_acked(&mut next, proc.last);
            Step { action: Action::Resume(at, proc.last), next, violation: None }
        })
    }
}

fn with(state: &State, at: ProcId, proc: Proc) -> State {
    let mut next = *state;
    next.procs[at] = proc;
    next
}
