//! Why a request of a group is refused. Each but `TooLarge` maps to the Kafka error code of the same name.

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupError {
    /// The coordinator can't take the request now (the disk is full): try again.
    CoordinatorNotAvailable,
    /// What would have to be written is too large for an entry of the journal.
    TooLarge,
    /// This broker is no longer the group's coordinator: find the one that is.
    NotCoordinator,
    /// A group without a name.
    InvalidGroupId,
    /// A session timeout outside `group.min.session.timeout.ms` and `group.max.session.timeout.ms`.
    InvalidSessionTimeout,
    /// A protocol type that is not the group's, or no protocol that all members know.
    InconsistentGroupProtocol,
    /// The group has no such member: join anew, without a member id.
    UnknownMemberId,
    /// Not the group's generation.
    IllegalGeneration,
    /// Members are joining: join too.
    RebalanceInProgress,
    /// Another member came with the same instance id (KIP-345).
    FencedInstanceId,
    /// Join again with the member id that is in the answer (KIP-394).
    MemberIdRequired,
    /// The group has `group.max.size` members (KIP-389).
    GroupMaxSizeReached,
    /// The metadata of an offset is longer than `offset.metadata.max.bytes`.
    OffsetMetadataTooLarge,
    /// There is no such group.
    GroupIdNotFound,
    /// The group has members.
    NonEmptyGroup,
    /// Members of the group are subscribed to the topic (KIP-496).
    GroupSubscribedToTopic,
}
