//! What the coordinator gives out: answers and commands.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Command, GroupError, InstanceId, MemberId, Ticket, Token};

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub id: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<InstanceId>,
    /// What it says about itself for the chosen protocol.
    pub metadata: Bytes,
}

/// A new generation, as a member learns of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: i32,
    /// The kind of group.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol.
    pub protocol: Option<Arc<str>>,
    /// The leader.
    pub leader: MemberId,
    /// The id of the member that is answered.
    pub member: MemberId,
    /// Whether the leader shall sync without assigning (KIP-814).
    pub skip_assignment: bool,
    /// All members, if it is the leader that is answered.
    pub members: Vec<JoinedMember>,
}

/// Why a join was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRefused {
    /// Why.
    pub error: GroupError,
    /// The member id to answer with; empty if there is none.
    pub member: MemberId,
}

/// A member's assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The kind of group.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol.
    pub protocol: Option<Arc<str>>,
    /// What the leader gave the member.
    pub assignment: Bytes,
}

/// What came of one that leaves, in the order of the request.
pub type Left = Result<(), GroupError>;

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`crate::Event::Join`].
    Join(Result<Joined, JoinRefused>),
    /// To [`crate::Event::Sync`].
    Sync(Result<Synced, GroupError>),
    /// To [`crate::Event::Heartbeat`].
    Heartbeat(Result<(), GroupError>),
    /// To [`crate::Event::Leave`]; one for each that leaves, in order.
    Leave(Result<Vec<Left>, GroupError>),
    /// To [`crate::Event::Commit`] and [`crate::Event::DeleteOffsets`]; one for each offset, in order.
    Offsets(Result<Vec<Result<(), GroupError>>, GroupError>),
    /// To [`crate::Event::DeleteGroup`].
    DeleteGroup(Result<(), GroupError>),
}

/// What the shell has to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Answer a request.
    Answer(Token, Answer),
    /// Submit a command to the shard; its reply comes back as [`crate::Event::Written`].
    Submit(Ticket, Command),
}
