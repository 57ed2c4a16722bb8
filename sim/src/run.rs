//! One run: a seed decides everything.

use std::{
    collections::BTreeMap,
    ops::Range,
    panic::{self, AssertUnwindSafe},
    time::{Duration, UNIX_EPOCH},
};

use klamm_checker::Event;

use crate::{
    Dice, Log, Time,
    chaos::{Chaos, Target},
    disk::SimDisk,
    env::{SimNet, WALL_START_MS},
    ephemeral::Ephemeral,
    host::{Control, Host},
    log::Tracing,
    member::{Kind, Member, Place},
    model::{Model, Phase, Shared},
    panics::{RUNNING, is_own, watch_panics},
    plain::Plain,
    producer::Producer,
    promises::{Look, NOT_CONVERGED, NOT_RESUMED, Now, Promises},
    reader::Reader,
};

/// The virtual time within which all must be done, a long want of space included.
const DURATION_MAX: Duration = Duration::from_secs(120 + LONG_SPELL_MS.end / 1000);
/// In one run of so many the disk is full for long.
const LONG_SPELLS: u64 = 30;
/// How long that is: the pauses between loads that fail reach their longest.
const LONG_SPELL_MS: Range<u64> = 60_000..90_000;
/// How the count of the restarts is called that are planned at the end of each run. They are no faults.
pub const LAST_RESTART: &str = "last restart";
/// How events begin that are told with problems.
pub(crate) const LATELY: &str = "lately: ";
/// The step of the simulation.
const TICK: Duration = Duration::from_millis(1);

/// How a run went.
#[derive(Debug)]
pub struct Outcome {
    /// Why it failed; empty if all is well.
    pub problems: Vec<String>,
    /// What happened.
    pub log: Log,
    /// Counts for the summary.
    pub counts: Counts,
}

impl Outcome {
    /// Whether nothing is wrong but that time was up, or that the simulator panicked itself: neither shows a bug of the
    /// broker as long as nobody looked.
    pub fn is_unsure(&self) -> bool {
        let mut problems = self.problems.iter().filter(|problem| !problem.starts_with(LATELY)).peekable();
        problems.peek().is_some() && problems.all(|problem| is_unsure(problem))
    }
}

fn is_unsure(problem: &str) -> bool {
    // A task that panicked is told beside the panic itself.
    let begins = ["Ran for duration: ", "task "].iter().any(|word| problem.starts_with(word));
    begins || is_own(problem) || [NOT_CONVERGED, NOT_RESUMED].iter().any(|word| problem.contains(word))
}

/// What there was in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Virtual milliseconds.
    pub millis: u64,
    /// Acknowledged operations: each record, commit of an offset, assignment of a member, change of a topic.
    pub operations: u64,
    /// Records that were read.
    pub read: u64,
    /// Faults and crashes by kind.
    pub faults: BTreeMap<String, u64>,
}

/// Runs a seed; for so many minutes of virtual time, if told.
pub fn run(seed: u64, minutes: Option<u64>) -> Outcome {
    watch_panics();
    let time = Time::default();
    let log = Log::new(time.clone());
    RUNNING.with(|running| running.replace(Some(log.clone())));
    let (problems, counts) = tracing::subscriber::with_default(Tracing::new(log.clone()), || {
        // A panic outside any task (of turmoil) is told, too.
        panic::catch_unwind(AssertUnwindSafe(|| simulate(seed, minutes, &time, &log))).unwrap_or_default()
    });
    RUNNING.with(|running| running.replace(None));
    let mut outcome = Outcome { problems, log, counts };
    if let Some(fault) = outcome.log.first_fault() {
        outcome.problems.insert(0, fault);
    }
    outcome
}

fn simulate(seed: u64, minutes: Option<u64>, time: &Time, log: &Log) -> (Vec<String>, Counts) {
    let mut dice = Dice::new(seed, "run");
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(UNIX_EPOCH + Duration::from_millis(WALL_START_MS as u64))
        .simulation_duration(DURATION_MAX + Duration::from_secs(60 * minutes.unwrap_or(0)))
        .tick_duration(TICK)
        .tcp_capacity(4096)
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::from_millis(*dice.pick(&[1, 4, 20])))
        .enable_random_order()
        .build();
    // Brokers that know nothing of each other share a process, as embedded ones do.
    let brokers = if dice.one_in(6) { 2 } else { 1 };
    // The run of two would go on long after the other one's clients are done.
    let long_spell_ms = (brokers == 1 && dice.one_in(LONG_SPELLS)).then(|| dice.within(LONG_SPELL_MS));
    let mut worlds: Vec<World> = (0..brokers)
        .map(|number| World::new(seed, number, minutes, long_spell_ms, time, log, &mut sim))
        .collect();
    let mut problems = Vec::new();
    loop {
        time.set(sim.elapsed());
        match sim.step() {
            Ok(false) => {}
            Ok(true) => break,
            Err(error) => {
                problems.push(error.to_string());
                break;
            }
        }
        if log.first_fault().is_some() || worlds.iter().any(World::is_wrong) {
            break;
        }
        problems.extend(worlds.iter_mut().filter_map(|world| world.step(&mut sim)));
        if !problems.is_empty() {
            break;
        }
    }
    let mut counts = Counts { millis: log.millis(), ..Counts::default() };
    // A run that was broken off, for whichever broker's sake, has no end that could be judged.
    let whole = problems.is_empty() && log.first_fault().is_none() && !worlds.iter().any(World::is_wrong);
    for world in worlds {
        let mut model = world.model.borrow_mut();
        log.note("run", format_args!("ends with {} events", model.checker.events()));
        counts.operations += model.operations;
        counts.read += model.read;
        let checker = std::mem::take(&mut model.checker);
        let found = if whole { checker.finish() } else { checker.found().to_vec() };
        problems.extend(found.iter().map(ToString::to_string));
        if !problems.is_empty() {
            problems.extend(model.recent().into_iter().map(|event| format!("{LATELY}{event}")));
        }
    }
    counts.faults = log.counts();
    (problems, counts)
}

/// A broker, its clients, and what befalls them.
struct World {
    broker: String,
    producer: String,
    model: Shared,
    chaos: Chaos,
    promises: Promises,
    log: Log,
}

impl World {
    fn new(
        seed: u64,
        number: usize,
        minutes: Option<u64>,
        long_spell_ms: Option<u64>,
        time: &Time,
        log: &Log,
        sim: &mut turmoil::Sim<'_>,
    ) -> Self {
        let broker = format!("broker{number}");
        let address = format!("{broker}:9092");
        let dice = |part: &str| Dice::new(seed, &format!("{part} {number}"));
        let mut shape = dice("shape");
        let disk = SimDisk::new(&format!("disk{number}"), dice("disk"), log.clone()).of(&broker);
        let control = Control::default();
        let host = Host::new(seed, number, time.clone(), log.clone(), disk.clone(), control.clone());
        let resets = host.resets.clone();
        sim.host(broker.as_str(), move || host.live());

        let model = Model::shared();
        let mut clients = Vec::new();
        let mut client = |part: &str| {
            let name = format!("{part}{number}");
            clients.push(name.clone());
            let net = SimNet::new(dice(&format!("{part}'s net")), log.clone());
            (name, address.clone(), model.clone(), net, log.clone(), dice(part))
        };
        let (name, address, shared, net, noted, throws) = client("producer");
        let producer_name = name.clone();
        let producer = Producer::new(name.clone(), address, shared, net, noted, throws).until(minutes);
        sim.client(name, async move {
            producer.run().await;
            Ok(())
        });
        let (name, address, shared, net, noted, throws) = client("reader");
        let reader = Reader::new(name.clone(), address, shared, net, noted, throws);
        sim.client(name, async move {
            reader.run().await;
            Ok(())
        });
        if shape.one_in(3) {
            let (name, address, shared, net, noted, throws) = client("watcher");
            let watcher = Reader::new(name.clone(), address, shared, net, noted, throws).other(2);
            sim.client(name, async move {
                watcher.run().await;
                Ok(())
            });
        }
        if shape.one_in(3) {
            let (name, address, shared, net, noted, throws) = client("memory");
            let ephemeral = Ephemeral::new(name.clone(), address, shared, net, noted, throws);
            sim.client(name, async move {
                ephemeral.run().await;
                Ok(())
            });
        }
        if shape.one_in(2) {
            let (name, address, model, net, log, dice) = client("plain");
            let plain = Plain { name: name.clone(), address, model, net, log, dice };
            sim.client(name, async move {
                plain.run().await;
                Ok(())
            });
        }
        let kinds = [(); 2].map(|()| *shape.pick(&[Kind::Eager, Kind::Cooperative]));
        for at in 0..shape.within(0..6) as u32 {
            let (name, address, shared, net, noted, throws) = client(&format!("member{at}-"));
            let number = if at < 3 { 0 } else { 1 };
            let (group, kind, is_static) = (format!("g{number}"), kinds[number], shape.one_in(3));
            shared.borrow_mut().groups.insert(group.clone());
            let place = Place { name: name.clone(), address, group, is_static, consumer: 10 + at, kind };
            let member = Member::new(place, shared, net, noted, throws);
            sim.client(name, async move {
                member.run().await;
                Ok(())
            });
        }
        let time = time.clone();
        let (host, model_of_it) = (broker.clone(), model.clone());
        let target =
            Target { broker: host, clients, disk, control, model: model_of_it, time, resets, long_spell_ms };
        let chaos = Chaos::new(format!("chaos{number}"), dice("chaos"), log.clone(), target, minutes);
        let promises = Promises::default();
        Self { broker, producer: producer_name, model, chaos, promises, log: log.clone() }
    }

    /// Whether it is known already that the run fails.
    fn is_wrong(&self) -> bool {
        !self.model.borrow().checker.found().is_empty()
    }

    /// After each step of the simulation; gives what did not come in time.
    fn step(&mut self, sim: &mut turmoil::Sim<'_>) -> Option<String> {
        if self.model.borrow().phase == Phase::Produced {
            self.chaos.end();
            if self.chaos.is_over() {
                self.model.borrow_mut().phase = Phase::Reading;
                self.chaos.last_crash(sim);
            }
        }
        if self.log.take_reloaded(&self.broker) {
            self.log.count("work: groups loaded again by a broker that goes on", 1);
            self.model.borrow_mut().tell(Event::Reloaded { what: "its shard was lost".to_owned() });
        }
        self.chaos.step(sim);
        let now = Now {
            millis: self.log.millis(),
            phase: self.model.borrow().phase,
            is_running: sim.is_host_running(&*self.broker),
            is_hindered: self.chaos.hinders(&self.producer),
            lacks_space: self.chaos.lacks_space(),
            is_over: self.chaos.is_over(),
            acked: self.model.borrow().acked,
        };
        match self.promises.look(now) {
            Look::Fine => None,
            Look::Resumed(since, took) => {
                self.log.note(&self.broker, format_args!("acknowledged a write {took} ms after {since}"));
                self.log.count(&format!("work: writes acknowledged after {since}"), 1);
                None
            }
            Look::Broken(what) => Some(format!("{}: {what}", self.broker)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(problems: &[&str]) -> Outcome {
        let problems = problems.iter().map(|problem| (*problem).to_owned()).collect();
        Outcome { problems, log: Log::new(Time::default()), counts: Counts::default() }
    }

    #[test]
    fn a_time_that_is_up_shows_no_bug() {
        let late = format!("broker0: 60000 ms after the last fault {NOT_CONVERGED}");
        assert!(outcome(&[&late, "lately: {}"]).is_unsure());
        assert!(outcome(&["panicked at sim/src/run.rs:1:1:\nno", "task 7 panicked"]).is_unsure());
        assert!(!outcome(&["panicked at crates/shard/src/view.rs:1:1:\nno", "task 7 panicked"]).is_unsure());
        assert!(!outcome(&[&late, "Part(1): offset 1 had another value"]).is_unsure());
        assert!(!outcome(&[]).is_unsure());
    }
}
