//! The hard state: what records say about groups. Also the image that offsets are read from.

use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use klamm_model::{Offset, TopicId, TopicName};

use crate::{GroupId, InstanceId, MemberId};

/// A member as of a completed generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationMember {
    /// Its id.
    pub id: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<InstanceId>,
    /// The client's id.
    pub client_id: Arc<str>,
    /// The client's host.
    pub client_host: Arc<str>,
    /// How long the others wait for it to rejoin, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// What it said about itself for the chosen protocol.
    pub metadata: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}

/// A completed generation. Without members the group is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number; rises.
    pub id: i32,
    /// The kind of group: `consumer`, `connect`, …
    pub protocol_type: Arc<str>,
    /// The chosen protocol; None without members.
    pub protocol: Option<Arc<str>>,
    /// The leader; None without members.
    pub leader: Option<MemberId>,
    /// The members.
    pub members: Vec<GenerationMember>,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The topic's id, or zero if it was not known.
    pub topic_id: TopicId,
    /// The offset.
    pub offset: Offset,
    /// The leader epoch of the last consumed record, or -1 (KIP-320).
    pub leader_epoch: i32,
    /// The client's own words.
    pub metadata: Arc<str>,
    /// When it was committed, wall clock.
    pub committed_ms: i64,
    /// When it expires, if the client said so (OffsetCommit v2-4), wall clock.
    pub expire_ms: Option<i64>,
}

pub(crate) type TopicOffsets = OrdMap<i32, Arc<CommittedOffset>>;

/// A group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    pub(crate) generation: Option<Arc<Generation>>,
    /// When the generation was recorded, wall clock.
    pub(crate) since_ms: i64,
    pub(crate) offsets: OrdMap<TopicName, TopicOffsets>,
}

impl Group {
    /// The last completed generation; None if nobody ever joined (offsets of a simple consumer).
    pub fn generation(&self) -> Option<&Arc<Generation>> {
        self.generation.as_ref()
    }

    /// Whether the last completed generation has members.
    pub fn has_members(&self) -> bool {
        self.generation.as_ref().is_some_and(|generation| !generation.members.is_empty())
    }

    pub(crate) fn remove_offset(&mut self, topic: &TopicName, partition: i32) {
        if let Some(offsets) = self.offsets.get_mut(topic) {
            offsets.remove(&partition);
            if offsets.is_empty() {
                self.offsets.remove(topic);
            }
        }
    }
}

/// All groups of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    pub(crate) groups: OrdMap<GroupId, Arc<Group>>,
}

impl Groups {
    /// One group.
    pub fn get(&self, id: &str) -> Option<&Arc<Group>> {
        self.groups.get(id)
    }

    /// All groups, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupId, &Arc<Group>)> {
        self.groups.iter()
    }

    /// A committed offset. One that was committed for another topic of the same name is none; a zero id matches any.
    pub fn offset(
        &self,
        group: &str,
        topic: &str,
        topic_id: TopicId,
        partition: i32,
    ) -> Option<&CommittedOffset> {
        let offset = self.get(group)?.offsets.get(topic)?.get(&partition)?;
        let same = topic_id.is_zero() || offset.topic_id.is_zero() || offset.topic_id == topic_id;
        same.then_some(offset.as_ref())
    }

    /// All committed offsets of a group, by topic and partition; none if there is no such group.
    pub fn offsets(&self, group: &str) -> impl Iterator<Item = (&TopicName, i32, &CommittedOffset)> {
        let topics = self.get(group).into_iter().flat_map(|group| group.offsets.iter());
        topics.flat_map(|(topic, offsets)| {
            offsets.iter().map(move |(partition, offset)| (topic, *partition, offset.as_ref()))
        })
    }
}
