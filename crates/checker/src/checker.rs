//! Hands each event to the partition or group that it is about.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Anomaly, Event, Part, group::Group, partition::Partition};

/// Judges a history while it is lived. Memory: about 16 bytes a record.
#[derive(Debug, Default)]
pub struct Checker {
    events: u64,
    partitions: BTreeMap<Part, Partition>,
    plain: BTreeSet<u32>,
    groups: BTreeMap<String, Group>,
    /// The group of each commit without an answer.
    commits: BTreeMap<u64, String>,
    producer_ids: BTreeSet<i64>,
    found: Vec<Anomaly>,
}

/// The anomalies of a whole history.
pub fn check<'a>(history: impl IntoIterator<Item = &'a Event>) -> Vec<Anomaly> {
    let mut checker = Checker::default();
    history.into_iter().for_each(|event| checker.tell(event));
    checker.finish()
}

fn partition(all: &mut BTreeMap<Part, Partition>, of: Part) -> &mut Partition {
    all.entry(of).or_insert_with(|| Partition::new(of))
}

fn named<'a>(all: &'a mut BTreeMap<String, Group>, name: &str) -> &'a mut Group {
    all.entry(name.to_owned()).or_insert_with(|| Group::new(name.to_owned()))
}

impl Checker {
    /// How many events it was told: what a request that is sent now has as `begun`.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What was found so far.
    pub fn found(&self) -> &[Anomaly] {
        &self.found
    }

    /// The next event.
    pub fn tell(&mut self, event: &Event) {
        let at = self.events;
        self.events += 1;
        let found = &mut self.found;
        let parts = &mut self.partitions;
        match event {
            Event::Plain { writer } => {
                self.plain.insert(*writer);
            }
            Event::SendInvoke(values) => {
                partition(parts, values.part).sent(at, values, self.plain.contains(&values.writer))
            }
            Event::SendOk { values, offset } => {
                partition(parts, values.part).acked(at, values, *offset, found)
            }
            Event::SendFail(values) => partition(parts, values.part).refused(values),
            Event::SendInfo(_) => {}
            Event::Poll(poll) => partition(parts, poll.part).polled(at, poll, found),
            Event::Seek { consumer, part: of } => partition(parts, *of).seek(*consumer),
            Event::TrimInvoke { part: of, below } => partition(parts, *of).may_trim(*below),
            Event::TrimOk { part: of, log_start } => partition(parts, *of).trimmed(at, *log_start, found),
            Event::Ephemeral { part: of } => partition(parts, *of).ephemeral(),
            Event::DeleteInvoke { part: of } => partition(parts, *of).deleting(),
            Event::ProducerId { id } => {
                if !self.producer_ids.insert(*id) {
                    found.push(Anomaly::ProducerIdReused(*id));
                }
            }
            Event::Restart { .. } => {
                self.groups.values_mut().for_each(|group| group.restarted(at));
                parts.values_mut().for_each(|partition| partition.restarted(at));
            }
            Event::Reloaded { .. } => self.groups.values_mut().for_each(|group| group.reloaded(at)),
            Event::Refused { what } => found.push(Anomaly::Refused(what.clone())),
            _ => self.grouped(at, event),
        }
    }

    fn grouped(&mut self, at: u64, event: &Event) {
        let found = &mut self.found;
        let groups = &mut self.groups;
        match event {
            Event::Joined { group, generation, member, begun, owned } => {
                named(groups, group).joined(*generation, member, *begun, owned, found);
            }
            Event::Assigned { group, generation, member, parts } => {
                named(groups, group).assigned(*generation, member, parts, found);
            }
            Event::CommitInvoke { commit, group, generation, part, offset } => {
                self.commits.insert(*commit, group.clone());
                named(groups, group).committing(at, *commit, *generation, *part, *offset);
            }
            Event::CommitOk { commit } => {
                if let Some(group) = self.commits.remove(commit) {
                    named(groups, &group).committed(at, *commit, found);
                }
            }
            Event::CommitFail { commit } => {
                if let Some(group) = self.commits.remove(commit) {
                    named(groups, &group).refused(*commit);
                }
            }
            Event::CommitInfo { commit } => {
                self.commits.remove(commit);
            }
            Event::Committed { group, part, begun, offset } => {
                named(groups, group).read(*part, *begun, *offset, found);
            }
            Event::Expiring { group } => named(groups, group).expiring(),
            _ => {}
        }
    }

    /// All that was found, once nothing more comes.
    pub fn finish(mut self) -> Vec<Anomaly> {
        for partition in self.partitions.into_values() {
            partition.finish(&mut self.found);
        }
        self.found
    }
}
