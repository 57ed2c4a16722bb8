//! A trial: one broker from its first start to a last read of everything, the load on it, and the checker.

use std::time::{Duration, Instant};

use klamm_checker::{Checker, Event};

use crate::{
    bench::Bench,
    broker::Broker,
    folder::Folder,
    load::{Line, Load, Pace},
    stop::Stop,
};

/// Writes go on within this time after the broker is back (`reliability.md`).
const RESUME_LIMIT: Duration = Duration::from_secs(10);
/// The last acknowledgements, and the last read, each a little longer than the load's own limit.
const FINISH_LIMIT: Duration = Duration::from_secs(150);
const ANOMALIES_SHOWN: usize = 20;

const PACE: Pace = Pace { partitions: 4, producers: 3, rate: 2500, healed_s: 60 };

/// What trials saw, added up.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    /// Faults that happened.
    pub(crate) faults: u32,
    /// Values that were acknowledged.
    pub(crate) acked: u64,
    /// Values of the last reads.
    pub(crate) read: u64,
    /// The longest time from being back to the next acknowledgement.
    pub(crate) resumed: Duration,
}

/// A broker under load.
pub(crate) struct Trial<'a> {
    pub(crate) broker: Broker,
    pub(crate) counts: &'a mut Counts,
    load: Load,
    checker: Checker,
    /// Everything that was told, for who needs it twice.
    history: Vec<Event>,
    last_read_began: Option<u64>,
    /// The load was told what no correct broker says; it writes no more. [`Trial::finish`] says all that is wrong.
    refused: bool,
}

impl<'a> Trial<'a> {
    /// Starts a broker on `folder` (under `data`, which may be a mount) and its load.
    pub(crate) fn start(
        bench: &Bench,
        folder: &Folder,
        data: &std::path::Path,
        counts: &'a mut Counts,
    ) -> Result<Self, Stop> {
        let mut broker = Broker::new(bench, data, &folder.path().join("klamm.log"))?;
        broker.start()?;
        let load = Load::start(&bench.python, broker.address(), PACE, &folder.path().join("load.log"))?;
        let mut trial = Self {
            broker,
            counts,
            load,
            checker: Checker::default(),
            history: Vec::new(),
            last_read_began: None,
            refused: false,
        };
        // Python and its first connection take their time; it is no fault's.
        trial.acknowledged(Duration::from_secs(30))?;
        if bench.bug.is_some() {
            trial.kill()?;
            trial.broker.bug = bench.bug;
            trial.restart()?;
        }
        Ok(trial)
    }

    /// Whether the load writes no more.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    fn tell(&mut self, mut event: Event) {
        match &mut event {
            Event::SendOk { values, .. } => self.counts.acked += u64::from(values.count),
            Event::Poll(poll) if poll.last => {
                poll.begun = self.last_read_began;
                self.counts.read += poll.records.len() as u64;
            }
            Event::Refused { .. } => self.refused = true,
            _ => {}
        }
        self.checker.tell(&event);
        self.history.push(event);
    }

    /// Lets the load run, and the checker see what it does.
    pub(crate) fn live(&mut self, time: Duration) -> Result<(), Stop> {
        let deadline = Instant::now() + time;
        while let Some(line) = self.load.next(deadline)? {
            if let Line::Event(event) = line {
                self.tell(event);
            }
        }
        Ok(())
    }

    /// Waits for an acknowledgement; how long it took. Too long is a broken promise.
    pub(crate) fn acknowledged(&mut self, limit: Duration) -> Result<Duration, Stop> {
        let began = Instant::now();
        if self.refused {
            return Ok(Duration::ZERO);
        }
        while let Some(line) = self.load.next(began + limit)? {
            let Line::Event(event) = line else { continue };
            let ok = matches!(event, Event::SendOk { .. });
            self.tell(event);
            if ok || self.refused {
                return Ok(began.elapsed());
            }
        }
        Err(self.broker.late(&format!("acknowledges nothing within {limit:?}")))
    }

    /// Whether anything is acknowledged within a time.
    pub(crate) fn acknowledges(&mut self, within: Duration) -> Result<bool, Stop> {
        let before = self.counts.acked;
        self.live(within)?;
        Ok(self.counts.acked > before)
    }

    /// The broker is back: writes must go on.
    pub(crate) fn resumes(&mut self) -> Result<(), Stop> {
        let took = self.acknowledged(RESUME_LIMIT)?;
        self.counts.resumed = self.counts.resumed.max(took);
        Ok(())
    }

    /// `kill -9`, if it still runs. What the load knew by then is heard before anything else happens.
    pub(crate) fn kill(&mut self) -> Result<(), Stop> {
        self.broker.kill();
        self.live(Duration::from_millis(20))?;
        self.tell(Event::Restart { what: "kill -9".to_owned() });
        Ok(())
    }

    /// Starts the broker again after a fault.
    pub(crate) fn restart(&mut self) -> Result<(), Stop> {
        self.broker.start()?;
        self.resumes()
    }

    /// Sends no more, waits until all is acknowledged and read, and judges.
    pub(crate) fn finish(mut self) -> Result<(Broker, Vec<Event>), Stop> {
        self.load.end();
        let deadline = Instant::now() + FINISH_LIMIT;
        loop {
            match self.load.next(deadline)? {
                Some(Line::Event(event)) => self.tell(event),
                Some(Line::End) => self.last_read_began = Some(self.checker.events()),
                Some(Line::Done) => break,
                None => {
                    return Err(self
                        .broker
                        .late(&format!("did not serve the last read in {FINISH_LIMIT:?}")));
                }
            }
        }
        let found = self.checker.finish();
        if found.is_empty() {
            return Ok((self.broker, self.history));
        }
        let shown: Vec<_> = found.iter().take(ANOMALIES_SHOWN).map(|each| format!("  {each}")).collect();
        Err(self.broker.wrong(&format!("broke {} promises:\n{}", found.len(), shown.join("\n"))))
    }
}

/// What a new consumer reads of everything within a time. What it says is for the caller to judge.
pub(crate) fn read_again(
    bench: &Bench,
    folder: &Folder,
    broker: &Broker,
    within_s: u32,
) -> Result<Vec<Event>, Stop> {
    let pace = Pace { producers: 0, healed_s: within_s, ..PACE };
    let load = Load::start(&bench.python, broker.address(), pace, &folder.path().join("load.log"))?;
    let deadline = Instant::now() + Duration::from_secs(u64::from(within_s) + 60);
    let mut events = Vec::new();
    loop {
        match load.next(deadline)? {
            Some(Line::Event(event)) => events.push(event),
            Some(Line::End) => {}
            Some(Line::Done) => return Ok(events),
            None => return Err(Stop::wrong("the load does not end its last read")),
        }
    }
}
