//! Puts a run into words, one line for each step.

use std::collections::HashMap;

use crate::entry::{Id, Kind};
use crate::model::{Action, Model, ProcId};
use crate::state::{Finding, Sent};

/// The lines of a run. Brokers are called A, B and C; A owns epoch 1 at the start.
pub fn lines(model: &Model, actions: &[Action]) -> Vec<String> {
    let mut words = Words { model, writers: HashMap::from([(Id::GENESIS, 0)]) };
    actions.iter().map(|action| words.line(*action)).collect()
}

struct Words<'a> {
    model: &'a Model,
    /// Who put an entry first.
    writers: HashMap<Id, ProcId>,
}

impl Words<'_> {
    fn line(&mut self, action: Action) -> String {
        if let Action::Append(at, id)
        | Action::Retry(at, id)
        | Action::Skip(at, id)
        | Action::PutTakeover(at, id) = action
        {
            self.writers.entry(id).or_insert(at);
        }
        match action {
            Action::Land(id) => format!("{} lands at {}", self.put(id), self.key(id)),
            Action::LandMarker(id) => format!("the head marker of slot {} is durable", self.slot(id)),
            Action::Delete(id) => format!("the key {} is deleted ({})", self.key(id), self.put(id)),
            Action::Lose(id) => format!("the carrier loses {} at {}", self.put(id), self.key(id)),
            Action::Damage(id) => format!("the carrier damages {} at {}", self.put(id), self.key(id)),
            Action::Append(at, id) => format!("{} puts {} at {}", name(at), self.what(id), self.key(id)),
            Action::Retry(at, id) => format!("{} puts other bytes at {}", name(at), self.key(id)),
            Action::Skip(at, id) => {
                format!("{} finds its key occupied and puts its entry at {} instead", name(at), self.key(id))
            }
            Action::Ack(at, id) => format!("{} acknowledges slot {}", name(at), self.slot(id)),
            Action::PutMarker(at, id) => {
                format!("{} puts the head marker of slot {}", name(at), self.slot(id))
            }
            Action::DeleteBelow(at, id) => {
                format!("{} sends deletes for the keys below slot {}", name(at), self.slot(id))
            }
            Action::Drop(at) => format!("{} drops its state", name(at)),
            Action::Start(at, id) => {
                format!("{} scans from the head marker of slot {}", name(at), self.slot(id))
            }
            Action::Read(at, key, None) => format!("{} reads {key}: absent", name(at)),
            Action::Read(at, key, Some(sent)) if sent.has(Sent::DAMAGED) => {
                format!("{} reads {key}: damaged bytes", name(at))
            }
            Action::Read(at, key, Some(sent)) => format!("{} reads {key}: {}", name(at), self.put(sent.id)),
            Action::ReadAhead(at, key, None) => format!("{} reads {key} ahead: absent", name(at)),
            Action::ReadAhead(at, key, Some(sent)) => {
                format!("{} reads {key} ahead: {}", name(at), self.put(sent.id))
            }
            Action::LookBeyond(at, key, beyond) => {
                let found = if beyond { "an entry that is well" } else { "nothing well" };
                format!("{} looks past {key}: {found} beyond it", name(at))
            }
            Action::Conclude(at, finding) => {
                format!("{} believes that there is {}", name(at), found(finding))
            }
            Action::Recheck(at, id, finding, true) => {
                format!(
                    "{} reads the marker again: slot {}; {} counts",
                    name(at),
                    self.slot(id),
                    found(finding)
                )
            }
            Action::Recheck(at, id, _, false) => {
                format!("{} reads the marker again: slot {}; it starts again", name(at), self.slot(id))
            }
            Action::PutTakeover(at, id) => format!("{} puts {} at {}", name(at), self.what(id), self.key(id)),
            Action::InPlace(at, id) => {
                format!("{} learns that its Takeover is at {}", name(at), self.key(id))
            }
            Action::Confirm(at, id, true) => {
                format!("{} reads the marker once more: slot {}; it is the owner", name(at), self.slot(id))
            }
            Action::Confirm(at, id, false) => {
                format!("{} reads the marker once more: slot {}; it drops its state", name(at), self.slot(id))
            }
            Action::Resume(at, id) => format!("{} resumes its epoch after slot {}", name(at), self.slot(id)),
        }
    }

    fn slot(&self, id: Id) -> u8 {
        self.model.arena.slot(id)
    }

    fn key(&self, id: Id) -> String {
        self.model.arena.get(id).key.to_string()
    }

    /// The entry without its writer.
    fn what(&self, id: Id) -> String {
        let entry = self.model.arena.get(id);
        match entry.kind {
            Kind::Takeover => format!("the Takeover to epoch {}", entry.epoch),
            Kind::Normal => "an entry".to_string(),
            Kind::Checkpoint { snapshot_below } => format!("a checkpoint (snapshot below {snapshot_below})"),
        }
    }

    /// The entry as its writer's.
    fn put(&self, id: Id) -> String {
        let entry = self.model.arena.get(id);
        let writer = self.writers.get(&id).map_or('?', |at| name(*at));
        match entry.kind {
            Kind::Takeover => format!("{writer}'s Takeover to epoch {}", entry.epoch),
            Kind::Normal => format!("{writer}'s entry"),
            Kind::Checkpoint { .. } => format!("{writer}'s checkpoint"),
        }
    }
}

fn name(at: ProcId) -> char {
    ['A', 'B', 'C'][at]
}

fn found(finding: Finding) -> &'static str {
    match finding {
        Finding::Tail => "the end of the journal",
        Finding::Damage => "damage",
        Finding::Loss => "a loss",
    }
}
