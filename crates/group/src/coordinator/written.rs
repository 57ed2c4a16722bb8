//! Replies of the machine: what waited for the journal goes on.

use super::{Coordinator, desk::Pending, event::Ticket, output::Answer};
use crate::{GroupError, GroupId, Reply};

/// A reply as a result. Without one it is not known what took effect, and the epoch is over.
fn result(reply: Option<&Reply>) -> Result<(), GroupError> {
    match reply {
        Some(Reply::Done | Reply::Gone(_)) => Ok(()),
        Some(Reply::Refused(error)) => Err(*error),
        Some(Reply::Full) => Err(GroupError::CoordinatorNotAvailable),
        Some(Reply::TooLarge) => Err(GroupError::TooLarge),
        Some(Reply::Fenced) | None => Err(GroupError::NotCoordinator),
    }
}

impl Coordinator {
    pub(crate) fn written(&mut self, ticket: Ticket, reply: Option<Reply>) {
        let Some(pending) = self.desk.take_write(ticket) else { return };
        let result = result(reply.as_ref());
        match pending {
            Pending::Nothing => {}
            Pending::Assign { group, generation, assignments } => {
                if let Ok(mut turn) = self.turn_of(&group) {
                    // A group that was deleted and made again may have the same generation.
                    if turn.group.assigning == Some(ticket) {
                        turn.assigned(generation, assignments, result);
                    }
                }
            }
            Pending::Renamed(renamed) => {
                if let Ok(mut turn) = self.turn_of(&renamed.group.clone()) {
                    turn.renamed(*renamed, result);
                }
            }
            Pending::Offsets(token, results) => {
                self.desk.answer(token, Answer::Offsets(result.map(|()| results)));
            }
            Pending::DeleteGroup(token) => self.desk.answer(token, Answer::DeleteGroup(result)),
            Pending::Expire => {
                if let Some(Reply::Gone(gone)) = reply {
                    gone.iter().for_each(|group| self.forget_if_gone(group, ticket));
                }
                let after = self.expiring.take();
                if result.is_ok() && after.is_some() {
                    self.expire_from(after);
                }
            }
        }
    }

    /// The machine had no such group at a command; nor has it now, if nothing was written since.
    fn forget_if_gone(&mut self, id: &GroupId, at: Ticket) {
        let gone = |group: &super::Group| group.is_deserted() && group.last_write < at;
        if self.groups.get(id).is_some_and(gone) {
            self.groups.remove(id);
        }
    }
}
