//! What producer and reader share: the topics as they should be, the history, and how far the run is.

use std::{cell::RefCell, rc::Rc};

use klamm_protocol::Uuid;

use crate::history::{Event, History, Part};

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
    pub(crate) history: History,
    pub(crate) phase: Phase,
    parts: u32,
}

/// The model, shared by the clients of one run.
pub(crate) type Shared = Rc<RefCell<Model>>;

impl Model {
    pub(crate) fn shared() -> Shared {
        let phase = Phase::Producing;
        Rc::new(RefCell::new(Self { topics: Vec::new(), history: History::default(), phase, parts: 0 }))
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.history.0.push(event);
    }

    /// Adds a topic that is about to be created; gives its number.
    pub(crate) fn add_topic(&mut self, name: String, partitions: u32) -> usize {
        let parts = (self.parts..self.parts + partitions).map(Part).collect();
        self.parts += partitions;
        self.topics.push(Topic { name, id: None, life: Life::Creating, parts });
        self.topics.len() - 1
    }

    /// The numbers of all live topics.
    pub(crate) fn live(&self) -> Vec<usize> {
        (0..self.topics.len()).filter(|topic| self.topics[*topic].life == Life::Live).collect()
    }
}
