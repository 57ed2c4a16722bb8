//! What the clients of one broker share: the topics as they should be, the checker, and how far the run is.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use klamm_checker::{Checker, Event, Part, jsonl};
use klamm_protocol::Uuid;

use crate::client::Lost;

/// Events that are told with a failure.
const RECENT: usize = 24;

/// Where a topic is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// The answer to its creation is not there yet.
    Creating,
    /// It was created, and nothing else was asked.
    Live,
    /// Its deletion was asked for.
    Deleting,
    /// Its deletion was acknowledged.
    Deleted,
}

/// One incarnation of a topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    /// Unknown when the answer to its creation was lost.
    pub(crate) id: Option<Uuid>,
    pub(crate) life: Life,
    pub(crate) parts: Vec<Part>,
    /// What it is created with.
    pub(crate) configs: Vec<(&'static str, String)>,
}

/// How far the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The producer is at work.
    Producing,
    /// All that was sent is acknowledged.
    Produced,
    /// The broker was restarted for the last time: everything is read.
    Reading,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) topics: Vec<Topic>,
    /// How many partitions the topics have that are not the producer's; None while nobody knows whether one is there.
    pub(crate) others: BTreeMap<String, Option<usize>>,
    /// Some topic was deleted, whoever did it. A producer that was there before may be forgotten in all that are made since
    /// (ADR 0010): the broker keeps one number for all names.
    pub(crate) deleted: bool,
    /// The consumer groups, which read the first topic.
    pub(crate) groups: BTreeSet<String>,
    pub(crate) checker: Checker,
    recent: VecDeque<Event>,
    /// Acknowledged operations: records, commits, changes of topics, joined generations.
    pub(crate) operations: u64,
    /// Records that were read.
    pub(crate) read: u64,
    /// What the producer got acknowledged: batches and chores.
    pub(crate) acked: u64,
    /// A client wants the broker to crash now, while this is under way.
    pub(crate) crash_wish: Option<&'static str>,
    commits: u64,
    pub(crate) phase: Phase,
    parts: u32,
}

/// The model, shared by the clients of one run.
pub(crate) type Shared = Rc<RefCell<Model>>;

impl Model {
    pub(crate) fn shared() -> Shared {
        let phase = Phase::Producing;
        Rc::new(RefCell::new(Self {
            topics: Vec::new(),
            others: BTreeMap::new(),
            deleted: false,
            groups: BTreeSet::new(),
            checker: Checker::default(),
            recent: VecDeque::new(),
            operations: 0,
            read: 0,
            acked: 0,
            crash_wish: None,
            commits: 0,
            phase,
            parts: 0,
        }))
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.checker.tell(&event);
        match &event {
            Event::SendOk { values, .. } => self.operations += u64::from(values.count),
            Event::CommitOk { .. }
            | Event::Assigned { .. }
            | Event::TrimOk { .. }
            | Event::ProducerId { .. } => {
                self.operations += 1;
            }
            Event::Poll(poll) => self.read += poll.records.len() as u64,
            _ => {}
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(event);
    }

    /// An answer that no correct broker gives.
    pub(crate) fn refuse(&mut self, what: String) {
        self.tell(Event::Refused { what });
    }

    /// A connection is of no use any more: the network's doing, but for an answer that is none.
    pub(crate) fn lost(&mut self, who: &str, lost: &Lost) {
        if let Lost::Answer(_) = lost {
            self.refuse(format!("{who}: {lost}"));
        }
    }

    /// The latest events, shortened.
    pub(crate) fn recent(&self) -> Vec<String> {
        let short = |event: &Event| jsonl::line(event).chars().take(200).collect();
        self.recent.iter().map(short).collect()
    }

    /// A number for a commit.
    pub(crate) fn next_commit(&mut self) -> u64 {
        self.commits += 1;
        self.commits
    }

    /// Adds a topic that is about to be created; gives its number.
    pub(crate) fn add_topic(
        &mut self,
        name: String,
        partitions: u32,
        configs: Vec<(&'static str, String)>,
    ) -> usize {
        let parts = self.new_parts(partitions);
        self.topics.push(Topic { name, id: None, life: Life::Creating, parts, configs });
        self.topics.len() - 1
    }

    /// Numbers for partitions.
    pub(crate) fn new_parts(&mut self, count: u32) -> Vec<Part> {
        self.parts += count;
        (self.parts - count..self.parts).map(Part).collect()
    }

    /// Adds a partition to a topic.
    pub(crate) fn add_part(&mut self, topic: usize) -> Part {
        let part = Part(self.parts);
        self.parts += 1;
        self.topics[topic].parts.push(part);
        part
    }

    /// A partition is there from now on.
    pub(crate) fn begin_part(&mut self, topic: usize, part: Part) {
        self.tell(Event::Plain { writer: plain(part) });
        if !self.topics[topic].configs.is_empty() {
            self.tell(Event::TrimInvoke { part, below: i64::MAX });
        }
    }

    /// The numbers of all live topics.
    pub(crate) fn live(&self) -> Vec<usize> {
        (0..self.topics.len()).filter(|topic| self.topics[*topic].life == Life::Live).collect()
    }

    /// A partition of a live topic by its number: topic, index.
    pub(crate) fn find(&self, part: Part) -> Option<(usize, i32)> {
        self.live().into_iter().find_map(|topic| {
            let at = self.topics[topic].parts.iter().position(|known| *known == part)?;
            Some((topic, at as i32))
        })
    }
}

/// The writer of a partition's idempotent producer.
pub(crate) fn idempotent(part: Part) -> u32 {
    part.0 * 2
}

/// The writer of a partition's plain producer.
pub(crate) fn plain(part: Part) -> u32 {
    part.0 * 2 + 1
}
