//! What the coordinator is told: requests of members and administrators, replies of the machine, time.

use std::sync::Arc;

use bytes::Bytes;
use klamm_model::TopicName;

use crate::{GroupId, InstanceId, MemberId, NewOffset, Reply};

/// A request that waits for its one answer. The shell chooses them; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A command that was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ticket(pub u64);

/// A way of assigning that a member knows, and what it says about itself in that way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// The way's name (`range`, `cooperative-sticky`, …).
    pub name: Arc<str>,
    /// The member's words.
    pub metadata: Bytes,
}

/// JoinGroup.
#[derive(Debug, Clone)]
pub struct Join {
    /// The group.
    pub group: GroupId,
    /// The member's id; empty if it has none.
    pub member: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<InstanceId>,
    /// The client's id.
    pub client_id: Arc<str>,
    /// The client's host.
    pub client_host: Arc<str>,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// How long it may take to rejoin; v0 means the session timeout.
    pub rebalance_timeout_ms: i32,
    /// The kind of group.
    pub protocol_type: Arc<str>,
    /// The ways of assigning, the preferred first.
    pub protocols: Vec<Protocol>,
    /// What makes a new member's id unique; random.
    pub suffix: String,
    /// Whether a new dynamic member must come again with the id that it is given (v4, KIP-394).
    pub needs_member_id: bool,
    /// Whether the answer can say that the leader need not assign (v9, KIP-814).
    pub can_skip_assignment: bool,
}

/// SyncGroup.
#[derive(Debug, Clone)]
pub struct Sync {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<InstanceId>,
    /// The generation that it joined.
    pub generation: i32,
    /// What it takes the group's type for (v5, KIP-559).
    pub protocol_type: Option<Arc<str>>,
    /// What it takes the chosen protocol for (v5, KIP-559).
    pub protocol: Option<Arc<str>>,
    /// The leader's assignments; nobody else's count.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// Heartbeat.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<InstanceId>,
    /// Its generation.
    pub generation: i32,
}

/// One that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Its member id; empty to remove a static member by its instance id.
    pub member: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<InstanceId>,
}

/// LeaveGroup; before v3 of one member.
#[derive(Debug, Clone)]
pub struct Leave {
    /// The group.
    pub group: GroupId,
    /// Who leaves.
    pub members: Vec<Leaving>,
}

/// OffsetCommit. The handler refuses topics that are not there.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The group.
    pub group: GroupId,
    /// The member; empty for a consumer that manages its partitions itself.
    pub member: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<InstanceId>,
    /// Its generation; below 0 for a consumer that manages its partitions itself.
    pub generation: i32,
    /// How long the offsets are kept, if the client says so (v2-4).
    pub retention_ms: Option<i64>,
    /// Whether the client knows that a group may not be there (v9).
    pub knows_missing_group: bool,
    /// The offsets.
    pub offsets: Vec<NewOffset>,
}

/// OffsetDelete.
#[derive(Debug, Clone)]
pub struct DeleteOffsets {
    /// The group.
    pub group: GroupId,
    /// The partitions.
    pub partitions: Vec<(TopicName, i32)>,
}

/// What the coordinator is told.
#[derive(Debug, Clone)]
pub enum Event {
    /// A member joins.
    Join(Token, Join),
    /// A member asks for its assignment.
    Sync(Token, Sync),
    /// A member lives.
    Heartbeat(Token, Heartbeat),
    /// Members leave.
    Leave(Token, Leave),
    /// Offsets are committed.
    Commit(Token, Commit),
    /// Offsets are deleted.
    DeleteOffsets(Token, DeleteOffsets),
    /// A group is deleted (of DeleteGroups, one at a time).
    DeleteGroup(Token, GroupId),
    /// The machine's reply, durable; None if the shard gave none (then whether it took effect is not known).
    Written(Ticket, Option<Reply>),
    /// The deadline may have come.
    Tick,
}
