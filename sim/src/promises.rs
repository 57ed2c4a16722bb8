//! The promises that name a time: after a start, and when a full disk has space again, writes go on within 10 s; within 60 s of
//! the last fault all is acknowledged and read. In virtual time, of a broker that comes back however it ended.

use crate::model::Phase;

/// From a start, or from when a full disk has space again, to the next acknowledgement.
const RESUMES_MS: u64 = 10_000;
/// From the last start, after the last fault, to the end of all reads.
const CONVERGES_MS: u64 = 60_000;

/// Part of what is said when time is up.
pub(crate) const NOT_CONVERGED: &str = "not all is acknowledged and read";
/// See [`NOT_CONVERGED`].
pub(crate) const NOT_RESUMED: &str = "no write is acknowledged";

const START: &str = "a start";
const SPACE: &str = "its disk had space again";

/// How a broker is now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) millis: u64,
    pub(crate) phase: Phase,
    pub(crate) is_running: bool,
    /// Its disk has no space, or the producer is cut off.
    pub(crate) is_hindered: bool,
    /// It was refused space, and there is none still.
    pub(crate) lacks_space: bool,
    /// No fault is there or to come.
    pub(crate) is_over: bool,
    /// How much the producer got acknowledged so far.
    pub(crate) acked: u64,
}

/// What is due of one broker.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    was_running: bool,
    lacked_space: bool,
    /// An acknowledgement is due.
    due: Option<Due>,
    /// All faults are over since then.
    over: Option<u64>,
}

/// Since when an acknowledgement is due.
#[derive(Debug)]
struct Due {
    millis: u64,
    /// How many there were before.
    acked: u64,
    since: &'static str,
}

/// What a look showed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing new.
    Fine,
    /// The first acknowledgement since then, and how long it took.
    Resumed(&'static str, u64),
    Broken(String),
}

impl Promises {
    /// Looks after each step.
    pub(crate) fn look(&mut self, now: Now) -> Look {
        let has_space_again = std::mem::replace(&mut self.lacked_space, now.lacks_space) && !now.lacks_space;
        if !now.is_running {
            (self.was_running, self.due) = (false, None);
            return Look::Fine;
        }
        if !self.was_running || has_space_again {
            let since = if self.was_running { SPACE } else { START };
            self.was_running = true;
            self.due = Some(Due { millis: now.millis, acked: now.acked, since });
        }
        if now.phase == Phase::Reading && now.is_over {
            let over = *self.over.get_or_insert(now.millis);
            if now.millis > over + CONVERGES_MS {
                return Look::Broken(format!("{CONVERGES_MS} ms after the last fault {NOT_CONVERGED}"));
            }
        }
        match &mut self.due {
            _ if now.phase != Phase::Producing => self.due = None,
            Some(due) if now.acked > due.acked => {
                let (since, took) = (due.since, now.millis - due.millis);
                self.due = None;
                return Look::Resumed(since, took);
            }
            Some(due) if now.is_hindered => due.millis = now.millis,
            Some(due) if now.millis > due.millis + RESUMES_MS => {
                let since = due.since;
                return Look::Broken(format!("{RESUMES_MS} ms after {since} {NOT_RESUMED}"));
            }
            _ => {}
        }
        Look::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCING: Now = Now {
        millis: 0,
        phase: Phase::Producing,
        is_running: true,
        is_hindered: false,
        lacks_space: false,
        is_over: false,
        acked: 0,
    };

    fn late(look: &Look, what: &str) -> bool {
        matches!(look, Look::Broken(said) if said.contains(what))
    }

    #[test]
    fn a_write_is_due_after_each_start() {
        let mut promises = Promises::default();
        assert_eq!(promises.look(PRODUCING), Look::Fine);
        assert_eq!(promises.look(Now { millis: 10_000, ..PRODUCING }), Look::Fine);
        assert!(late(&promises.look(Now { millis: 10_001, ..PRODUCING }), NOT_RESUMED));
        assert_eq!(
            promises.look(Now { millis: 10_001, acked: 1, ..PRODUCING }),
            Look::Resumed(START, 10_001)
        );
        // Only the first; what comes later is no promise of a start.
        assert_eq!(promises.look(Now { millis: 30_000, acked: 1, ..PRODUCING }), Look::Fine);
        promises.look(Now { millis: 30_001, acked: 1, is_running: false, ..PRODUCING });
        assert_eq!(promises.look(Now { millis: 31_000, acked: 1, ..PRODUCING }), Look::Fine);
        assert!(late(&promises.look(Now { millis: 41_001, acked: 1, ..PRODUCING }), NOT_RESUMED));
    }

    #[test]
    fn time_counts_from_the_end_of_what_hinders() {
        let mut promises = Promises::default();
        assert_eq!(promises.look(Now { millis: 9_000, is_hindered: true, ..PRODUCING }), Look::Fine);
        assert_eq!(promises.look(Now { millis: 29_000, is_hindered: true, ..PRODUCING }), Look::Fine);
        assert_eq!(promises.look(Now { millis: 39_000, ..PRODUCING }), Look::Fine);
        assert!(late(&promises.look(Now { millis: 39_001, ..PRODUCING }), NOT_RESUMED));
    }

    #[test]
    fn a_write_is_due_when_there_is_space_again() {
        let full = Now { is_hindered: true, lacks_space: true, acked: 1, ..PRODUCING };
        let mut promises = Promises::default();
        promises.look(PRODUCING);
        assert_eq!(promises.look(Now { millis: 5, acked: 1, ..PRODUCING }), Look::Resumed(START, 5));
        // What is acknowledged on a full disk says nothing of the time after it.
        assert_eq!(promises.look(Now { millis: 50_000, ..full }), Look::Fine);
        let again = Now { lacks_space: false, is_hindered: false, millis: 50_001, ..full };
        assert_eq!(promises.look(again), Look::Fine);
        assert_eq!(promises.look(Now { millis: 60_001, ..again }), Look::Fine);
        assert!(late(&promises.look(Now { millis: 60_002, ..again }), SPACE));
        assert_eq!(promises.look(Now { millis: 60_002, acked: 2, ..again }), Look::Resumed(SPACE, 10_001));
    }

    #[test]
    fn nothing_is_due_of_a_producer_that_is_done() {
        let mut promises = Promises::default();
        let produced = Now { phase: Phase::Produced, ..PRODUCING };
        assert_eq!(promises.look(produced), Look::Fine);
        assert_eq!(promises.look(Now { millis: 90_000, ..produced }), Look::Fine);
    }

    #[test]
    fn all_is_read_within_a_minute_of_the_last_fault() {
        let reading = Now { phase: Phase::Reading, is_over: true, millis: 100, ..PRODUCING };
        let mut promises = Promises::default();
        promises.look(Now { is_over: false, ..reading });
        assert_eq!(promises.look(Now { millis: 5_000, ..reading }), Look::Fine);
        assert_eq!(promises.look(Now { millis: 65_000, ..reading }), Look::Fine);
        assert!(late(&promises.look(Now { millis: 65_001, ..reading }), NOT_CONVERGED));
    }
}
