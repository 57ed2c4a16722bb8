//! The desk: what all groups share (settings, timers, outputs, commands on their way), and a group's turn at it.

use std::collections::BTreeMap;

use bytes::Bytes;
use klamm_model::Epoch;

use super::{
    config::GroupConfig,
    event::{Ticket, Token},
    group::{Group, Member},
    output::{Answer, JoinRefused, Output},
    timers::{Timer, Timers},
};
use crate::{GroupError, GroupId, MemberId, Request};

/// What goes on once a command is durable.
#[derive(Debug)]
pub(crate) enum Pending {
    /// Nothing: the group became empty.
    Nothing,
    /// Members get what the leader gave them.
    Assign { group: GroupId, generation: i32, assignments: BTreeMap<MemberId, Bytes> },
    /// A static member that came under a new id is answered.
    Renamed(Box<Renamed>),
    /// Offsets were committed or deleted: answer so.
    Offsets(Token, Vec<Result<(), GroupError>>),
    /// A group was deleted.
    DeleteGroup(Token),
    /// Offsets were looked at.
    Expire,
}

#[derive(Debug)]
pub(crate) struct Renamed {
    pub(crate) group: GroupId,
    pub(crate) member: MemberId,
    pub(crate) token: Token,
    /// The leader before the member came; a member that can't skip assigning must not learn that it leads.
    pub(crate) leader_before: Option<MemberId>,
    pub(crate) can_skip_assignment: bool,
    /// Who had the instance id before.
    pub(crate) before: Member,
}

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) config: GroupConfig,
    pub(crate) timers: Timers,
    pub(crate) now_ms: u64,
    epoch: Epoch,
    outputs: Vec<Output>,
    writes: BTreeMap<Ticket, Pending>,
    next: Ticket,
}

impl Desk {
    pub(crate) fn new(epoch: Epoch, config: GroupConfig, now_ms: u64) -> Self {
        let (timers, outputs, writes) = <_>::default();
        Self { config, timers, now_ms, epoch, outputs, writes, next: Ticket(1) }
    }

    pub(crate) fn answer(&mut self, token: Token, answer: Answer) {
        self.outputs.push(Output::Answer(token, answer));
    }

    pub(crate) fn refuse_join(&mut self, token: Token, error: GroupError, member: &MemberId) {
        self.answer(token, Answer::Join(Err(JoinRefused { error, member: member.clone() })));
    }

    pub(crate) fn submit(&mut self, request: Request, pending: Pending) -> Ticket {
        let ticket = self.next;
        self.next.0 += 1;
        self.writes.insert(ticket, pending);
        self.outputs.push(Output::Submit(ticket, request.within(self.epoch)));
        ticket
    }

    pub(crate) fn take_write(&mut self, ticket: Ticket) -> Option<Pending> {
        self.writes.remove(&ticket)
    }

    /// A static member's id was not recorded, and another took its place since: whom that one replaces is its forerunner.
    pub(crate) fn hand_down(&mut self, refused: Renamed) {
        let next = self.writes.values_mut().find_map(|pending| match pending {
            Pending::Renamed(next) if next.group == refused.group && next.before.id == refused.member => {
                Some(next)
            }
            _ => None,
        });
        if let Some(next) = next {
            next.before = refused.before;
        }
    }

    /// Answers those whose commands will never be heard of.
    pub(crate) fn abandon_writes(&mut self) {
        for pending in std::mem::take(&mut self.writes).into_values() {
            match pending {
                Pending::Offsets(token, _) => {
                    self.answer(token, Answer::Offsets(Err(GroupError::NotCoordinator)))
                }
                Pending::DeleteGroup(token) => {
                    self.answer(token, Answer::DeleteGroup(Err(GroupError::NotCoordinator)))
                }
                // Those who wait for these are parked in their groups.
                Pending::Nothing | Pending::Assign { .. } | Pending::Renamed(_) | Pending::Expire => {}
            }
        }
    }

    /// Sets a timer; it is always ahead, so a tick ends.
    pub(crate) fn set_timer(&mut self, timer: Timer, in_ms: u64) {
        self.timers.set(timer, self.now_ms + in_ms.max(1));
    }

    pub(crate) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }
}

/// One group's turn.
pub(crate) struct Turn<'a> {
    pub(crate) id: &'a GroupId,
    pub(crate) group: &'a mut Group,
    pub(crate) desk: &'a mut Desk,
}

impl Turn<'_> {
    /// Submits a command that leaves the group with hard state.
    pub(crate) fn write(&mut self, request: Request, pending: Pending) -> Ticket {
        self.group.last_write = self.desk.submit(request, pending);
        self.group.was_written = true;
        self.group.last_write
    }

    /// A member's session begins anew.
    pub(crate) fn expect_heartbeat(&mut self, member: &MemberId) {
        let known = &self.group.members[member];
        let session_ms = u64::try_from(known.session_timeout_ms).unwrap_or(0);
        self.desk.set_timer(Timer::Session(self.id.clone(), member.clone()), session_ms);
    }

    /// Answers what a member waits for with an error.
    pub(crate) fn release(&mut self, member: &MemberId, error: GroupError) {
        if let Some(token) = self.group.take_join(member) {
            let named = if error == GroupError::UnknownMemberId { &MemberId::from("") } else { member };
            self.desk.refuse_join(token, error, named);
        }
        if let Some(token) = self.group.members.get_mut(member).and_then(|member| member.sync.take()) {
            self.desk.answer(token, Answer::Sync(Err(error)));
        }
    }

    /// Removes a member, or one that was to become one.
    pub(crate) fn remove(&mut self, member: &MemberId) {
        self.release(member, GroupError::UnknownMemberId);
        self.desk.timers.cancel(&Timer::Session(self.id.clone(), member.clone()));
        self.group.remove(member);
    }
}
