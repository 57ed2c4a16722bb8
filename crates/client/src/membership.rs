//! Membership in a classic consumer group: join, sync, heartbeat, commit, leave. Calls only; `group` has the loop.

use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::{
    Decode as _, Decoder, Encoder, ErrorCode, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    OffsetCommitRequest, SyncGroupRequest,
    consumer_protocol::{AssignedPartition, ConsumerProtocolAssignment, ConsumerProtocolSubscription},
    join_group::{JoinGroupRequestProtocol, JoinGroupResponseMember},
    leave_group::MemberIdentity,
    offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    sync_group::SyncGroupRequestAssignment,
};

use crate::{
    Client, Error, GroupOptions, Result, TopicPartition,
    assignor::{self, Subscription},
};

/// OffsetCommit and OffsetFetch by topic names.
pub(crate) const BY_NAME: i16 = 9;
const PROTOCOL: &str = "range";
const TYPE: &str = "consumer";
/// The version of subscriptions that are written: what every client reads.
const SUBSCRIPTION: i16 = 1;

/// A member of a group in a generation of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) generation: i32,
}

/// What a call found out about the membership.
#[derive(Debug)]
pub(crate) enum Joined {
    /// The partitions to read.
    Assigned(Vec<TopicPartition>),
    /// Once more.
    Again,
}

impl Client {
    /// Joins and syncs, once. `member` learns its id and generation.
    pub(crate) async fn join(&self, options: &GroupOptions, member: &mut Member) -> Result<Joined> {
        let subscription = ConsumerProtocolSubscription {
            topics: options.topics.iter().map(Into::into).collect(),
            ..Default::default()
        };
        let millis = |time: std::time::Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let request = JoinGroupRequest {
            group_id: (&options.group).into(),
            session_timeout_ms: millis(options.session_timeout),
            rebalance_timeout_ms: millis(options.rebalance_timeout),
            member_id: member.id.clone().into(),
            group_instance_id: None,
            protocol_type: TYPE.into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: PROTOCOL.into(),
                metadata: versioned(SUBSCRIPTION, &subscription)?.into(),
            }],
            reason: None,
        };
        let what = || format!("joining group {}", options.group);
        let answer = self.ask_coordinator(&options.group, &request, i16::MAX, |told| told.error_code).await?;
        let told = answer.get()?;
        match told.error_code {
            ErrorCode::MEMBER_ID_REQUIRED => {
                member.id = told.member_id.into_owned();
                return Ok(Joined::Again);
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                member.id.clear();
                return Ok(Joined::Again);
            }
            ErrorCode::REBALANCE_IN_PROGRESS => return Ok(Joined::Again),
            code => Error::check(code, None, what)?,
        }
        *member = Member { id: told.member_id.to_string(), generation: told.generation_id };
        let assignments =
            if told.leader == told.member_id { self.assign(&told.members).await? } else { Vec::new() };
        let protocol = told.protocol_name.as_deref().unwrap_or(PROTOCOL);
        self.sync(&options.group, member, protocol, assignments).await
    }

    /// Gives the assignments that the leader made, none if it is another; gets its own.
    async fn sync(
        &self,
        group: &str,
        member: &mut Member,
        protocol: &str,
        assignments: Vec<SyncGroupRequestAssignment<'static>>,
    ) -> Result<Joined> {
        let request = SyncGroupRequest {
            group_id: group.into(),
            generation_id: member.generation,
            member_id: member.id.clone().into(),
            group_instance_id: None,
            protocol_type: Some(TYPE.into()),
            protocol_name: Some(protocol.into()),
            assignments,
        };
        let what = || format!("joining group {group}");
        let answer = self.ask_coordinator(group, &request, i16::MAX, |told| told.error_code).await?;
        let told = answer.get()?;
        match told.error_code {
            ErrorCode::REBALANCE_IN_PROGRESS => return Ok(Joined::Again),
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                member.id.clear();
                return Ok(Joined::Again);
            }
            code => Error::check(code, None, what)?,
        }
        assigned(&told.assignment).map(Joined::Assigned)
    }

    /// The leader's part: who reads what.
    async fn assign(
        &self,
        members: &[JoinGroupResponseMember<'_>],
    ) -> Result<Vec<SyncGroupRequestAssignment<'static>>> {
        let mut subscriptions = Vec::new();
        for other in members {
            subscriptions.push(Subscription {
                member: other.member_id.to_string(),
                instance: other.group_instance_id.as_deref().map(str::to_owned),
                topics: subscribed(&other.metadata)?,
            });
        }
        let topics: BTreeSet<_> = subscriptions.iter().flat_map(|one| one.topics.iter().cloned()).collect();
        let topics: Vec<_> = topics.into_iter().collect();
        let known = self.refresh(Some(&topics), false).await?;
        let count = |topic: &String| Some((topic.clone(), known.topics.get(topic)?.partitions.len() as i32));
        let counts: BTreeMap<_, _> = topics.iter().filter_map(count).collect();
        let mut all = Vec::new();
        for (member, partitions) in assignor::range(&subscriptions, &counts) {
            let mut topics: Vec<AssignedPartition<'_>> = Vec::new();
            for of in &partitions {
                if topics.last().is_none_or(|last| last.topic != of.topic) {
                    topics.push(AssignedPartition { topic: (&of.topic).into(), ..Default::default() });
                }
                topics.last_mut().expect("it was pushed").partitions.push(of.partition);
            }
            let assignment = ConsumerProtocolAssignment { assigned_partitions: topics, ..Default::default() };
            let assignment = versioned(0, &assignment)?.into();
            all.push(SyncGroupRequestAssignment { member_id: member.into(), assignment });
        }
        Ok(all)
    }

    /// Says that the member lives: the group's answer.
    pub(crate) async fn heartbeat(&self, group: &str, member: &Member) -> Result<ErrorCode> {
        let request = HeartbeatRequest {
            group_id: group.into(),
            generation_id: member.generation,
            member_id: member.id.as_str().into(),
            group_instance_id: None,
        };
        let answer = self.ask_coordinator(group, &request, i16::MAX, |told| told.error_code).await?;
        Ok(answer.get()?.error_code)
    }

    /// Leaves the group, so that others take over at once.
    pub(crate) async fn leave(&self, group: &str, member: &Member) -> Result<()> {
        let alone = LeaveGroupRequest {
            group_id: group.into(),
            member_id: "".into(),
            members: vec![MemberIdentity {
                member_id: member.id.as_str().into(),
                group_instance_id: None,
                reason: Some("klamm ended".into()),
            }],
        };
        let answer = self.ask_coordinator(group, &alone, i16::MAX, |told| told.error_code).await?;
        Error::check(answer.get()?.error_code, None, || format!("leaving group {group}"))
    }

    /// Stores offsets. `member` is that of [`Client::join`], or none to set the offsets of a group without members.
    pub(crate) async fn commit(
        &self,
        group: &str,
        member: Option<&Member>,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<()> {
        let mut topics: Vec<OffsetCommitRequestTopic<'_>> = Vec::new();
        for (of, offset) in offsets {
            if topics.last().is_none_or(|last| last.name != of.topic) {
                topics.push(OffsetCommitRequestTopic { name: (&of.topic).into(), ..Default::default() });
            }
            topics.last_mut().expect("it was pushed").partitions.push(OffsetCommitRequestPartition {
                partition_index: of.partition,
                committed_offset: *offset,
                committed_metadata: Some("".into()),
                ..Default::default()
            });
        }
        let request = OffsetCommitRequest {
            group_id: group.into(),
            generation_id_or_member_epoch: member.map_or(-1, |member| member.generation),
            member_id: member.map_or("", |member| &member.id).into(),
            topics,
            ..Default::default()
        };
        let first = |told: &klamm_protocol::OffsetCommitResponse<'_>| {
            let codes =
                told.topics.iter().flat_map(|topic| topic.partitions.iter().map(|one| one.error_code));
            codes.into_iter().find(|code| code.is_err()).unwrap_or_default()
        };
        let answer = self.ask_coordinator(group, &request, BY_NAME, first).await?;
        Error::check(first(&answer.get()?), None, || format!("committing offsets of group {group}"))
    }
}

/// A version, then the data.
fn versioned(version: i16, data: &impl klamm_protocol::Encode) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new();
    data.encode(&mut encoder, version).map_err(|error| Error::Other(error.to_string()))?;
    Ok([&version.to_be_bytes()[..], &encoder.finish().concat()].concat())
}

fn split(data: &[u8]) -> Option<(i16, Decoder<'_>)> {
    let (version, rest) = data.split_first_chunk::<2>()?;
    Some((i16::from_be_bytes(*version).clamp(0, 3), Decoder::trusting(rest)))
}

fn subscribed(metadata: &[u8]) -> Result<Vec<String>> {
    let bad = || Error::Other("another member's subscription can't be read".to_owned());
    let (version, mut decoder) = split(metadata).ok_or_else(bad)?;
    let told = ConsumerProtocolSubscription::decode(&mut decoder, version).map_err(|_| bad())?;
    Ok(told.topics.into_iter().map(|topic| topic.into_owned()).collect())
}

/// The partitions in an assignment; an empty one has none.
pub(crate) fn assigned(assignment: &[u8]) -> Result<Vec<TopicPartition>> {
    let Some((version, mut decoder)) = split(assignment) else { return Ok(vec![]) };
    let told = ConsumerProtocolAssignment::decode(&mut decoder, version)
        .map_err(|error| Error::Other(format!("the group's assignment can't be read: {error}")))?;
    let of = |topic: AssignedPartition<'_>| {
        let name = topic.topic.into_owned();
        topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
    };
    Ok(told.assigned_partitions.into_iter().flat_map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_and_assignments_round_trip() {
        let subscription =
            ConsumerProtocolSubscription { topics: vec!["a".into(), "b".into()], ..Default::default() };
        let bytes = versioned(SUBSCRIPTION, &subscription).unwrap();
        assert_eq!(bytes[..2], [0, 1]);
        assert_eq!(subscribed(&bytes).unwrap(), ["a", "b"]);
        let partitions = AssignedPartition { topic: "t".into(), partitions: vec![0, 2] };
        let assignment =
            ConsumerProtocolAssignment { assigned_partitions: vec![partitions], ..Default::default() };
        let bytes = versioned(0, &assignment).unwrap();
        assert_eq!(assigned(&bytes).unwrap(), [TopicPartition::new("t", 0), TopicPartition::new("t", 2)]);
        assert_eq!(assigned(&[]).unwrap(), []);
        assert!(subscribed(&[0, 1, 0]).is_err());
    }
}
