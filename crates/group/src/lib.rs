//! Consumer groups of the classic protocol, and committed offsets. Pure, in two halves.
//!
//! [`Groups`] is the machine: the last completed generation of each group and its offsets, from records. [`Coordinator`]
//! is the soft state of the shard's owner: who waits for whom. It takes an [`Event`] and gives [`Output`]s: replies, and
//! commands for the machine, whose replies come back as events.
//!
//! How a shell drives it, in one task per shard: when the shard serves in an epoch, [`Coordinator::load`] on the durable
//! image; then [`Coordinator::step`] for each request, for each reply of the shard ([`Event::Written`]), and at
//! [`Coordinator::deadline_ms`] ([`Event::Tick`]). Commands are submitted to the shard in the order of the outputs. When
//! the shard's epoch ends, [`Coordinator::unload`] answers whoever still waits. Offsets are read from the durable image
//! ([`Groups::offset`]), without the coordinator.
//!
//! Invariants: a group's generation only rises; its leader is a member; each request gets one reply; what a command of an
//! ended epoch asks for is refused by the machine. Left out: transactional offsets (KIP-447), KIP-848 groups; so
//! `UNRELEASED_INSTANCE_ID`, which the classic protocol never answers, is not here.

mod codec;
mod command;
mod coordinator;
mod error;
mod ids;
mod machine;
mod record;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use command::{Command, Committer, Expiry, NewOffset, Reply, Request};
pub use coordinator::{
    Answer, Commit, Coordinator, DeleteOffsets, Described, DescribedMember, Event, GroupConfig, GroupState,
    GroupType, Heartbeat, Join, JoinRefused, Joined, JoinedMember, Leave, Leaving, Left, Listed, Output,
    Protocol, Sync, Synced, Ticket, Token,
};
pub use error::GroupError;
pub use ids::{GroupId, InstanceId, MemberId};
pub use record::GroupRecord;
pub use state::{CommittedOffset, Generation, GenerationMember, Group, Groups};
