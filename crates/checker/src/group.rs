//! Judges one group: generations that are there, who owns what, and a register for each partition's committed offset.
//! The register is linearizable: a read gives a commit that may be the latest when it is answered.

use std::collections::{BTreeMap, VecDeque};

use crate::{Anomaly, Part};

/// Commits that were replaced, kept for reads that began before.
const REPLACED_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Group {
    name: String,
    /// The highest generation that a member was assigned in: durable.
    assigned: i32,
    /// The highest generation that a member joined since the last restart.
    joined: i32,
    /// Who owns what in the latest generations.
    owners: BTreeMap<(i32, Part), String>,
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
    offset: Option<i64>,
    invoked: u64,
    answered: Option<u64>,
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
            pending: BTreeMap::new(),
            registers: BTreeMap::new(),
            expiring: false,
        }
    }

    /// A generation that was not durable may be gone.
    pub(crate) fn restarted(&mut self) {
        self.joined = self.assigned;
    }

    pub(crate) fn joined(&mut self, generation: i32) {
        self.joined = self.joined.max(generation);
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
        }
        if generation > self.assigned {
            self.assigned = generation;
            self.joined = self.joined.max(generation);
            self.owners.retain(|(known, _), _| *known > generation - 8);
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
        let write = Write { commit, offset, invoked: at, answered: None, replaced: None };
        self.registers.entry(part).or_default().writes.push_back(write);
    }

    pub(crate) fn committed(&mut self, at: u64, commit: u64, found: &mut Vec<Anomaly>) {
        let Some(pending) = self.pending.remove(&commit) else { return };
        let stale = pending.generation.filter(|generation| *generation < pending.newest);
        if let Some(generation) = stale {
            let (group, newer) = (self.name.clone(), pending.newest);
            found.push(Anomaly::StaleCommit { group, generation, newer });
        }
        self.registers.entry(pending.part).or_default().written(at, commit);
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
    fn written(&mut self, at: u64, commit: u64) {
        let Some(this) = self.writes.iter_mut().find(|write| write.commit == commit) else { return };
        this.answered = Some(at);
        let invoked = this.invoked;
        for write in &mut self.writes {
            if write.replaced.is_none() && write.answered.is_some_and(|answered| answered < invoked) {
                write.replaced = Some(at);
            }
        }
        while self.writes.len() > REPLACED_MAX && self.writes[0].replaced.is_some() {
            self.writes.pop_front();
        }
    }

    /// What a read that began then may give now.
    fn possible(&self, begun: u64) -> Vec<Option<i64>> {
        let certain = self.writes.iter().any(|write| write.answered.is_some_and(|answered| answered < begun));
        let mut possible: Vec<_> = (!certain).then_some(None).into_iter().collect();
        let open = |write: &&Write| write.replaced.is_none_or(|replaced| replaced >= begun);
        possible.extend(self.writes.iter().filter(open).map(|write| write.offset));
        possible
    }
}
