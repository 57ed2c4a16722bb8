//! The coordinator: the soft state of a shard's owner, a pure engine. An event comes in, outputs come out; time is an
//! argument. Its rules are those of Kafka's classic group coordinator (KIP-134, 211, 345, 389, 394, 496, 559, 814).
//!
//! A request whose client gave up and asked again is superseded: the older one is answered REBALANCE_IN_PROGRESS.

mod config;
mod describe;
mod desk;
mod event;
mod group;
mod join;
mod liveness;
mod offsets;
mod output;
mod rebalance;
mod statics;
mod subscription;
mod sync;
mod timers;
mod voting;
mod written;

use std::collections::BTreeMap;

use klamm_model::Epoch;

use crate::{GroupError, GroupId, Groups, MemberId};
use desk::{Desk, Turn};
use group::Group;
use timers::Timer;

pub use config::GroupConfig;
pub use describe::{Described, DescribedMember, GroupType, Listed};
pub use event::{
    Commit, DeleteOffsets, Event, Heartbeat, Join, Leave, Leaving, Protocol, Sync, Ticket, Token,
};
pub use group::GroupState;
pub use output::{Answer, JoinRefused, Joined, JoinedMember, Left, Output, Synced};

/// The coordinator of a shard's groups, in one epoch.
#[derive(Debug)]
pub struct Coordinator {
    groups: BTreeMap<GroupId, Group>,
    desk: Desk,
    /// Where looking for offsets to expire goes on; None between the rounds.
    expiring: Option<GroupId>,
}

impl Coordinator {
    /// The coordinator of an epoch, from the groups as of the epoch's beginning. Members get new session timers.
    pub fn load(epoch: Epoch, config: GroupConfig, groups: &Groups, now_ms: u64) -> (Self, Vec<Output>) {
        let soft = groups.iter().map(|(id, group)| (id.clone(), Group::of(group))).collect();
        let mut coordinator = Self { groups: soft, desk: Desk::new(epoch, config, now_ms), expiring: None };
        let Self { groups, desk, .. } = &mut coordinator;
        for (id, group) in groups {
            let mut turn = Turn { id, group, desk };
            let members: Vec<MemberId> = turn.group.members.keys().cloned().collect();
            members.iter().for_each(|member| turn.expect_heartbeat(member));
            if members.len() > turn.desk.config.members_max {
                turn.prepare_rebalance(); // some must go; give all the chance to commit first
            }
        }
        coordinator.schedule_expiry();
        let outputs = coordinator.desk.take();
        (coordinator, outputs)
    }

    /// Takes an event in; `now_ms` is monotonic.
    pub fn step(&mut self, event: Event, now_ms: u64) -> Vec<Output> {
        self.desk.now_ms = self.desk.now_ms.max(now_ms);
        match event {
            Event::Join(token, join) => self.join(token, join),
            Event::Sync(token, sync) => match self.turn_of(&sync.group) {
                Err(error) => self.desk.answer(token, Answer::Sync(Err(error))),
                Ok(mut turn) => turn.sync(token, sync),
            },
            Event::Heartbeat(token, heartbeat) => {
                let result = self.turn_of(&heartbeat.group).and_then(|mut turn| turn.heartbeat(&heartbeat));
                self.desk.answer(token, Answer::Heartbeat(result));
            }
            Event::Leave(token, leave) => {
                let result = match self.turn_of(&leave.group) {
                    Ok(mut turn) => Ok(turn.leave(&leave.members)),
                    // Each that leaves is answered, not the request.
                    Err(GroupError::UnknownMemberId) => {
                        Ok(vec![Err(GroupError::UnknownMemberId); leave.members.len()])
                    }
                    Err(error) => Err(error),
                };
                self.desk.answer(token, Answer::Leave(result));
            }
            Event::Commit(token, commit) => self.commit(token, commit),
            Event::DeleteOffsets(token, delete) => self.delete_offsets(token, delete),
            Event::DeleteGroup(token, group) => self.delete_group(token, group),
            Event::Written(ticket, reply) => self.written(ticket, reply),
            Event::Tick => self.tick(),
        }
        self.desk.take()
    }

    /// When [`Event::Tick`] is due next, on the clock of [`Coordinator::step`].
    pub fn deadline_ms(&self) -> Option<u64> {
        self.desk.timers.next()
    }

    /// The epoch is over: answers all who wait.
    pub fn unload(mut self) -> Vec<Output> {
        let Self { groups, desk, .. } = &mut self;
        for (id, group) in groups {
            let members: Vec<MemberId> = group.members.keys().cloned().collect();
            let mut turn = Turn { id, group, desk };
            members.iter().for_each(|member| turn.release(member, GroupError::NotCoordinator));
        }
        self.desk.abandon_writes();
        self.desk.take()
    }

    /// A group's turn; the errors are those of a member's request.
    fn turn_of(&mut self, id: &GroupId) -> Result<Turn<'_>, GroupError> {
        if id.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let (id, group) = match self.groups.range_mut::<GroupId, _>(id..=id).next() {
            Some(known) => known,
            None => return Err(GroupError::UnknownMemberId),
        };
        Ok(Turn { id, group, desk: &mut self.desk })
    }

    fn tick(&mut self) {
        while let Some(timer) = self.desk.timers.pop(self.desk.now_ms) {
            match &timer {
                Timer::Session(group, member) => {
                    if let Ok(mut turn) = self.turn_of(group) {
                        turn.session_ended(member);
                    }
                    self.forget_if_new(group);
                }
                Timer::Join(group) => {
                    if let Ok(mut turn) = self.turn_of(group) {
                        turn.join_due();
                    }
                }
                Timer::Sync(group) => {
                    if let Ok(mut turn) = self.turn_of(group) {
                        turn.sync_due();
                    }
                }
                Timer::Expire => {
                    self.schedule_expiry();
                    if self.expiring.is_none() {
                        self.expire_from(None);
                    }
                }
            }
        }
    }

    fn schedule_expiry(&mut self) {
        let every_ms = self.desk.config.offsets_check_ms;
        self.desk.set_timer(Timer::Expire, every_ms);
    }

    /// Forgets a group that nobody is in and of which nothing was ever written.
    fn forget_if_new(&mut self, id: &GroupId) {
        let new = |group: &Group| group.is_deserted() && !group.was_written;
        if self.groups.get(id).is_some_and(new) {
            self.groups.remove(id);
        }
    }

    /// Panics if an invariant does not hold.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        self.groups.values().for_each(Group::check);
    }

    /// A group's state, generation and leader.
    #[cfg(test)]
    pub(crate) fn look(&self, group: &str) -> Option<(GroupState, i32, Option<MemberId>)> {
        let group = self.groups.get(group)?;
        Some((group.state, group.generation, group.leader.clone()))
    }
}
