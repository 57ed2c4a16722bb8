//! Heartbeats, members that leave, members that are silent.

use super::{
    desk::Turn,
    event::{Heartbeat, Leaving},
    group::GroupState,
    output::Left,
};
use crate::{GroupError, MemberId};

impl Turn<'_> {
    pub(crate) fn heartbeat(&mut self, heartbeat: &Heartbeat) -> Result<(), GroupError> {
        self.group.check_member(&heartbeat.member, heartbeat.instance.as_ref())?;
        if heartbeat.generation != self.group.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.expect_heartbeat(&heartbeat.member);
        match self.group.state {
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Members leave, several at a time (KIP-345). A static member may be removed by its instance id alone.
    pub(crate) fn leave(&mut self, leaving: &[Leaving]) -> Vec<Left> {
        let left: Vec<Left> = leaving.iter().map(|leaving| self.leave_one(leaving)).collect();
        if left.iter().any(Result::is_ok) {
            match self.group.state {
                GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(),
                GroupState::PreparingRebalance => self.maybe_complete_join(),
                GroupState::Empty => {}
            }
        }
        left
    }

    fn leave_one(&mut self, leaving: &Leaving) -> Left {
        let member = if leaving.member.is_empty() {
            let known =
                leaving.instance.as_ref().and_then(|instance| self.group.statics.get(instance).cloned());
            known.ok_or(GroupError::UnknownMemberId)?
        } else {
            if !self.group.pending_join.contains(&leaving.member) {
                self.group.check_member(&leaving.member, leaving.instance.as_ref())?;
            }
            leaving.member.clone()
        };
        self.remove(&member);
        Ok(())
    }

    /// A member was silent for its session, or never came back with its id.
    pub(crate) fn session_ended(&mut self, member: &MemberId) {
        let known = self.group.members.get(member);
        if known.is_some_and(|known| known.is_excused())
            || (known.is_none() && !self.group.pending_join.contains(member))
        {
            return;
        }
        let was_member = known.is_some();
        self.remove(member);
        match self.group.state {
            GroupState::Stable | GroupState::CompletingRebalance if was_member => self.prepare_rebalance(),
            GroupState::PreparingRebalance if self.group.all_joined() => self.complete_join(),
            _ => {}
        }
    }
}
