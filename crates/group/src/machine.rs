//! Decide and replay of the groups. The coordinator checked each request against its members; here is checked again
//! what records can tell: the asking coordinator's epoch, the generation, and whether a group has members.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use klamm_machine::{At, Corrupt, Decision, Machine, NoRoom, Now, Pair};
use klamm_model::{Bug, TopicId, TopicName, planted};

use crate::{
    Command, CommittedOffset, Committer, Expiry, Generation, Group, GroupError, GroupId, GroupRecord, Groups,
    NewOffset, Reply, Request, snapshot,
};

type Decided = Decision<GroupRecord, Reply>;

fn committed(offsets: Vec<NewOffset>, wall_ms: i64, retention_ms: Option<i64>) -> GroupOffsets {
    let expire_ms = retention_ms.map(|retention_ms| wall_ms.saturating_add(retention_ms));
    let commit = |new: NewOffset| {
        let offset = CommittedOffset {
            topic_id: new.topic_id,
            offset: new.offset,
            leader_epoch: new.leader_epoch,
            metadata: new.metadata,
            committed_ms: wall_ms,
            expire_ms,
        };
        (new.topic, new.partition, offset)
    };
    offsets.into_iter().map(commit).collect()
}

type GroupOffsets = Vec<(TopicName, i32, CommittedOffset)>;

impl Group {
    /// Why a commit is refused, as far as records can tell.
    fn refuses(&self, committer: Committer) -> Option<GroupError> {
        match committer {
            Committer::Member(generation) => {
                let newer = self.generation.as_ref().is_some_and(|known| known.id > generation);
                newer.then_some(GroupError::IllegalGeneration)
            }
            Committer::Simple => self.has_members().then_some(GroupError::UnknownMemberId),
        }
    }

    /// The partitions whose offsets are due. An empty group's clock starts when it became empty (KIP-211).
    fn due(&self, expiry: &Expiry, wall_ms: i64, retention_ms: i64) -> Vec<(TopicName, i32)> {
        let since_ms = match expiry {
            Expiry::Empty if self.has_members() => return Vec::new(),
            Expiry::Empty => self.generation.as_ref().map(|_| self.since_ms),
            Expiry::Subscribed(_) => None,
        };
        let kept = |topic: &TopicName| matches!(expiry, Expiry::Subscribed(topics) if topics.contains(topic.as_str()));
        let due = |offset: &CommittedOffset| match offset.expire_ms {
            Some(expire_ms) => wall_ms >= expire_ms,
            None => wall_ms.saturating_sub(since_ms.unwrap_or(offset.committed_ms)) >= retention_ms,
        };
        let topics = self.offsets.iter().filter(|(topic, _)| !kept(topic));
        let partitions = topics.flat_map(|(topic, offsets)| {
            offsets.iter().filter(|(_, offset)| due(offset)).map(|(partition, _)| (topic.clone(), *partition))
        });
        partitions.collect()
    }
}

impl Groups {
    fn commit(
        &self,
        group: GroupId,
        committer: Committer,
        offsets: impl FnOnce() -> GroupOffsets,
    ) -> Decided {
        let refused = self.get(group.as_str()).and_then(|known| known.refuses(committer));
        if let Some(error) = refused.filter(|_| !planted(Bug::SkipGenerationCheck)) {
            return Decision::reply(Reply::Refused(error));
        }
        Decision::record(GroupRecord::Committed { group, offsets: offsets() }, Reply::Done)
    }

    fn delete_offsets(&self, group: GroupId, mut partitions: Vec<(TopicName, i32)>) -> Decided {
        let known = |(topic, partition): &(TopicName, i32)| {
            self.offset(group.as_str(), topic.as_str(), TopicId::ZERO, *partition).is_some()
        };
        let mut named = BTreeSet::new();
        partitions.retain(|partition| known(partition) && named.insert(partition.clone()));
        if partitions.is_empty() {
            return Decision::reply(Reply::Done);
        }
        Decision::record(GroupRecord::OffsetsDeleted { group, partitions }, Reply::Done)
    }

    fn expire(&self, asked: Vec<(GroupId, Expiry)>, retention_ms: i64, wall_ms: i64) -> Decided {
        let (mut offsets, mut groups, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (id, expiry) in asked {
            let Some(group) = self.get(id.as_str()) else {
                gone.extend((expiry == Expiry::Empty).then_some(id));
                continue;
            };
            let due = group.due(&expiry, wall_ms, retention_ms);
            let all = due.len() == group.offsets.values().map(|offsets| offsets.len()).sum::<usize>();
            if all && expiry == Expiry::Empty && !group.has_members() {
                gone.push(id.clone());
                groups.push(id);
            } else if !due.is_empty() {
                offsets.push((id, due));
            }
        }
        if offsets.is_empty() && groups.is_empty() {
            return Decision::reply(Reply::Gone(gone));
        }
        Decision::record(GroupRecord::Expired { offsets, groups }, Reply::Gone(gone))
    }

    fn group_mut(&mut self, id: &GroupId) -> &mut Group {
        Arc::make_mut(self.groups.entry(id.clone()).or_default())
    }

    fn remove_offsets(&mut self, group: &GroupId, partitions: &[(TopicName, i32)]) {
        if let Some(group) = self.groups.get_mut(group) {
            let group = Arc::make_mut(group);
            partitions.iter().for_each(|(topic, partition)| group.remove_offset(topic, *partition));
        }
    }

    /// The groups with offsets of a topic, by id or, where the id was not known, by name.
    fn with_topic(&self, topic: &TopicName, id: TopicId) -> Vec<(GroupId, Vec<(TopicName, i32)>)> {
        let of = |(group, known): (&GroupId, &Arc<Group>)| {
            let offsets = known.offsets.get(topic)?.iter();
            let mine = offsets.filter(|(_, offset)| offset.topic_id.is_zero() || offset.topic_id == id);
            let partitions: Vec<_> = mine.map(|(partition, _)| (topic.clone(), *partition)).collect();
            (!partitions.is_empty()).then(|| (group.clone(), partitions))
        };
        self.groups.iter().filter_map(of).collect()
    }
}

impl Machine for Groups {
    type Command = Command;
    type Reply = Reply;
    type Record = GroupRecord;

    fn decide(&self, command: Command, now: Now) -> Decided {
        if command.epoch.is_some_and(|epoch| epoch != now.epoch) {
            return Decision::reply(Reply::Fenced);
        }
        match command.request {
            Request::Complete { group, generation } => {
                let known = self.get(group.as_str()).and_then(|known| known.generation.as_ref());
                if known.is_some_and(|known| known.id > generation.id) {
                    return Decision::reply(Reply::Fenced);
                }
                Decision::record(GroupRecord::Completed { group, generation }, Reply::Done)
            }
            Request::Commit { group, committer, retention_ms, offsets } => {
                self.commit(group, committer, || committed(offsets, now.wall_ms, retention_ms))
            }
            Request::DeleteOffsets { group, partitions } => self.delete_offsets(group, partitions),
            Request::DeleteGroup { group } => match self.get(group.as_str()) {
                None => Decision::reply(Reply::Done),
                Some(known) if known.has_members() => {
                    Decision::reply(Reply::Refused(GroupError::NonEmptyGroup))
                }
                Some(_) => Decision::record(GroupRecord::GroupDeleted { group }, Reply::Done),
            },
            Request::ForgetTopic { topic, id } => match self.with_topic(&topic, id).is_empty() {
                true => Decision::reply(Reply::Done),
                false => Decision::record(GroupRecord::TopicForgotten { topic, id }, Reply::Done),
            },
            Request::Expire { groups, retention_ms } => self.expire(groups, retention_ms, now.wall_ms),
        }
    }

    fn space_bytes(command: &Command) -> Option<u64> {
        match &command.request {
            // A group that became empty must be able to say so: its members are gone in any case.
            Request::Complete { generation, .. } if generation.members.is_empty() => None,
            Request::Complete { group, generation } => {
                let Generation { protocol_type, protocol, leader, members, .. } = generation;
                let names = [
                    group.as_str(),
                    protocol_type,
                    protocol.as_deref().unwrap_or_default(),
                    leader.as_ref().map_or("", |leader| leader.as_str()),
                ];
                let member = |member: &crate::GenerationMember| {
                    let texts = member.id.as_str().len() + member.client_id.len() + member.client_host.len();
                    let instance = member.instance.as_ref().map_or(0, |instance| instance.as_str().len());
                    64 + texts + instance + member.metadata.len() + member.assignment.len()
                };
                let names = names.into_iter().map(str::len).sum::<usize>();
                Some(512 + (names + members.iter().map(member).sum::<usize>()) as u64)
            }
            Request::Commit { group, offsets, .. } => {
                let offset = |offset: &NewOffset| 80 + offset.topic.as_str().len() + offset.metadata.len();
                Some(512 + (group.as_str().len() + offsets.iter().map(offset).sum::<usize>()) as u64)
            }
            Request::DeleteOffsets { .. }
            | Request::DeleteGroup { .. }
            | Request::ForgetTopic { .. }
            | Request::Expire { .. } => None,
        }
    }

    fn refuse(_: Reply, why: NoRoom) -> Reply {
        match why {
            NoRoom::Full => Reply::Full,
            NoRoom::TooLarge => Reply::TooLarge,
        }
    }

    fn replay(&mut self, record: &GroupRecord, at: At) {
        match record {
            GroupRecord::Completed { group, generation } => {
                let leader = |id: &crate::MemberId| generation.members.iter().any(|member| member.id == *id);
                assert_eq!(
                    generation.leader.is_some(),
                    !generation.members.is_empty(),
                    "members have a leader"
                );
                assert!(generation.leader.as_ref().is_none_or(leader), "the leader is a member");
                let group = self.group_mut(group);
                let before = group.generation.replace(Arc::new(generation.clone()));
                group.since_ms = at.time_ms;
                assert!(before.is_none_or(|before| before.id <= generation.id), "generations rise");
            }
            GroupRecord::Committed { group, offsets } => {
                let group = self.group_mut(group);
                let kept = if planted(Bug::LoseCommit) { 1 } else { offsets.len() };
                for (topic, partition, offset) in offsets.iter().take(kept) {
                    let topic = group.offsets.entry(topic.clone()).or_default();
                    topic.insert(*partition, Arc::new(offset.clone()));
                }
            }
            GroupRecord::OffsetsDeleted { group, partitions } => self.remove_offsets(group, partitions),
            GroupRecord::GroupDeleted { group } => drop(self.groups.remove(group)),
            GroupRecord::TopicForgotten { topic, id } => {
                let found = self.with_topic(topic, *id);
                found.iter().for_each(|(group, partitions)| self.remove_offsets(group, partitions));
            }
            GroupRecord::Expired { offsets, groups } => {
                offsets.iter().for_each(|(group, partitions)| self.remove_offsets(group, partitions));
                groups.iter().for_each(|group| drop(self.groups.remove(group)));
            }
        }
    }

    fn snapshot(&self) -> Vec<Pair> {
        snapshot::encode(self)
    }

    fn restore(&mut self, key: Bytes, value: Bytes) -> Result<(), Corrupt> {
        snapshot::restore(self, key, value)
    }
}
