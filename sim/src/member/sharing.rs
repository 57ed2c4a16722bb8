//! What members tell each other through the broker, and how their leader shares the partitions of the group's topic; pure.
//! An eager group gives everything up and shares anew. In a cooperative one (KIP-429) members keep what they own: what is
//! to move is nobody's for a generation, until its owner has given it up.

use klamm_protocol::{
    Decode as _, Decoder, Encode, Encoder,
    consumer_protocol::{
        AssignedPartition, ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition,
    },
};

/// The version of subscriptions that tell the generation of what is owned.
const VERSION: i16 = 2;

/// How a group shares; all its members alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Eager,
    Cooperative,
}

impl Kind {
    /// As JoinGroup names it.
    pub(super) fn protocol(self) -> &'static str {
        match self {
            Self::Eager => "spread",
            Self::Cooperative => "cooperative-sticky",
        }
    }
}

/// What a member owns, by the partitions' indexes, and since which generation it knows that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) generation: i32,
    pub(super) indexes: Vec<i32>,
}

fn versioned(what: &impl Encode) -> Vec<u8> {
    let mut encoder = Encoder::new();
    what.encode(&mut encoder, VERSION).expect("a few short names fit");
    let body = encoder.finish().concat();
    [&VERSION.to_be_bytes()[..], &body].concat()
}

/// A member's metadata.
pub(super) fn subscription(topic: &str, owned: &Owned) -> Vec<u8> {
    let partitions = TopicPartition { topic: topic.into(), partitions: owned.indexes.clone() };
    versioned(&ConsumerProtocolSubscription {
        topics: vec![topic.into()],
        owned_partitions: if owned.indexes.is_empty() { Vec::new() } else { vec![partitions] },
        generation_id: owned.generation,
        ..Default::default()
    })
}

/// What a member's metadata says that it owns.
pub(super) fn owned(metadata: &[u8]) -> Option<Owned> {
    let (version, body) = metadata.split_first_chunk()?;
    let version = i16::from_be_bytes(*version);
    let subscription = ConsumerProtocolSubscription::decode_all(Decoder::trusting(body), version).ok()?;
    let generation = subscription.generation_id;
    let indexes = subscription.owned_partitions.into_iter().flat_map(|topic| topic.partitions).collect();
    Some(Owned { generation, indexes })
}

/// A member's share, on its way through the broker.
pub(super) fn assignment(topic: &str, indexes: &[i32]) -> Vec<u8> {
    let assigned = AssignedPartition { topic: topic.into(), partitions: indexes.to_vec() };
    versioned(&ConsumerProtocolAssignment { assigned_partitions: vec![assigned], user_data: None })
}

/// What a member is assigned; nothing if it is told nothing.
pub(super) fn assigned(bytes: &[u8]) -> Option<Vec<i32>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let (version, body) = bytes.split_first_chunk()?;
    let version = i16::from_be_bytes(*version);
    let assignment = ConsumerProtocolAssignment::decode_all(Decoder::trusting(body), version).ok()?;
    Some(assignment.assigned_partitions.into_iter().flat_map(|topic| topic.partitions).collect())
}

/// Each member's share of so many partitions. Of a cooperative group one may be taken from its owner for no reason.
pub(super) fn share(kind: Kind, members: &[Owned], partitions: i32, taken: Option<i32>) -> Vec<Vec<i32>> {
    let mut shares = vec![Vec::new(); members.len()];
    let most = (partitions as usize).div_ceil(members.len().max(1));
    let owner = |index: i32| {
        let owners = (0..members.len()).filter(|at| members[*at].indexes.contains(&index));
        owners.max_by_key(|at| members[*at].generation).filter(|_| kind == Kind::Cooperative)
    };
    let (owned, free): (Vec<i32>, Vec<i32>) = (0..partitions).partition(|index| owner(*index).is_some());
    for index in owned {
        let share = &mut shares[owner(index).expect("partitioned by it")];
        if share.len() < most && taken != Some(index) {
            share.push(index);
        }
    }
    for index in free {
        if let Some(share) = shares.iter_mut().min_by_key(|share| share.len()) {
            share.push(index);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(generation: i32, indexes: &[i32]) -> Owned {
        Owned { generation, indexes: indexes.to_vec() }
    }

    #[test]
    fn what_is_told_is_understood() {
        for told in [of(-1, &[]), of(7, &[0, 2])] {
            assert_eq!(owned(&subscription("t", &told)), Some(told));
        }
        assert_eq!(assigned(&assignment("t", &[1, 2])), Some(vec![1, 2]));
        assert_eq!((assigned(b""), assigned(b"\0")), (Some(vec![]), None));
    }

    #[test]
    fn eager_groups_share_anew() {
        let members = [of(1, &[0, 1, 2]), of(-1, &[])];
        assert_eq!(share(Kind::Eager, &members, 3, None), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn what_moves_is_nobodys_for_a_generation() {
        let taken = share(Kind::Cooperative, &[of(1, &[0, 1])], 3, Some(1));
        assert_eq!(taken, [vec![0, 2]]);
        let share = |members: &[Owned], count| share(Kind::Cooperative, members, count, None);
        assert_eq!(share(&[of(-1, &[]), of(-1, &[])], 3), [vec![0, 2], vec![1]]);
        assert_eq!(share(&[of(1, &[0, 1, 2]), of(-1, &[])], 3), [vec![0, 1], vec![]]);
        assert_eq!(share(&[of(2, &[0, 1]), of(-1, &[])], 3), [vec![0, 1], vec![2]]);
        // Two say that they own it: the later word counts.
        assert_eq!(share(&[of(1, &[0]), of(2, &[0, 1])], 2), [vec![], vec![0]]);
        assert!(share(&[], 2).is_empty());
    }
}
