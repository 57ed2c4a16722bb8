//! Commits and deletions: checked against the members here, carried out by the machine. Offsets that are due (KIP-211).

use std::{ops::Bound, sync::Arc};

use super::{
    Coordinator,
    desk::{Pending, Turn},
    event::{Commit, DeleteOffsets, Token},
    group::{CONSUMER, Group, GroupState},
    output::Answer,
};
use klamm_model::{Bug, planted};

use crate::{Committer, Expiry, GroupError, GroupId, Request};

/// Groups whose offsets are looked at in one command.
const EXPIRY_GROUPS: usize = 256;

impl Group {
    /// In whose name a commit is (KIP-345); the errors are the client's to act on.
    fn committer(&self, commit: &Commit) -> Result<Committer, GroupError> {
        if commit.generation < 0 && self.is(GroupState::Empty) {
            return Ok(Committer::Simple);
        }
        if commit.generation < 0 && commit.member.is_empty() && commit.instance.is_none() {
            return Err(GroupError::UnknownMemberId);
        }
        self.check_member(&commit.member, commit.instance.as_ref())?;
        if commit.generation != self.generation && !planted(Bug::SkipGenerationCheck) {
            return Err(GroupError::IllegalGeneration);
        }
        // It knows of the new generation, but has no assignment yet to commit for.
        match self.state {
            GroupState::CompletingRebalance => Err(GroupError::RebalanceInProgress),
            _ => Ok(Committer::Member(commit.generation)),
        }
    }

    /// What of the group's offsets may expire; None if all are in use, or it is not known which are.
    fn expiry(&self) -> Option<Expiry> {
        if self.is_deserted() {
            return Some(Expiry::Empty);
        }
        let readable = self.is(GroupState::Stable) && self.protocol_type.as_deref() == Some(CONSUMER);
        let topics = self.subscribed.as_ref().filter(|_| readable)?;
        Some(Expiry::Subscribed(Arc::clone(topics)))
    }
}

impl Coordinator {
    pub(crate) fn commit(&mut self, token: Token, commit: Commit) {
        let known = self.groups.get(&commit.group);
        let committer = match known {
            Some(group) => group.committer(&commit),
            None if commit.generation < 0 => Ok(Committer::Simple),
            None if commit.knows_missing_group => Err(GroupError::GroupIdNotFound),
            None => Err(GroupError::IllegalGeneration),
        };
        let committer = match committer {
            Ok(committer) => committer,
            Err(error) => return self.desk.answer(token, Answer::Offsets(Err(error))),
        };
        let longest = self.desk.config.offset_metadata_max;
        let (mut offsets, mut results) = (Vec::new(), Vec::new());
        for offset in commit.offsets {
            let fits = offset.metadata.encode_utf16().count() <= longest;
            results.push(if fits { Ok(()) } else { Err(GroupError::OffsetMetadataTooLarge) });
            offsets.extend(fits.then_some(offset));
        }
        if offsets.is_empty() && known.is_none() {
            return self.desk.answer(token, Answer::Offsets(Ok(results)));
        }
        let id = commit.group;
        let group = self.groups.entry(id.clone()).or_default();
        let mut turn = Turn { id: &id, group, desk: &mut self.desk };
        // A commit is a sign of life.
        if committer != Committer::Simple {
            turn.expect_heartbeat(&commit.member);
        }
        if offsets.is_empty() {
            return turn.desk.answer(token, Answer::Offsets(Ok(results)));
        }
        let request =
            Request::Commit { group: id.clone(), committer, retention_ms: commit.retention_ms, offsets };
        turn.write(request, Pending::Offsets(token, results));
    }

    /// KIP-496: offsets that no member uses.
    pub(crate) fn delete_offsets(&mut self, token: Token, delete: DeleteOffsets) {
        let refused = match self.groups.get(&delete.group) {
            None => Some(GroupError::GroupIdNotFound),
            Some(group)
                if !group.is(GroupState::Empty) && group.protocol_type.as_deref() != Some(CONSUMER) =>
            {
                Some(GroupError::NonEmptyGroup)
            }
            Some(_) => None,
        };
        if let Some(error) = refused {
            return self.desk.answer(token, Answer::Offsets(Err(error)));
        }
        let group = &self.groups[&delete.group];
        let used = |topic: &klamm_model::TopicName| group.uses_topic(topic.as_str());
        let result = |used: bool| if used { Err(GroupError::GroupSubscribedToTopic) } else { Ok(()) };
        let results = delete.partitions.iter().map(|(topic, _)| result(used(topic))).collect();
        let unused = delete.partitions.into_iter().filter(|(topic, _)| !used(topic)).collect();
        let request = Request::DeleteOffsets { group: delete.group, partitions: unused };
        self.desk.submit(request, Pending::Offsets(token, results));
    }

    /// Forgets a group that nobody is in.
    pub(crate) fn delete_group(&mut self, token: Token, id: GroupId) {
        let error = match self.groups.get(&id) {
            None => GroupError::GroupIdNotFound,
            Some(group) if !group.is(GroupState::Empty) => GroupError::NonEmptyGroup,
            Some(_) => {
                let group = self.groups.remove(&id).expect("it is there");
                for member in group.pending_join {
                    self.desk.timers.cancel(&super::timers::Timer::Session(id.clone(), member));
                }
                self.desk.submit(Request::DeleteGroup { group: id }, Pending::DeleteGroup(token));
                return;
            }
        };
        self.desk.answer(token, Answer::DeleteGroup(Err(error)));
    }

    /// Looks at the offsets of the next groups after one.
    pub(crate) fn expire_from(&mut self, after: Option<GroupId>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let due = self.groups.range::<GroupId, _>((from, Bound::Unbounded));
        let due = due.filter_map(|(id, group)| Some((id.clone(), group.expiry()?)));
        let groups: Vec<_> = due.take(EXPIRY_GROUPS).collect();
        self.expiring = groups.last().map(|(id, _)| id.clone());
        if !groups.is_empty() {
            let retention_ms = self.desk.config.offsets_retention_ms;
            self.desk.submit(Request::Expire { groups, retention_ms }, Pending::Expire);
        }
    }
}
