//! The event log of a run: virtual time, who, what. Two runs of a seed have the same log, or something is not
//! deterministic. Also the virtual time itself, which the run's loop sets before each step: it is right even where
//! tokio's clock is not, in what is dropped by a crash.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    /// Hosts whose errors are expected: a fault was put in.
    tolerated: BTreeSet<String>,
    /// So are all errors.
    tolerates_all: bool,
    /// Hosts whose broker loaded its groups again since somebody asked.
    reloaded: BTreeSet<String>,
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

    /// Whether errors that the broker on this host logs are expected from now on, since a fault was put in.
    pub fn tolerate(&self, host: &str, expected: bool) {
        let tolerated = &mut self.lines.lock().tolerated;
        if expected {
            tolerated.insert(host.to_owned());
        } else {
            tolerated.remove(host);
        }
    }

    /// All errors that brokers log are expected.
    pub fn tolerate_all(&self) {
        self.lines.lock().tolerates_all = true;
    }

    fn tolerates(&self, host: &str) -> bool {
        let lines = self.lines.lock();
        lines.tolerates_all || lines.tolerated.contains(host)
    }

    /// Whether the broker on this host loaded its groups again since it was asked last.
    pub(crate) fn take_reloaded(&self, host: &str) -> bool {
        self.lines.lock().reloaded.remove(host)
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

/// What a broker says when it drops what it knows of its groups, though it goes on.
const GROUPS_RELOADED: &str = "the group coordinator lost its shard";

/// Puts what brokers log, from INFO on, into the log; an ERROR is a fault. The host whose code runs is told by turmoil's
/// spans.
pub(crate) struct Tracing {
    log: Log,
    hosts: Mutex<Hosts>,
}

#[derive(Default)]
struct Hosts {
    /// The names of the spans, by their ids less one.
    names: Vec<String>,
    running: Option<usize>,
}

impl Tracing {
    pub(crate) fn new(log: Log) -> Self {
        Self { log, hosts: Mutex::default() }
    }
}

impl Subscriber for Tracing {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() {
            return metadata.target().starts_with("turmoil") && metadata.name() == "node";
        }
        *metadata.level() <= Level::INFO && metadata.target().starts_with("klamm")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut name = Name(String::new());
        span.record(&mut name);
        let names = &mut self.hosts.lock().names;
        let at = names.iter().position(|known| *known == name.0).unwrap_or_else(|| {
            names.push(name.0);
            names.len() - 1
        });
        span::Id::from_u64(at as u64 + 1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(format!("{} {}:", event.metadata().level(), event.metadata().target()));
        event.record(&mut text);
        let who = {
            let hosts = self.hosts.lock();
            hosts.running.map_or_else(|| "broker".to_owned(), |at| hosts.names[at].clone())
        };
        if text.0.contains(GROUPS_RELOADED) {
            self.log.lines.lock().reloaded.insert(who.clone());
        }
        if *event.metadata().level() == Level::ERROR && !self.log.tolerates(&who) {
            self.log.fault(format!("{who}: {}", text.0));
        } else {
            self.log.note(&who, format_args!("{}", text.0));
        }
    }

    fn enter(&self, span: &span::Id) {
        self.hosts.lock().running = Some(span.into_u64() as usize - 1);
    }

    fn exit(&self, _: &span::Id) {
        self.hosts.lock().running = None;
    }
}

/// The field `name`.
struct Name(String);

impl Visit for Name {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "name" {
            self.0 = format!("{value:?}").trim_matches('"').to_owned();
        }
    }
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
    fn the_broker_says_in_these_words_that_it_loads_its_groups_again() {
        let task = include_str!("../../crates/broker/src/groups/task.rs");
        assert!(
            task.contains(&format!("tracing::warn!(\"{GROUPS_RELOADED};")),
            "not in groups/task.rs any more"
        );
    }

    #[test]
    fn an_error_of_the_broker_is_a_fault() {
        let log = Log::new(Time::default());
        tracing::subscriber::with_default(Tracing::new(log.clone()), || {
            tracing::warn!(target: "klamm_net", "careful");
            tracing::error!(target: "elsewhere", "not ours");
            assert_eq!(log.first_fault(), None);
            let host = tracing::info_span!(target: "turmoil::sim", "node", name = "broker1");
            host.in_scope(|| tracing::error!(target: "klamm_net", number = 7, "broken"));
            tracing::warn!(target: "klamm_net", "nobody's");
        });
        assert_eq!(log.first_fault().as_deref(), Some("broker1: ERROR klamm_net: broken number=7"));
        let lines = log.lines();
        assert_eq!(lines.len(), 3);
        assert!(lines[2].contains("broker   WARN klamm_net: nobody's"), "{lines:?}");
    }

    #[test]
    fn errors_are_expected_of_one_host() {
        let log = Log::new(Time::default());
        let fails = |host: &'static str| {
            let host = tracing::info_span!(target: "turmoil::sim", "node", name = host);
            host.in_scope(|| tracing::error!(target: "klamm_net", "broken"));
        };
        tracing::subscriber::with_default(Tracing::new(log.clone()), || {
            log.tolerate("broker0", true);
            fails("broker0");
            assert_eq!(log.first_fault(), None);
            log.tolerate("broker0", false);
            log.tolerate("broker1", true);
            fails("broker0");
            assert!(log.first_fault().is_some_and(|fault| fault.starts_with("broker0: ")));
        });
    }
}
