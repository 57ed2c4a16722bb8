//! The two phases of a rebalance: members join, then the leader assigns.

use super::{
    desk::{Pending, Turn},
    group::{GroupState, JoinTimer},
    output::{Answer, Synced},
    timers::Timer,
};
use crate::{GroupError, MemberId, Request};

impl Turn<'_> {
    /// Something changed: begin a rebalance, or, if one is under way, see whether all have joined.
    pub(crate) fn rebalance_or_complete(&mut self) {
        match self.group.state {
            GroupState::PreparingRebalance => self.maybe_complete_join(),
            _ => self.prepare_rebalance(),
        }
    }

    /// Ends the joining if nobody is missing. The first rebalance of an empty group waits for its delay (KIP-134).
    pub(crate) fn maybe_complete_join(&mut self) {
        let preparing = self.group.is(GroupState::PreparingRebalance);
        if preparing && self.group.previous != GroupState::Empty && self.group.all_joined() {
            self.complete_join();
        }
    }

    /// Members shall join.
    pub(crate) fn prepare_rebalance(&mut self) {
        if self.group.is(GroupState::CompletingRebalance) {
            self.drop_assignments(GroupError::RebalanceInProgress);
        }
        self.group.pending_sync.clear();
        self.group.assigning = None;
        self.desk.timers.cancel(&Timer::Sync(self.id.clone()));
        let initial = self.group.is(GroupState::Empty);
        self.group.turn_to(GroupState::PreparingRebalance);
        if initial {
            let delay_ms = self.desk.config.initial_rebalance_delay_ms;
            let left_ms = self.group.rebalance_timeout_ms().saturating_sub(delay_ms);
            self.group.new_member_added = false;
            self.wait_for_joins(JoinTimer::Initial { delay_ms, left_ms }, delay_ms);
        } else if self.group.all_joined() {
            self.complete_join();
        } else {
            self.wait_for_joins(JoinTimer::Rebalance, self.group.rebalance_timeout_ms());
        }
    }

    fn wait_for_joins(&mut self, meaning: JoinTimer, in_ms: u64) {
        self.group.join_timer = meaning;
        self.desk.set_timer(Timer::Join(self.id.clone()), in_ms);
    }

    /// The members had their time to join.
    pub(crate) fn join_due(&mut self) {
        match self.group.join_timer {
            // More came meanwhile: wait on, but no longer than they would.
            JoinTimer::Initial { delay_ms, left_ms } if self.group.new_member_added && left_ms > 0 => {
                self.group.new_member_added = false;
                let next_ms = self.desk.config.initial_rebalance_delay_ms.min(left_ms);
                let left_ms = left_ms.saturating_sub(delay_ms);
                self.wait_for_joins(JoinTimer::Initial { delay_ms: next_ms, left_ms }, next_ms);
            }
            _ => self.complete_join(),
        }
    }

    /// Ends the joining: dynamic members that did not join are out, the others are the next generation.
    pub(crate) fn complete_join(&mut self) {
        assert!(self.group.is(GroupState::PreparingRebalance), "joining ends once");
        self.desk.timers.cancel(&Timer::Join(self.id.clone()));
        let missing = self.group.members.values().filter(|m| m.join.is_none() && m.instance.is_none());
        let missing: Vec<MemberId> = missing.map(|member| member.id.clone()).collect();
        missing.iter().for_each(|member| self.remove(member));
        if !self.group.elect_leader() && !self.group.members.is_empty() {
            // Only static members are left, and none came: wait until one does, or their sessions end.
            return self.wait_for_joins(JoinTimer::Rebalance, self.group.rebalance_timeout_ms());
        }
        self.group.next_generation();
        if self.group.is(GroupState::Empty) {
            let generation = self.group.record(|member| member.assignment.clone());
            self.write(Request::Complete { group: self.id.clone(), generation }, Pending::Nothing);
            return;
        }
        let members: Vec<MemberId> = self.group.members.keys().cloned().collect();
        for member in members {
            if let Some(token) = self.group.take_join(&member) {
                self.desk.answer(token, Answer::Join(Ok(self.group.joined(&member))));
            }
            self.group.members.get_mut(&member).expect("listed").is_new = false;
            self.expect_heartbeat(&member);
            self.group.pending_sync.insert(member);
        }
        let timeout_ms = self.group.rebalance_timeout_ms();
        self.desk.set_timer(Timer::Sync(self.id.clone()), timeout_ms);
    }

    /// Members that got their generation never asked for their assignment: they are out.
    pub(crate) fn sync_due(&mut self) {
        let synced = matches!(self.group.state, GroupState::CompletingRebalance | GroupState::Stable);
        let silent = std::mem::take(&mut self.group.pending_sync);
        if !synced || silent.is_empty() {
            return;
        }
        silent.iter().for_each(|member| self.remove(member));
        self.prepare_rebalance();
    }

    /// The generation gets no assignments.
    pub(crate) fn drop_assignments(&mut self, error: GroupError) {
        self.group.members.values_mut().for_each(|member| member.assignment = bytes::Bytes::new());
        self.answer_syncs(Err(error));
    }

    /// Answers all who wait for their assignment; their sessions begin anew.
    pub(crate) fn answer_syncs(&mut self, result: Result<(), GroupError>) {
        let members: Vec<MemberId> = self.group.members.keys().cloned().collect();
        for id in members {
            let member = self.group.members.get_mut(&id).expect("listed");
            let Some(token) = member.sync.take() else { continue };
            let answer = result.map(|()| self.group.synced(&id));
            self.desk.answer(token, Answer::Sync(answer));
            self.expect_heartbeat(&id);
        }
    }
}

impl super::group::Group {
    /// A member's assignment.
    pub(crate) fn synced(&self, member: &MemberId) -> Synced {
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self.members[member].assignment.clone(),
        }
    }
}
