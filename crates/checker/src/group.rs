//! Judges one group: generations that are there, who owns what, and a register for each partition's committed offset.
//! The register is linearizable: a read gives a commit that may be the latest when it is answered. In a cooperative group
//! a member keeps what it owns while the group rebalances: what it brings into a generation is nobody else's in it.

use std::collections::{BTreeMap, VecDeque};

use crate::{Anomaly, Part};

/// Commits that were replaced, kept for reads that began before.
const REPLACED_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Group {
    name: String,
    /// The highest generation that a member was assigned in: durable.
    assigned: i32,
    /// The highest generation that a member joined since they were loaded last.
    joined: i32,
    /// Who owns what in the latest generations.
    owners: BTreeMap<(i32, Part), String>,
    /// What members brought with them into the latest generations, and keep until they know better.
    brought: BTreeMap<(i32, Part), String>,
    /// What was asked before so many events were recorded may have been asked of a coordinator that is gone.
    restarted: u64,
    pending: BTreeMap<u64, Pending>,
    registers: BTreeMap<Part, Register>,
    expiring: bool,
}

#[derive(Debug)]
struct Pending {
    part: Part,
    generation: Option<i32>,
    /// The highest generation that was there when it was sent.
    newest: i32,
}

/// Writes of one partition's offset.
#[derive(Debug, Default)]
struct Register {
    writes: VecDeque<Write>,
}

#[derive(Debug)]
struct Write {
    commit: u64,
    generation: Option<i32>,
    offset: Option<i64>,
    invoked: u64,
    answered: Option<u64>,
    /// When the broker that it was sent to ended, if no answer had come: it had its effect by then, or has none.
    cut_off: Option<u64>,
    /// The answer's event of a write that certainly came later.
    replaced: Option<u64>,
}

impl Group {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            assigned: -1,
            joined: -1,
            owners: BTreeMap::new(),
            brought: BTreeMap::new(),
            restarted: 0,
            pending: BTreeMap::new(),
            registers: BTreeMap::new(),
            expiring: false,
        }
    }

    /// A generation that was not durable may be gone. Requests that are under way may be answered by those that are there now.
    pub(crate) fn reloaded(&mut self, at: u64) {
        self.joined = self.assigned;
        self.restarted = at + 1;
        let durable = self.assigned;
        self.brought.retain(|(known, _), _| *known <= durable);
        self.pending.values_mut().for_each(|pending| pending.newest = pending.newest.min(durable));
    }

    /// So may a generation of a broker that ended; and requests ended with it.
    pub(crate) fn restarted(&mut self, at: u64) {
        self.reloaded(at);
        for write in self.registers.values_mut().flat_map(|register| &mut register.writes) {
            if write.answered.is_none() {
                write.cut_off.get_or_insert(at);
            }
        }
    }

    pub(crate) fn joined(
        &mut self,
        generation: i32,
        member: &str,
        begun: Option<u64>,
        owned: &[Part],
        found: &mut Vec<Anomaly>,
    ) {
        // An answer of the broker that was there before: its generation may be gone.
        if begun.is_some_and(|begun| begun < self.restarted) {
            return;
        }
        self.joined = self.joined.max(generation);
        for part in owned {
            let first = self.brought.entry((generation, *part)).or_insert_with(|| member.to_owned());
            let other = Some(&*first).filter(|first| *first != member);
            let other = other.or(self.owners.get(&(generation, *part)).filter(|owner| *owner != member));
            if let Some(other) = other.cloned() {
                found.push(self.not_revoked(generation, *part, member, &other));
            }
        }
    }

    fn not_revoked(&self, generation: i32, part: Part, owner: &str, other: &str) -> Anomaly {
        let group = self.name.clone();
        Anomaly::NotRevoked { group, generation, part, owner: owner.to_owned(), other: other.to_owned() }
    }

    pub(crate) fn assigned(
        &mut self,
        generation: i32,
        member: &str,
        parts: &[Part],
        found: &mut Vec<Anomaly>,
    ) {
        for part in parts {
            let owner = self.owners.entry((generation, *part)).or_insert_with(|| member.to_owned());
            if owner != member {
                found.push(Anomaly::TwoOwners {
                    group: self.name.clone(),
                    generation,
                    part: *part,
                    first: owner.clone(),
                    second: member.to_owned(),
                });
            }
            if let Some(owner) = self.brought.get(&(generation, *part)).filter(|owner| *owner != member) {
                found.push(self.not_revoked(generation, *part, owner, member));
            }
        }
        if generation > self.assigned {
            self.assigned = generation;
            self.joined = self.joined.max(generation);
            self.owners.retain(|(known, _), _| *known > generation - 8);
            self.brought.retain(|(known, _), _| *known > generation - 8);
        }
    }

    pub(crate) fn committing(
        &mut self,
        at: u64,
        commit: u64,
        generation: Option<i32>,
        part: Part,
        offset: Option<i64>,
    ) {
        let newest = self.assigned.max(self.joined);
        self.pending.insert(commit, Pending { part, generation, newest });
        let write =
            Write { commit, generation, offset, invoked: at, answered: None, cut_off: None, replaced: None };
        self.registers.entry(part).or_default().writes.push_back(write);
    }

    pub(crate) fn committed(&mut self, at: u64, commit: u64, found: &mut Vec<Anomaly>) {
        let Some(pending) = self.pending.remove(&commit) else { return };
        let stale = pending.generation.filter(|generation| *generation < pending.newest);
        if let Some(generation) = stale {
            let (group, newer) = (self.name.clone(), pending.newest);
            found.push(Anomaly::StaleCommit { group, generation, newer });
        }
        let register = self.registers.entry(pending.part).or_default();
        if let Some((generation, from, to)) = register.back(commit) {
            let (group, part) = (self.name.clone(), pending.part);
            found.push(Anomaly::CommitBack { group, part, generation, from, to });
        }
        register.written(at, commit);
    }

    pub(crate) fn refused(&mut self, commit: u64) {
        let Some(pending) = self.pending.remove(&commit) else { return };
        let register = self.registers.entry(pending.part).or_default();
        register.writes.retain(|write| write.commit != commit);
    }

    pub(crate) fn read(&mut self, part: Part, begun: u64, got: Option<i64>, found: &mut Vec<Anomaly>) {
        if self.expiring {
            return;
        }
        let possible = self.registers.entry(part).or_default().possible(begun);
        if !possible.contains(&got) {
            found.push(Anomaly::CommitLost { group: self.name.clone(), part, got, possible });
        }
    }

    pub(crate) fn expiring(&mut self) {
        self.expiring = true;
    }
}

impl Register {
    /// The offset of an earlier commit of the same generation that lies above this one's.
    fn back(&self, commit: u64) -> Option<(i32, i64, i64)> {
        let this = self.writes.iter().find(|write| write.commit == commit)?;
        let (generation, to) = (this.generation?, this.offset?);
        let earlier = self.writes.iter().filter(|write| {
            write.generation == Some(generation)
                && write.answered.is_some_and(|answered| answered < this.invoked)
        });
        let from = earlier.filter_map(|write| write.offset).max().filter(|from| *from > to)?;
        Some((generation, from, to))
    }

    fn written(&mut self, at: u64, commit: u64) {
        let Some(this) = self.writes.iter_mut().find(|write| write.commit == commit) else { return };
        this.answered = Some(at);
        let invoked = this.invoked;
        for write in &mut self.writes {
            // An answer may be heard of after the end of the broker that gave it.
            let over = write.cut_off.or(write.answered);
            if write.replaced.is_none() && over.is_some_and(|over| over < invoked) {
                write.replaced = Some(at);
            }
        }
        while self.writes.len() > REPLACED_MAX && self.writes[0].replaced.is_some() {
            self.writes.pop_front();
        }
    }

    /// What a read that began then may give now. A commit of a generation is not accepted after one of a later.
    fn possible(&self, begun: u64) -> Vec<Option<i64>> {
        let before = |write: &&Write| write.answered.is_some_and(|answered| answered < begun);
        let certain = self.writes.iter().any(|write| before(&write));
        let newest = self.writes.iter().filter(before).filter_map(|write| write.generation).max();
        let mut possible: Vec<_> = (!certain).then_some(None).into_iter().collect();
        let open = |write: &&Write| {
            write.replaced.is_none_or(|replaced| replaced >= begun)
                && (write.generation.is_none() || write.generation >= newest)
        };
        possible.extend(self.writes.iter().filter(open).map(|write| write.offset));
        possible
    }
}
