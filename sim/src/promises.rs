//! The promises that name a time: after a start writes go on within 10 s, and within 60 s of the last fault all is acknowledged
//! and read. In virtual time, of a broker that comes back however it ended.

use crate::model::Phase;

/// From a start to the next acknowledgement.
const RESUMES_MS: u64 = 10_000;
/// From the last start, after the last fault, to the end of all reads.
const CONVERGES_MS: u64 = 60_000;

/// Part of what is said when time is up.
pub(crate) const NOT_CONVERGED: &str = "not all is acknowledged and read";
/// See [`NOT_CONVERGED`].
pub(crate) const NOT_RESUMED: &str = "no write is acknowledged";

/// How a broker is now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) millis: u64,
    pub(crate) phase: Phase,
    pub(crate) is_running: bool,
    /// Its disk has no space, or the producer is cut off.
    pub(crate) is_hindered: bool,
    /// No fault is there or to come.
    pub(crate) is_over: bool,
    /// How much the producer got acknowledged so far.
    pub(crate) acked: u64,
}

/// What is due of one broker.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    was_running: bool,
    /// An acknowledgement is due since then; so many there were before.
    due: Option<(u64, u64)>,
    /// All faults are over since then.
    over: Option<u64>,
}

/// What a look showed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing new.
    Fine,
    /// The first acknowledgement after a start, and how long it took.
    Resumed(u64),
    Broken(String),
}

impl Promises {
    /// Looks after each step.
    pub(crate) fn look(&mut self, now: Now) -> Look {
        if !now.is_running {
            (self.was_running, self.due) = (false, None);
            return Look::Fine;
        }
        if !self.was_running {
            self.was_running = true;
            self.due = Some((now.millis, now.acked));
        }
        if now.phase == Phase::Reading && now.is_over {
            let over = *self.over.get_or_insert(now.millis);
            if now.millis > over + CONVERGES_MS {
                return Look::Broken(format!("{CONVERGES_MS} ms after the last fault {NOT_CONVERGED}"));
            }
        }
        match &mut self.due {
            _ if now.phase != Phase::Producing => self.due = None,
            Some((since, acked)) if now.acked > *acked => {
                let took = now.millis - *since;
                self.due = None;
                return Look::Resumed(took);
            }
            Some((since, _)) if now.is_hindered => *since = now.millis,
            Some((since, _)) if now.millis > *since + RESUMES_MS => {
                return Look::Broken(format!("{RESUMES_MS} ms after a start {NOT_RESUMED}"));
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
        assert_eq!(promises.look(Now { millis: 10_001, acked: 1, ..PRODUCING }), Look::Resumed(10_001));
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
