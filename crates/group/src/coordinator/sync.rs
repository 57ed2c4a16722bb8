//! SyncGroup: the leader says who gets what; the others wait for it, and it for the journal.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    desk::{Pending, Turn},
    event::{Sync, Token},
    group::GroupState,
    output::Answer,
    timers::Timer,
};
use crate::{GroupError, MemberId, Request};

fn differ(said: Option<&Arc<str>>, known: Option<&Arc<str>>) -> bool {
    matches!((said, known), (Some(said), Some(known)) if said != known)
}

impl Turn<'_> {
    fn check_sync(&self, sync: &Sync) -> Result<(), GroupError> {
        self.group.check_member(&sync.member, sync.instance.as_ref())?;
        if sync.generation != self.group.generation {
            return Err(GroupError::IllegalGeneration);
        }
        if differ(sync.protocol_type.as_ref(), self.group.protocol_type.as_ref())
            || differ(sync.protocol.as_ref(), self.group.protocol.as_ref())
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        if self.group.is(GroupState::PreparingRebalance) {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self, token: Token, sync: Sync) {
        if let Err(error) = self.check_sync(&sync) {
            return self.desk.answer(token, Answer::Sync(Err(error)));
        }
        self.group.pending_sync.remove(&sync.member);
        if self.group.pending_sync.is_empty() {
            self.desk.timers.cancel(&Timer::Sync(self.id.clone()));
        }
        if self.group.is(GroupState::Stable) {
            return self.desk.answer(token, Answer::Sync(Ok(self.group.synced(&sync.member))));
        }
        let member = self.group.members.get_mut(&sync.member).expect("checked");
        if let Some(superseded) = member.sync.replace(token) {
            self.desk.answer(superseded, Answer::Sync(Err(GroupError::RebalanceInProgress)));
        }
        // A leader that asks again finds its first assignment under way; there is one a generation.
        if self.group.is_leader(&sync.member) && self.group.assigning.is_none() {
            self.assign(sync.assignments.into_iter().collect());
        }
    }

    fn assign(&mut self, assignments: BTreeMap<MemberId, Bytes>) {
        let (group, generation) = (self.id.clone(), self.group.generation);
        let given = |member: &MemberId| assignments.get(member).cloned().unwrap_or_default();
        let record = self.group.record(|member| given(&member.id));
        let request = Request::Complete { group: group.clone(), generation: record };
        let ticket = self.write(request, Pending::Assign { group, generation, assignments });
        self.group.assigning = Some(ticket);
    }

    /// The assignment is durable, or was refused.
    pub(crate) fn assigned(
        &mut self,
        generation: i32,
        mut assignments: BTreeMap<MemberId, Bytes>,
        result: Result<(), GroupError>,
    ) {
        if !self.group.is(GroupState::CompletingRebalance) || self.group.generation != generation {
            return; // a rebalance began meanwhile, and answered
        }
        self.group.assigning = None;
        if let Err(error) = result {
            self.drop_assignments(error);
            return self.rebalance_or_complete();
        }
        for member in self.group.members.values_mut() {
            member.assignment = assignments.remove(&member.id).unwrap_or_default();
        }
        self.group.turn_to(GroupState::Stable);
        self.answer_syncs(Ok(()));
    }
}
