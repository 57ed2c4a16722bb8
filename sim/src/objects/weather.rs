//! What befalls the calls of a simulated object store, from a seed: how slow it is, and which calls fail, and how.

use crate::{Dice, Log};

/// What an answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It says what the first, second, … carrying out of the call came to.
    Of(usize),
    /// An error of the store's, whatever the call did.
    Status(&'static str),
}

/// What becomes of one call. Times are milliseconds from now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// When it is carried out; perhaps never, perhaps twice.
    pub(super) effects: Vec<u64>,
    /// When it is answered, and how; perhaps never.
    pub(super) answer: Option<(u64, Answer)>,
    /// The body of the answer, if it has one, ends too early.
    pub(super) cut: bool,
}

/// The store's mood.
pub(super) struct Weather {
    dice: Dice,
    log: Log,
    /// The slowest usual way, one direction.
    way_ms_max: u64,
    /// One call in so many goes wrong.
    trouble_one_in: u64,
    /// Until when most calls are throttled, or all fail.
    throttled_until: u64,
    out_until: u64,
    calm: bool,
}

/// Longer than any deadline.
const LATE_MS: std::ops::Range<u64> = 500..9000;

impl Weather {
    pub(super) fn new(mut dice: Dice, log: Log) -> Self {
        let way_ms_max = *dice.pick(&[2, 8, 8, 40]);
        let trouble_one_in = *dice.pick(&[6, 12, 20, 60, 400]);
        log.note("weather", format_args!("up to {way_ms_max} ms a way, trouble in one of {trouble_one_in}"));
        Self { dice, log, way_ms_max, trouble_one_in, throttled_until: 0, out_until: 0, calm: false }
    }

    /// No more faults.
    pub(super) fn clear(&mut self) {
        self.calm = true;
    }

    /// Each millisecond.
    pub(super) fn step(&mut self, now: u64) {
        if self.calm {
            return;
        }
        if now >= self.throttled_until && self.dice.one_in(6000) {
            self.throttled_until = now + self.dice.within(50..1500);
            self.log.count("object store: throttling burst", 1);
            self.log.note("weather", format_args!("throttled until {}", self.throttled_until));
        }
        if now >= self.out_until && self.dice.one_in(20_000) {
            self.out_until = now + self.dice.within(500..12_000);
            self.log.count("object store: outage", 1);
            self.log.note("weather", format_args!("out until {}", self.out_until));
        }
    }

    fn way(&mut self) -> u64 {
        1 + self.dice.within(0..self.way_ms_max)
    }

    /// The fate of a call that arrives now. `what`: put, get, list or delete.
    pub(super) fn fate(&mut self, now: u64, what: &'static str) -> Fate {
        let (way, back) = (self.way(), self.way());
        let fine = Fate { effects: vec![way], answer: Some((way + back, Answer::Of(0))), cut: false };
        if self.calm {
            return fine;
        }
        let refused = |status| Fate { answer: Some((way + back, Answer::Status(status))), ..Fate::default() };
        if now < self.out_until {
            self.count(what, "during an outage");
            return if self.dice.one_in(2) { Fate::default() } else { refused("connection refused") };
        }
        if now < self.throttled_until && !self.dice.one_in(3) {
            self.count(what, "throttled");
            return refused("503 Slow Down");
        }
        if !self.dice.one_in(self.trouble_one_in) {
            return fine;
        }
        let late = self.dice.within(LATE_MS);
        let (kind, fate) = match self.dice.within(0..8) {
            0 => ("503, no effect", refused("503 Service Unavailable")),
            1 => (
                "500 after it took effect",
                Fate { answer: Some((way + back, Answer::Status("500 Internal Error"))), ..fine },
            ),
            2 => ("unanswered, no effect", Fate::default()),
            3 => ("unanswered, took effect", Fate { answer: None, ..fine }),
            4 => {
                ("slow", Fate { effects: vec![late], answer: Some((late + back, Answer::Of(0))), cut: false })
            }
            5 => (
                "connection reset, took effect later",
                Fate {
                    effects: vec![late],
                    answer: Some((way, Answer::Status("connection reset"))),
                    cut: false,
                },
            ),
            // The store counts it, where there is a body.
            6 if what == "get" => return Fate { cut: true, ..fine },
            6 => {
                // A proxy on the way repeats it, and hands on either answer.
                let again = way + self.dice.within(0..2000);
                let (answer, of) = if self.dice.one_in(2) { (way, 0) } else { (again, 1) };
                let answer = Some((answer + back, Answer::Of(of)));
                ("carried out twice", Fate { effects: vec![way, again], answer, cut: false })
            }
            _ => (
                "slow answer",
                Fate { answer: Some((late, Answer::Of(0))), effects: vec![way.min(late)], cut: false },
            ),
        };
        self.count(what, kind);
        fate
    }

    fn count(&self, what: &str, kind: &str) {
        self.log.count(&format!("object {what}: {kind}"), 1);
    }

    /// Whether the store answers a race of two creates with a conflict.
    pub(super) fn says_conflict(&mut self) -> bool {
        !self.calm && self.dice.one_in(4)
    }
}
