//! DescribeGroups and ListGroups: what the coordinator tells without being changed.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Coordinator,
    group::{GroupState, Member},
};
use crate::{GroupId, InstanceId, MemberId};

impl GroupState {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }

    /// Reads a filter of ListGroups (KIP-518); case and space around don't matter.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Empty, Self::PreparingRebalance, Self::CompletingRebalance, Self::Stable];
        all.into_iter().find(|state| state.name().eq_ignore_ascii_case(name.trim()))
    }
}

/// The kinds of group protocols that there are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupType {
    /// JoinGroup and SyncGroup.
    Classic,
}

impl GroupType {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        "classic"
    }

    /// Reads a filter of ListGroups (KIP-848); case and space around don't matter.
    pub fn parse(name: &str) -> Option<Self> {
        name.trim().eq_ignore_ascii_case("classic").then_some(Self::Classic)
    }
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The group.
    pub group: GroupId,
    /// The kind of group; empty for a simple one.
    pub protocol_type: Arc<str>,
    /// Its state.
    pub state: GroupState,
    /// Its protocol's kind.
    pub group_type: GroupType,
}

/// A member of a described group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub id: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<InstanceId>,
    /// The client's id.
    pub client_id: Arc<str>,
    /// The client's host.
    pub client_host: Arc<str>,
    /// What it says about itself for the chosen protocol; empty unless the group is stable.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its state.
    pub state: GroupState,
    /// The kind of group; empty for a simple one.
    pub protocol_type: Arc<str>,
    /// The chosen protocol; empty unless the group is stable.
    pub protocol: Arc<str>,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

fn text(text: Option<&Arc<str>>) -> Arc<str> {
    text.cloned().unwrap_or_else(|| "".into())
}

impl Coordinator {
    /// A group; None if there is none (on the wire: state `Dead`, and GROUP_ID_NOT_FOUND from v6 on, KIP-1043).
    pub fn describe(&self, group: &str) -> Option<Described> {
        let group = self.groups.get(group)?;
        let protocol = group.protocol.as_ref().filter(|_| group.is(GroupState::Stable));
        let member = |member: &Member| DescribedMember {
            id: member.id.clone(),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            metadata: member.metadata(protocol.map(|protocol| &**protocol)),
            assignment: member.assignment.clone(),
        };
        Some(Described {
            state: group.state,
            protocol_type: text(group.protocol_type.as_ref()),
            protocol: text(protocol),
            members: group.members.values().map(member).collect(),
        })
    }

    /// The groups in one of these states and of one of these types; None means any. A filter of names that say nothing
    /// is `Some(&[])`.
    pub fn list(&self, states: Option<&[GroupState]>, types: Option<&[GroupType]>) -> Vec<Listed> {
        let types = types.is_none_or(|types| types.contains(&GroupType::Classic));
        let groups = self
            .groups
            .iter()
            .filter(|(_, group)| types && states.is_none_or(|states| states.contains(&group.state)));
        let listed = groups.map(|(id, group)| Listed {
            group: id.clone(),
            protocol_type: text(group.protocol_type.as_ref()),
            state: group.state,
            group_type: GroupType::Classic,
        });
        listed.collect()
    }
}
