//! Deadlines on the monotonic clock. Invariant: a timer is set at most once; setting it again moves it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{GroupId, MemberId};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A member was silent, or never came back with the id that it was given.
    Session(GroupId, MemberId),
    /// Members had time to join.
    Join(GroupId),
    /// Members had time to sync.
    Sync(GroupId),
    /// Offsets are to be looked at.
    Expire,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(u64, Timer)>,
    at: BTreeMap<Timer, u64>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at_ms: u64) {
        if let Some(before) = self.at.insert(timer.clone(), at_ms) {
            self.due.remove(&(before, timer.clone()));
        }
        self.due.insert((at_ms, timer));
    }

    pub(crate) fn cancel(&mut self, timer: &Timer) {
        if let Some(at_ms) = self.at.remove(timer) {
            self.due.remove(&(at_ms, timer.clone()));
        }
    }

    /// Takes the oldest timer that is due.
    pub(crate) fn pop(&mut self, now_ms: u64) -> Option<Timer> {
        if self.next()? > now_ms {
            return None;
        }
        let (_, timer) = self.due.pop_first()?;
        self.at.remove(&timer);
        Some(timer)
    }

    pub(crate) fn next(&self) -> Option<u64> {
        self.due.first().map(|(at_ms, _)| *at_ms)
    }
}
