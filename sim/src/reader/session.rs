//! A fetch session as a client keeps it (KIP-227), pure: what to name in the next request, what an answer means, and what
//! the broker says of a partition by leaving it out: that it is as it was told last.

use std::collections::BTreeMap;

use klamm_checker::Part;
use klamm_protocol::{ErrorCode, Uuid};

/// A partition as requests name it: by the topic's name or by its id, and its index.
pub(super) type Key = (String, Uuid, i32);

/// The epoch that begins a session; an old one of the same id ends.
const BEGINS: i32 = 0;
/// The epoch that ends a session.
const ENDS: i32 = -1;

/// What is asked of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) part: Part,
    pub(super) offset: i64,
    pub(super) bytes_max: i32,
}

/// High watermark and log start.
pub(super) type Marks = (i64, i64);

#[derive(Debug)]
struct Known {
    asked: Asked,
    /// As the broker told them last, if it did without an error.
    told: Option<Marks>,
    /// The broker takes it for the partition of a topic that had this name before.
    inherited: bool,
}

/// What a request says of its session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) id: i32,
    pub(super) epoch: i32,
    pub(super) named: Vec<Key>,
    pub(super) forgotten: Vec<Key>,
    /// The answer must be this error.
    must_fail: Option<ErrorCode>,
}

/// What a client does besides going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prank {
    /// Sends an epoch that is not the next.
    WrongEpoch,
    /// Sends an id that nobody was given.
    WrongId,
    /// Ends its session.
    End,
    /// Begins again, though all is well.
    Begin,
}

/// What is known of a partition that an answer leaves out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// It is as it was.
    Unchanged(Marks),
    /// Nothing.
    Unknown,
    /// It had to be in the answer.
    Wrong,
}

#[derive(Debug, Default)]
pub(super) struct Session {
    /// Zero for none.
    id: i32,
    epoch: i32,
    known: BTreeMap<Key, Known>,
    /// The connection is another, so that the broker may know the session no more, or be a step ahead.
    doubtful: bool,
    /// What the last request forgot.
    forgotten: Vec<Key>,
    /// The last request may not have come: all is to be named, and this to be forgotten, again.
    unsure: Option<Vec<Key>>,
}

impl Session {
    /// The connection was lost. A client that is not careful goes on where it was.
    pub(super) fn reconnected(&mut self, careful: bool) {
        self.doubtful = true;
        if careful {
            self.epoch = BEGINS;
        } else {
            self.unsure = Some(std::mem::take(&mut self.forgotten));
        }
    }

    /// The next request, for exactly these partitions.
    pub(super) fn plan(&mut self, wanted: &BTreeMap<Key, Asked>, prank: Option<Prank>) -> Plan {
        if prank == Some(Prank::Begin) {
            self.epoch = BEGINS;
        }
        let is_open = self.id != 0 && self.epoch != BEGINS;
        match prank {
            Some(Prank::WrongEpoch) if is_open && !self.doubtful => {
                let must_fail = Some(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
                return Plan { id: self.id, epoch: self.epoch + 1, must_fail, ..Plan::empty() };
            }
            Some(Prank::WrongId) => {
                let must_fail = Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
                return Plan { id: self.id ^ 1, epoch: 1, must_fail, ..Plan::empty() };
            }
            Some(Prank::End) if is_open => self.epoch = ENDS,
            _ => {}
        }
        if self.epoch <= BEGINS {
            self.known.clear();
            (self.forgotten, self.unsure) = (Vec::new(), None);
        }
        let unsure = std::mem::take(&mut self.unsure);
        let mut forgotten: Vec<Key> =
            self.known.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
        if let Some(again) = &unsure {
            forgotten.extend(again.iter().filter(|key| !wanted.contains_key(*key)).cloned());
        }
        self.known.retain(|key, _| wanted.contains_key(key));
        let mut named = Vec::new();
        for (key, asked) in wanted {
            let known = self.known.get(key);
            if unsure.is_none() && known.is_some_and(|known| known.asked == *asked) {
                continue;
            }
            let same = known.filter(|known| known.asked.part == asked.part);
            let told = same.and_then(|known| known.told);
            let inherited = same.map_or(known.is_some(), |known| known.inherited);
            self.known.insert(key.clone(), Known { asked: *asked, told, inherited });
            named.push(key.clone());
        }
        self.forgotten.clone_from(&forgotten);
        Plan { id: self.id, epoch: self.epoch, named, forgotten, must_fail: None }
    }

    /// Takes an answer's head; tells whether its partitions are to be looked at. An error says what is wrong with it.
    pub(super) fn answered(&mut self, plan: &Plan, error: ErrorCode, id: i32) -> Result<bool, String> {
        let doubtful = std::mem::take(&mut self.doubtful);
        let wrong = || Err(format!("a fetch of session {} in epoch {}: {error:?}", plan.id, plan.epoch));
        if plan.must_fail.is_some() {
            // Which of the two errors a session gets that is gone already is all the same.
            self.doubtful = doubtful;
            let gone = doubtful && error == ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
            return if plan.must_fail == Some(error) || gone { Ok(false) } else { wrong() };
        }
        match error {
            ErrorCode::NONE if plan.epoch <= BEGINS => {
                (self.id, self.epoch) = (id, i32::from(id != 0));
                if plan.epoch == ENDS && id != 0 {
                    return Err(format!("session {id} does not end"));
                }
                Ok(true)
            }
            ErrorCode::NONE if id != self.id => Err(format!("session {} is answered as {id}", self.id)),
            ErrorCode::NONE => {
                self.epoch += 1;
                Ok(true)
            }
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND if doubtful && plan.epoch > BEGINS => {
                (self.id, self.epoch) = (0, BEGINS);
                Ok(false)
            }
            ErrorCode::INVALID_FETCH_SESSION_EPOCH if doubtful && plan.epoch > BEGINS => {
                self.epoch = BEGINS;
                Ok(false)
            }
            _ => wrong(),
        }
    }

    /// The answer tells of a partition: its marks, or none because of an error.
    pub(super) fn told(&mut self, key: &Key, told: Option<Marks>) {
        if let Some(known) = self.known.get_mut(key) {
            known.told = told;
            known.inherited = false;
        }
    }

    /// The answer leaves a partition out.
    pub(super) fn left_out(&self, plan: &Plan, key: &Key) -> LeftOut {
        match self.known.get(key) {
            Some(Known { inherited: true, .. }) => LeftOut::Unknown,
            Some(Known { told: Some(marks), .. }) if plan.epoch > BEGINS => LeftOut::Unchanged(*marks),
            _ => LeftOut::Wrong,
        }
    }
}

impl Plan {
    fn empty() -> Self {
        Self { id: 0, epoch: 0, named: Vec::new(), forgotten: Vec::new(), must_fail: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: i32) -> Key {
        ("t".to_owned(), Uuid::ZERO, index)
    }

    fn wanted(all: &[(i32, u32, i64)]) -> BTreeMap<Key, Asked> {
        let asked = |part, offset| Asked { part: Part(part), offset, bytes_max: 1 };
        all.iter().map(|(index, part, offset)| (key(*index), asked(*part, *offset))).collect()
    }

    /// A session with two partitions, its first answer taken.
    fn begun() -> Session {
        let mut session = Session::default();
        let plan = session.plan(&wanted(&[(0, 10, 0), (1, 11, 0)]), None);
        assert_eq!((plan.id, plan.epoch, plan.named.len()), (0, 0, 2));
        assert_eq!(session.left_out(&plan, &key(0)), LeftOut::Wrong);
        assert_eq!(session.answered(&plan, ErrorCode::NONE, 7), Ok(true));
        session.told(&key(0), Some((5, 0)));
        session.told(&key(1), None);
        session
    }

    #[test]
    fn only_changes_are_named() {
        let mut session = begun();
        let plan = session.plan(&wanted(&[(0, 10, 5), (1, 11, 0)]), None);
        assert_eq!((plan.id, plan.epoch), (7, 1));
        assert_eq!((plan.named.clone(), plan.forgotten.clone()), (vec![key(0)], vec![]));
        assert_eq!(session.answered(&plan, ErrorCode::NONE, 7), Ok(true));
        assert_eq!(session.left_out(&plan, &key(0)), LeftOut::Unchanged((5, 0)));
        assert_eq!(session.left_out(&plan, &key(1)), LeftOut::Wrong, "it had an error");
        let plan = session.plan(&wanted(&[(1, 11, 0), (2, 12, 0)]), None);
        assert_eq!((plan.epoch, plan.named, plan.forgotten), (2, vec![key(2)], vec![key(0)]));
    }

    #[test]
    fn a_topic_of_the_same_name_is_another() {
        let mut session = begun();
        let plan = session.plan(&wanted(&[(0, 20, 0), (1, 11, 0)]), None);
        assert_eq!((plan.named.clone(), plan.forgotten.clone()), (vec![key(0)], vec![]));
        assert_eq!(session.left_out(&plan, &key(0)), LeftOut::Unknown);
        session.told(&key(0), Some((9, 0)));
        assert_eq!(session.left_out(&plan, &key(0)), LeftOut::Unchanged((9, 0)));
    }

    #[test]
    fn errors_are_right_where_the_session_may_be_gone() {
        let all = wanted(&[(0, 10, 0), (1, 11, 0)]);
        for error in [ErrorCode::FETCH_SESSION_ID_NOT_FOUND, ErrorCode::INVALID_FETCH_SESSION_EPOCH] {
            let mut session = begun();
            let plan = session.plan(&all, None);
            assert!(session.answered(&plan, error, 0).is_err());
            let mut session = begun();
            session.reconnected(false);
            let plan = session.plan(&all, None);
            assert_eq!(session.answered(&plan, error, 0), Ok(false));
            let plan = session.plan(&all, None);
            assert_eq!((plan.epoch, plan.named.len()), (0, 2), "all over again");
            assert!(session.answered(&plan, error, 0).is_err(), "a session can be begun");
        }
        let mut session = begun();
        let plan = session.plan(&all, None);
        assert!(session.answered(&plan, ErrorCode::NONE, 8).is_err());
    }

    #[test]
    fn what_may_not_have_come_is_said_again() {
        let mut session = begun();
        let plan = session.plan(&wanted(&[(0, 10, 5)]), None);
        assert_eq!((plan.named, plan.forgotten), (vec![key(0)], vec![key(1)]));
        session.reconnected(false);
        let plan = session.plan(&wanted(&[(0, 10, 5)]), None);
        assert_eq!((plan.epoch, plan.named, plan.forgotten), (1, vec![key(0)], vec![key(1)]));
    }

    #[test]
    fn pranks_are_noticed() {
        let all = wanted(&[(0, 10, 0), (1, 11, 0)]);
        let mut session = begun();
        let plan = session.plan(&all, Some(Prank::WrongEpoch));
        assert!(session.answered(&plan, ErrorCode::NONE, 7).is_err());
        assert_eq!(session.answered(&plan, ErrorCode::INVALID_FETCH_SESSION_EPOCH, 0), Ok(false));
        let plan = session.plan(&all, Some(Prank::WrongId));
        assert_eq!(session.answered(&plan, ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0), Ok(false));
        let plan = session.plan(&all, Some(Prank::End));
        assert_eq!((plan.id, plan.epoch, plan.named.len()), (7, -1, 2));
        assert_eq!(session.answered(&plan, ErrorCode::NONE, 0), Ok(true));
        assert_eq!(session.plan(&all, None).epoch, 0);
    }
}
