//! Static members that come again without their member id (KIP-345, KIP-814): the id changes, the rest stays.

use super::{
    desk::{Pending, Renamed, Turn},
    event::{Join, Token},
    group::{Group, GroupState},
    output::{Answer, Joined},
    timers::Timer,
};
use crate::{GroupError, MemberId, Request};

impl Turn<'_> {
    /// A static member starts anew: whoever had its instance id is fenced.
    pub(crate) fn rename(&mut self, token: Token, before: &MemberId, member: MemberId, join: &Join) {
        let leader_before = self.group.leader.clone();
        self.release(before, GroupError::FencedInstanceId);
        self.desk.timers.cancel(&Timer::Session(self.id.clone(), before.clone()));
        let before = self.group.rename(before, member.clone(), join);
        self.expect_heartbeat(&member);
        self.group.park_join(&member, token);
        match self.group.state {
            GroupState::Stable if self.group.select_protocol() == self.group.protocol => {
                let generation = self.group.record(|member| member.assignment.clone());
                let request = Request::Complete { group: self.id.clone(), generation };
                let can_skip_assignment = join.can_skip_assignment;
                let group = self.id.clone();
                let renamed = Renamed { group, member, token, leader_before, can_skip_assignment, before };
                self.write(request, Pending::Renamed(Box::new(renamed)));
            }
            GroupState::Stable => self.rebalance_or_complete(),
            // The leader may know the old id only.
            GroupState::CompletingRebalance => self.prepare_rebalance(),
            GroupState::PreparingRebalance => self.maybe_complete_join(),
            GroupState::Empty => unreachable!("an empty group has no members"),
        }
    }

    /// The new id is durable, or was refused.
    pub(crate) fn renamed(&mut self, renamed: Renamed, result: Result<(), GroupError>) {
        let known = self.group.members.get(&renamed.member);
        if !self.group.is(GroupState::Stable) || known.is_some_and(|known| known.join != Some(renamed.token))
        {
            return; // a rebalance began meanwhile; it answers, or did
        }
        if known.is_none() {
            // Its successor, if it is refused too, gives way to what is recorded.
            return if result.is_err() {
                self.desk.hand_down(renamed)
            };
        }
        self.group.take_join(&renamed.member);
        if let Err(error) = result {
            self.desk.timers.cancel(&Timer::Session(self.id.clone(), renamed.member.clone()));
            let old = renamed.before.id.clone();
            self.group.rename_back(&renamed.member, renamed.before);
            self.expect_heartbeat(&old);
            return self.desk.refuse_join(renamed.token, error, &MemberId::from(""));
        }
        self.desk.answer(renamed.token, Answer::Join(Ok(self.group.rejoined(&renamed))));
    }
}

impl Group {
    fn rejoined(&self, renamed: &Renamed) -> Joined {
        let mut joined = self.joined(&renamed.member);
        if renamed.can_skip_assignment {
            joined.skip_assignment = self.is_leader(&renamed.member);
        } else {
            // Taken for the leader it would assign anew, which nobody waits for.
            joined.members.clear();
            joined.leader = renamed.leader_before.clone().unwrap_or_else(|| "".into());
        }
        joined
    }
}
