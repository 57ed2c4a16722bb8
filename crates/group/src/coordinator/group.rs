//! A group's soft state: members and who waits. Invariants: `awaiting` counts the members with a parked join; `support`
//! counts the members that know a protocol; each static member is in `statics`; the leader is a member.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use klamm_model::{Bug, planted};

use super::event::{Join, Protocol, Ticket, Token};
use crate::{Group as HardGroup, GroupError, InstanceId, MemberId};

/// The protocol type of groups whose subscriptions the broker can read.
pub(crate) const CONSUMER: &str = "consumer";

/// What a group is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupState {
    /// It has no members; perhaps offsets.
    Empty,
    /// Members are joining.
    PreparingRebalance,
    /// Members joined; the leader is assigning.
    CompletingRebalance,
    /// Members have their assignments.
    Stable,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// The parked join; set by [`Group::park_join`] and [`Group::take_join`] alone.
    pub(crate) join: Option<Token>,
    pub(crate) sync: Option<Token>,
    /// It was not answered yet, so it does not know its id and can't heartbeat.
    pub(crate) is_new: bool,
    /// Rises with each new member: the eldest becomes the leader.
    pub(crate) arrival: u64,
}

impl Member {
    pub(crate) fn new(id: MemberId, join: &Join) -> Self {
        Self {
            id,
            instance: join.instance.clone(),
            client_id: Arc::clone(&join.client_id),
            client_host: Arc::clone(&join.client_host),
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            join: None,
            sync: None,
            is_new: true,
            arrival: 0,
        }
    }

    /// What it says about itself for a protocol.
    pub(crate) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let known = self.protocols.iter().find(|known| Some(&*known.name) == protocol);
        known.map(|known| known.metadata.clone()).unwrap_or_default()
    }

    /// Whether its silence is no offence: it waits for us.
    pub(crate) fn is_excused(&self) -> bool {
        !self.is_new && (self.join.is_some() || self.sync.is_some())
    }
}

/// What the join timer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinTimer {
    /// The first members of an empty group are collected: this delay was set, so much is left after it (KIP-134).
    Initial { delay_ms: u64, left_ms: u64 },
    /// The members' rebalance timeout.
    Rebalance,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) state: GroupState,
    /// The state before.
    pub(crate) previous: GroupState,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Option<MemberId>,
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) statics: BTreeMap<InstanceId, MemberId>,
    /// Members that were given an id and have not come back with it (KIP-394).
    pub(crate) pending_join: BTreeSet<MemberId>,
    pub(crate) pending_sync: BTreeSet<MemberId>,
    /// The topics of all subscriptions, if they can be read.
    pub(crate) subscribed: Option<Arc<BTreeSet<String>>>,
    pub(crate) new_member_added: bool,
    pub(crate) join_timer: JoinTimer,
    /// The leader's assignment of this generation, on its way into the journal.
    pub(crate) assigning: Option<Ticket>,
    /// The last command that leaves the group with hard state.
    pub(crate) last_write: Ticket,
    /// Whether there ever was one.
    pub(crate) was_written: bool,
    pub(super) support: BTreeMap<Arc<str>, usize>,
    pub(super) awaiting: usize,
    arrivals: u64,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            state: GroupState::Empty,
            previous: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            pending_join: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            subscribed: None,
            new_member_added: false,
            join_timer: JoinTimer::Rebalance,
            assigning: None,
            last_write: Ticket::default(),
            was_written: false,
            support: BTreeMap::new(),
            awaiting: 0,
            arrivals: 0,
        }
    }
}

impl Group {
    /// The group as records tell of it: stable if it has members.
    pub(crate) fn of(hard: &HardGroup) -> Self {
        let mut group = Self { was_written: true, ..Self::default() };
        let Some(generation) = hard.generation() else { return group };
        group.generation = generation.id;
        group.protocol_type = Some(Arc::clone(&generation.protocol_type));
        for loaded in &generation.members {
            let name = generation.protocol.clone().unwrap_or_else(|| "".into());
            group.insert(Member {
                id: loaded.id.clone(),
                instance: loaded.instance.clone(),
                client_id: Arc::clone(&loaded.client_id),
                client_host: Arc::clone(&loaded.client_host),
                rebalance_timeout_ms: loaded.rebalance_timeout_ms,
                session_timeout_ms: loaded.session_timeout_ms,
                protocols: vec![Protocol { name, metadata: loaded.metadata.clone() }],
                assignment: loaded.assignment.clone(),
                join: None,
                sync: None,
                is_new: false,
                arrival: 0,
            });
        }
        group.protocol = generation.protocol.clone();
        group.leader = generation.leader.clone();
        group.state = if group.members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        group.previous = group.state;
        group.subscribed = group.read_subscriptions();
        group
    }

    pub(crate) fn is(&self, state: GroupState) -> bool {
        self.state == state
    }

    pub(crate) fn turn_to(&mut self, state: GroupState) {
        (self.previous, self.state) = (self.state, state);
    }

    /// Whether nobody is in the group, or on the way into it.
    pub(crate) fn is_deserted(&self) -> bool {
        self.is(GroupState::Empty) && self.pending_join.is_empty()
    }

    pub(crate) fn is_leader(&self, member: &MemberId) -> bool {
        self.leader.as_ref() == Some(member)
    }

    /// How many members wait for the answer to their join.
    pub(crate) fn awaiting_join(&self) -> usize {
        self.awaiting
    }

    /// Whether every member, and everyone who was given an id, has joined.
    pub(crate) fn all_joined(&self) -> bool {
        self.members.len() == self.awaiting && self.pending_join.is_empty()
    }

    /// Parks a member's join; gives back the one that it supersedes.
    pub(crate) fn park_join(&mut self, member: &MemberId, token: Token) -> Option<Token> {
        let before = self.members.get_mut(member).and_then(|member| member.join.replace(token));
        self.awaiting += usize::from(before.is_none());
        before
    }

    /// Takes a member's parked join, to be answered.
    pub(crate) fn take_join(&mut self, member: &MemberId) -> Option<Token> {
        let token = self.members.get_mut(member).and_then(|member| member.join.take());
        self.awaiting -= usize::from(token.is_some());
        token
    }

    /// Takes a new member in; its join is parked after.
    pub(crate) fn insert(&mut self, mut member: Member) {
        assert!(member.join.is_none() && !self.members.contains_key(&member.id), "a member comes once");
        member.arrival = self.arrivals;
        self.arrivals += 1;
        self.pending_join.remove(&member.id);
        self.leader.get_or_insert_with(|| member.id.clone());
        self.put(member);
    }

    fn put(&mut self, member: Member) {
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), member.id.clone());
        }
        for protocol in &member.protocols {
            *self.support.entry(Arc::clone(&protocol.name)).or_default() += 1;
        }
        self.members.insert(member.id.clone(), member);
    }

    fn forget_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            let count = self.support.get_mut(&protocol.name).expect("each member's protocols are counted");
            *count -= 1;
            if *count == 0 {
                self.support.remove(&protocol.name);
            }
        }
    }

    /// Removes a member, or one that was to become one; the leader's heir is the eldest. Parked requests are the caller's.
    pub(crate) fn remove(&mut self, id: &MemberId) -> Option<Member> {
        self.pending_join.remove(id);
        self.pending_sync.remove(id);
        let member = self.members.remove(id)?;
        self.awaiting -= usize::from(member.join.is_some());
        self.forget_protocols(&member.protocols);
        member.instance.iter().for_each(|instance| drop(self.statics.remove(instance)));
        if self.is_leader(id) {
            self.leader = self.eldest(|_| true);
        }
        Some(member)
    }

    /// A static member comes under another id; gives back the id's old bearer, whose parked requests are the caller's.
    pub(crate) fn rename(&mut self, old: &MemberId, new: MemberId, join: &Join) -> Member {
        let leader = self.is_leader(old);
        let before = self.remove(old).expect("a static member is a member");
        let member = Member {
            assignment: before.assignment.clone(),
            arrival: before.arrival,
            is_new: false,
            ..Member::new(new.clone(), join)
        };
        self.put(member);
        if leader {
            self.leader = Some(new);
        }
        before
    }

    /// Undoes [`Group::rename`].
    pub(crate) fn rename_back(&mut self, new: &MemberId, mut before: Member) {
        let leader = self.is_leader(new);
        self.remove(new);
        (before.join, before.sync) = (None, None);
        if leader {
            self.leader = Some(before.id.clone());
        }
        self.put(before);
    }

    /// A member says anew what it can do.
    pub(crate) fn update(&mut self, id: &MemberId, join: &Join) {
        let member = self.members.get_mut(id).expect("checked by the caller");
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        member.session_timeout_ms = join.session_timeout_ms;
        if planted(Bug::KeepSubscription) {
            return;
        }
        let before = std::mem::replace(&mut member.protocols, join.protocols.clone());
        for protocol in &join.protocols {
            *self.support.entry(Arc::clone(&protocol.name)).or_default() += 1;
        }
        self.forget_protocols(&before);
    }

    /// How long rebalances of this group wait: for its slowest member.
    pub(crate) fn rebalance_timeout_ms(&self) -> u64 {
        let slowest = self.members.values().map(|member| member.rebalance_timeout_ms).max();
        slowest.and_then(|slowest| u64::try_from(slowest).ok()).unwrap_or(0)
    }

    /// Whether the one that asks is a member, and not fenced by another with its instance id.
    pub(crate) fn check_member(
        &self,
        id: &MemberId,
        instance: Option<&InstanceId>,
    ) -> Result<(), GroupError> {
        if let Some(instance) = instance {
            match self.statics.get(instance) {
                None => return Err(GroupError::UnknownMemberId),
                Some(known) if known != id => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(id) { Ok(()) } else { Err(GroupError::UnknownMemberId) }
    }
}
