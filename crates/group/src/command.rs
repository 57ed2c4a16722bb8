//! What the machine is asked, and what it answers.

use std::{collections::BTreeSet, sync::Arc};

use klamm_model::{Epoch, Offset, TopicId, TopicName};

use crate::{Generation, GroupError, GroupId};

/// In whose name offsets are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committer {
    /// A member, in this generation.
    Member(i32),
    /// A consumer that manages its partitions itself, or an administrator; only in a group without members.
    Simple,
}

/// An offset to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOffset {
    /// The topic's name.
    pub topic: TopicName,
    /// The topic's id, or zero if it is not known.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: Offset,
    /// The leader epoch of the last consumed record, or -1.
    pub leader_epoch: i32,
    /// The client's own words; empty if there are none.
    pub metadata: Arc<str>,
}

/// Which offsets of a group may expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// All: nobody is in the group.
    Empty,
    /// Those of other topics than these, which the members are subscribed to.
    Subscribed(Arc<BTreeSet<String>>),
}

/// What the machine is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The epoch of the coordinator that asks; None if any may (it must then be harmless at any time).
    pub epoch: Option<Epoch>,
    /// What is asked.
    pub request: Request,
}

/// The requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A generation is complete, or the group is empty.
    Complete {
        /// The group.
        group: GroupId,
        /// The generation.
        generation: Generation,
    },
    /// Commit offsets.
    Commit {
        /// The group.
        group: GroupId,
        /// In whose name.
        committer: Committer,
        /// How long they are kept, in milliseconds, if the client says so.
        retention_ms: Option<i64>,
        /// The offsets.
        offsets: Vec<NewOffset>,
    },
    /// Forget offsets; those that are not there don't matter.
    DeleteOffsets {
        /// The group.
        group: GroupId,
        /// Of these partitions.
        partitions: Vec<(TopicName, i32)>,
    },
    /// Forget a group and its offsets.
    DeleteGroup {
        /// The group.
        group: GroupId,
    },
    /// Forget all offsets of a topic that is gone; those of a later topic of the same name stay.
    ForgetTopic {
        /// The topic's name.
        topic: TopicName,
        /// Its id.
        id: TopicId,
    },
    /// Forget offsets that are due, and empty groups that have none.
    Expire {
        /// The groups to look at.
        groups: Vec<(GroupId, Expiry)>,
        /// How long offsets are kept, in milliseconds (`offsets.retention.minutes`).
        retention_ms: i64,
    },
}

impl Request {
    /// The command that asks for it in an epoch.
    pub(crate) fn within(self, epoch: Epoch) -> Command {
        Command { epoch: Some(epoch), request: self }
    }
}

/// What the machine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done,
    /// The offsets were not committed.
    Refused(GroupError),
    /// To [`Request::Expire`]: the groups, of those that are empty, that are not there (any more).
    Gone(Vec<GroupId>),
    /// The asking coordinator's epoch is over.
    Fenced,
    /// The disk is full, and the command needs space.
    Full,
    /// The command's record is too large for an entry.
    TooLarge,
}
