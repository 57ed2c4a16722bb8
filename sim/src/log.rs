//! The event log of a run: virtual time, who, what. Two runs of a seed have the same log, or something is not
//! deterministic. Also the virtual time itself, which the run's loop sets before each step: it is right even where
//! tokio's clock is not, in what is dropped by a crash.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// The virtual time of a run, in whole milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Time(Arc<AtomicU64>, Arc<AtomicI64>);

impl Time {
    /// Sets it.
    pub fn set(&self, now: Duration) {
        self.0.store(u64::try_from(now.as_millis()).expect("runs are short"), Ordering::Relaxed);
    }

    /// How far the wall clock is off, in milliseconds.
    pub fn skew_ms(&self) -> i64 {
        self.1.load(Ordering::Relaxed)
    }

    /// The wall clock jumps.
    pub fn skew(&self, skew_ms: i64) {
        self.1.store(skew_ms, Ordering::Relaxed);
    }

    /// Milliseconds since the start of the run.
    pub fn millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The log of a run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    time: Time,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    faults: Vec<String>,
    /// An error is expected: a fault was put in.
    tolerant: bool,
    counts: BTreeMap<String, u64>,
}

impl Log {
    /// An empty log.
    pub fn new(time: Time) -> Self {
        Self { time, lines: Arc::default() }
    }

    /// Virtual milliseconds since the start of the run.
    pub fn millis(&self) -> u64 {
        self.time.millis()
    }

    /// Notes an event.
    pub fn note(&self, who: &str, what: fmt::Arguments<'_>) {
        let line = format!("{:>7} {who:<8} {what}", self.time.millis());
        self.lines.lock().lines.push(line);
    }

    /// Notes what no run may have: a panic, an error that the broker logs. The run fails by it.
    pub fn fault(&self, what: String) {
        self.note("FAULT", format_args!("{what}"));
        self.lines.lock().faults.push(what);
    }

    /// Whether errors that the broker logs are expected from now on, since a fault was put in.
    pub fn tolerate(&self, tolerant: bool) {
        self.lines.lock().tolerant = tolerant;
    }

    fn is_tolerant(&self) -> bool {
        self.lines.lock().tolerant
    }

    /// Counts what happened.
    pub fn count(&self, what: &str, times: u64) {
        if times > 0 {
            *self.lines.lock().counts.entry(what.to_owned()).or_default() += times;
        }
    }

    /// All counts.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.lines.lock().counts.clone()
    }

    /// The first fault.
    pub fn first_fault(&self) -> Option<String> {
        self.lines.lock().faults.first().cloned()
    }

    /// All lines.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().lines.clone()
    }

    /// The hash of all lines.
    pub fn hash(&self) -> u64 {
        let lines = &self.lines.lock().lines;
        lines.iter().fold(0, |hash, line| twox_hash::XxHash3_64::oneshot_with_seed(hash, line.as_bytes()))
    }
}

/// Puts what the broker logs, from INFO on, into the log; an ERROR is a fault.
pub(crate) struct Tracing(pub(crate) Log);

impl Subscriber for Tracing {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO && metadata.target().starts_with("klamm")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(format!("{} {}:", event.metadata().level(), event.metadata().target()));
        event.record(&mut text);
        if *event.metadata().level() == Level::ERROR && !self.0.is_tolerant() {
            self.0.fault(text.0);
        } else {
            self.0.note("broker", format_args!("{}", text.0));
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_of_all_lines() {
        let (one, two) = (Log::new(Time::default()), Log::new(Time::default()));
        one.note("a", format_args!("b"));
        two.note("a", format_args!("b"));
        assert_eq!(one.hash(), two.hash());
        two.note("a", format_args!("c"));
        assert_ne!(one.hash(), two.hash());
    }

    #[test]
    fn an_error_of_the_broker_is_a_fault() {
        let log = Log::new(Time::default());
        tracing::subscriber::with_default(Tracing(log.clone()), || {
            tracing::warn!(target: "klamm_net", "careful");
            tracing::error!(target: "elsewhere", "not ours");
            assert_eq!(log.first_fault(), None);
            tracing::error!(target: "klamm_net", number = 7, "broken");
        });
        assert_eq!(log.first_fault().as_deref(), Some("ERROR klamm_net: broken number=7"));
        assert_eq!(log.lines().len(), 2);
    }
}
