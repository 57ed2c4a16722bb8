//! What members decide together: the leader, the protocol, the topics; and what is recorded of a generation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    event::{Join, Protocol},
    group::{CONSUMER, Group, GroupState, Member},
    subscription,
};
use crate::{Generation, GenerationMember, MemberId};

impl Group {
    pub(super) fn eldest(&self, who: impl Fn(&Member) -> bool) -> Option<MemberId> {
        let members = self.members.values().filter(|member| who(member));
        members.min_by_key(|member| member.arrival).map(|member| member.id.clone())
    }

    /// Keeps the leader if it rejoined, else takes the eldest that did. False if nobody did.
    pub(crate) fn elect_leader(&mut self) -> bool {
        let joined = |member: &Member| member.join.is_some();
        if self.leader.as_ref().and_then(|leader| self.members.get(leader)).is_some_and(joined) {
            return true;
        }
        let Some(heir) = self.eldest(joined) else { return false };
        self.leader = Some(heir);
        true
    }

    /// Whether a member with these protocols would fit in.
    pub(crate) fn supports(&self, join: &Join) -> bool {
        if self.is(GroupState::Empty) {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        let all = |name: &str| self.support.get(name).copied().unwrap_or(0) == self.members.len();
        self.protocol_type.as_ref() == Some(&join.protocol_type)
            && join.protocols.iter().any(|protocol| all(&protocol.name))
    }

    /// The protocol with the most votes among those that all members know; the leader's preference breaks ties.
    pub(crate) fn select_protocol(&self) -> Option<Arc<str>> {
        let common = |protocol: &&Protocol| self.support.get(&protocol.name) == Some(&self.members.len());
        let mut votes = BTreeMap::<&str, usize>::new();
        for member in self.members.values() {
            let vote = member.protocols.iter().find(common)?;
            *votes.entry(&vote.name).or_default() += 1;
        }
        let leader = self.members.get(self.leader.as_ref()?)?;
        let candidates = leader.protocols.iter().filter(common).rev();
        candidates
            .max_by_key(|protocol| votes.get(&*protocol.name))
            .map(|protocol| Arc::clone(&protocol.name))
    }

    /// The next generation: with members the leader's turn to assign, without empty.
    pub(crate) fn next_generation(&mut self) {
        self.generation += 1;
        self.assigning = None;
        self.protocol = self.select_protocol();
        assert_eq!(self.protocol.is_some(), !self.members.is_empty(), "members have a protocol in common");
        self.subscribed = self.read_subscriptions();
        let empty = self.members.is_empty();
        self.turn_to(if empty { GroupState::Empty } else { GroupState::CompletingRebalance });
        self.pending_sync.clear();
    }

    pub(super) fn read_subscriptions(&self) -> Option<Arc<BTreeSet<String>>> {
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            subscription::add_topics(&member.metadata(self.protocol.as_deref()), &mut topics)?;
        }
        Some(Arc::new(topics))
    }

    /// Whether offsets of a topic are in use: if subscriptions can't be read, a consumer group is taken to use all.
    pub(crate) fn uses_topic(&self, topic: &str) -> bool {
        let consumer = || self.protocol_type.as_deref() == Some(CONSUMER);
        self.subscribed.as_ref().map_or_else(consumer, |topics| topics.contains(topic))
    }

    /// What is recorded of the present generation, with these assignments.
    pub(crate) fn record(&self, assignment: impl Fn(&Member) -> Bytes) -> Generation {
        let member = |member: &Member| GenerationMember {
            id: member.id.clone(),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            metadata: member.metadata(self.protocol.as_deref()),
            assignment: assignment(member),
        };
        Generation {
            id: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: self.members.values().map(member).collect(),
        }
    }

    /// Panics if an invariant does not hold.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        assert_eq!(self.awaiting, self.members.values().filter(|member| member.join.is_some()).count());
        assert_eq!(self.leader.is_some(), !self.members.is_empty());
        assert!(self.leader.iter().all(|leader| self.members.contains_key(leader)));
        let mut support = BTreeMap::<Arc<str>, usize>::new();
        let names = self.members.values().flat_map(|member| &member.protocols);
        names.for_each(|protocol| *support.entry(Arc::clone(&protocol.name)).or_default() += 1);
        assert_eq!(self.support, support);
        let statics =
            self.members.values().filter_map(|member| Some((member.instance.clone()?, member.id.clone())));
        assert_eq!(self.statics, statics.collect());
        assert!(self.pending_sync.iter().all(|member| self.members.contains_key(member)));
        assert!(self.pending_join.iter().all(|member| !self.members.contains_key(member)));
        assert!(
            self.is(GroupState::PreparingRebalance) || self.is(GroupState::Empty) == self.members.is_empty()
        );
        let syncing = self.members.values().any(|member| member.sync.is_some());
        assert!(!syncing || self.is(GroupState::CompletingRebalance), "syncs wait for the leader only");
    }
}
