//! JoinGroup: who may come in, and what it sets off.

use std::sync::Arc;

use super::{
    Coordinator,
    desk::Turn,
    event::{Join, Token},
    group::{Group, GroupState, Member},
    output::{Answer, Joined, JoinedMember},
    timers::Timer,
};
use crate::{GroupError, MemberId};

impl Coordinator {
    pub(crate) fn join(&mut self, token: Token, mut join: Join) {
        let sessions = self.desk.config.session_timeout_min_ms..=self.desk.config.session_timeout_max_ms;
        if join.group.is_empty() {
            return self.desk.refuse_join(token, GroupError::InvalidGroupId, &join.member);
        }
        if !sessions.contains(&join.session_timeout_ms) {
            return self.desk.refuse_join(token, GroupError::InvalidSessionTimeout, &join.member);
        }
        let mut named = std::collections::BTreeSet::<Arc<str>>::new();
        join.protocols.retain(|protocol| named.insert(Arc::clone(&protocol.name)));
        if join.member.is_empty() {
            self.groups.entry(join.group.clone()).or_default();
        }
        let id = join.group.clone();
        match self.turn_of(&id) {
            Err(error) => self.desk.refuse_join(token, error, &join.member),
            Ok(mut turn) => turn.join(token, join),
        }
        self.forget_if_new(&id);
    }
}

impl Group {
    /// Whether there is room for the one that joins (KIP-389). While members join, those that joined count: so the last
    /// to come are turned away, also when the limit was lowered.
    fn has_room(&self, member: &MemberId, members_max: usize) -> bool {
        let known = self.members.get(member);
        match self.state {
            GroupState::Empty => true,
            GroupState::PreparingRebalance => {
                known.is_some_and(|known| known.join.is_some()) || self.awaiting_join() < members_max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                known.is_some() || self.members.len() < members_max
            }
        }
    }

    /// The present generation as a member learns of it.
    pub(crate) fn joined(&self, member: &MemberId) -> Joined {
        let seen = |member: &Member| JoinedMember {
            id: member.id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(self.protocol.as_deref()),
        };
        let leads = self.is_leader(member);
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            member: member.clone(),
            skip_assignment: false,
            members: if leads { self.members.values().map(seen).collect() } else { Vec::new() },
        }
    }
}

impl Turn<'_> {
    fn join(&mut self, token: Token, join: Join) {
        let refuse = if !self.group.has_room(&join.member, self.desk.config.members_max) {
            self.remove(&join.member);
            GroupError::GroupMaxSizeReached
        } else if !self.group.supports(&join) {
            GroupError::InconsistentGroupProtocol
        } else if join.member.is_empty() {
            return self.join_new(token, &join);
        } else if self.group.pending_join.contains(&join.member) && join.instance.is_none() {
            return self.add(token, join.member.clone(), &join);
        } else if let Err(error) = self.group.check_member(&join.member, join.instance.as_ref()) {
            error
        } else {
            return self.rejoin(token, &join);
        };
        let named = if refuse == GroupError::GroupMaxSizeReached { "".into() } else { join.member };
        self.desk.refuse_join(token, refuse, &named);
    }

    /// One that has no member id yet.
    fn join_new(&mut self, token: Token, join: &Join) {
        let name = join.instance.as_ref().map_or(&*join.client_id, |instance| instance.as_str());
        let member = MemberId::from(format!("{name}-{}", join.suffix));
        let known = join.instance.as_ref().and_then(|instance| self.group.statics.get(instance).cloned());
        if let Some(before) = known {
            self.rename(token, &before, member, join);
        } else if join.instance.is_none() && join.needs_member_id {
            let session_ms = u64::try_from(join.session_timeout_ms).unwrap_or(0);
            self.desk.set_timer(Timer::Session(self.id.clone(), member.clone()), session_ms);
            self.desk.refuse_join(token, GroupError::MemberIdRequired, &member);
            self.group.pending_join.insert(member);
        } else {
            self.add(token, member, join);
        }
    }

    fn add(&mut self, token: Token, member: MemberId, join: &Join) {
        if self.group.is(GroupState::PreparingRebalance) && self.group.previous == GroupState::Empty {
            self.group.new_member_added = true;
        }
        if self.group.members.is_empty() {
            self.group.protocol_type = Some(Arc::clone(&join.protocol_type));
        }
        self.group.insert(Member::new(member.clone(), join));
        self.group.park_join(&member, token);
        // It can't heartbeat without its id; but if its client is gone for good, it must not stay.
        let timeout_ms = self.desk.config.new_member_join_timeout_ms;
        self.desk.set_timer(Timer::Session(self.id.clone(), member), timeout_ms);
        self.rebalance_or_complete();
    }

    /// A member joins again.
    fn rejoin(&mut self, token: Token, join: &Join) {
        let unchanged = self.group.members[&join.member].protocols == join.protocols;
        match self.group.state {
            // The leader may know of changes that its metadata does not show: new partitions, say.
            GroupState::Stable if !unchanged || self.group.is_leader(&join.member) => {}
            // It missed its answer, or only wants to know.
            GroupState::CompletingRebalance | GroupState::Stable if unchanged => {
                return self.desk.answer(token, Answer::Join(Ok(self.group.joined(&join.member))));
            }
            GroupState::Empty => unreachable!("an empty group has no members"),
            _ => {}
        }
        self.group.update(&join.member, join);
        if let Some(superseded) = self.group.park_join(&join.member, token) {
            self.desk.refuse_join(superseded, GroupError::RebalanceInProgress, &join.member);
        }
        self.rebalance_or_complete();
    }
}
