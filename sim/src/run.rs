//! One run: a seed decides everything.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
    time::{Duration, UNIX_EPOCH},
};

use crate::{
    Dice, Log, Time,
    chaos::Chaos,
    checker,
    client::BROKER,
    disk::{Damage, SimDisk},
    env::{SimNet, WALL_START_MS},
    history::{Event, History},
    host::{Control, Host},
    log::Tracing,
    model::{Model, Phase},
    producer::Producer,
    reader::Reader,
};

/// The virtual time within which all must be done.
const DURATION_MAX: Duration = Duration::from_secs(120);
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

/// What there was in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Virtual milliseconds.
    pub millis: u64,
    /// Batches that were acknowledged.
    pub acked: usize,
    /// Records that were read.
    pub read: usize,
    /// Kills and power cuts.
    pub crashes: u64,
    /// What became of writes that were not synced.
    pub damage: Damage,
}

thread_local! {
    /// The log of the run on this thread.
    static RUNNING: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// A panic on a thread with a run is a fault of the run, whoever catches it.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let running = RUNNING.with(|running| running.borrow().clone());
            match running {
                Some(log) => log.fault(info.to_string()),
                None => usual(info),
            }
        }));
    });
}

/// Runs a seed.
pub fn run(seed: u64) -> Outcome {
    watch_panics();
    let time = Time::default();
    let log = Log::new(time.clone());
    RUNNING.with(|running| running.replace(Some(log.clone())));
    let (problems, counts) = tracing::subscriber::with_default(Tracing(log.clone()), || {
        // A panic outside any task (of turmoil) is told, too.
        panic::catch_unwind(AssertUnwindSafe(|| simulate(seed, &time, &log))).unwrap_or_default()
    });
    RUNNING.with(|running| running.replace(None));
    let mut outcome = Outcome { problems, log, counts };
    if let Some(fault) = outcome.log.first_fault() {
        outcome.problems.insert(0, fault);
    }
    outcome
}

fn simulate(seed: u64, time: &Time, log: &Log) -> (Vec<String>, Counts) {
    let mut dice = Dice::new(seed, "run");
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(UNIX_EPOCH + Duration::from_millis(WALL_START_MS as u64))
        .simulation_duration(DURATION_MAX)
        .tick_duration(TICK)
        .tcp_capacity(4096)
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::from_millis(*dice.pick(&[1, 4, 20])))
        .enable_random_order()
        .build();
    let disk = SimDisk::new(Dice::new(seed, "disk"), log.clone());
    let control = Control::default();
    let host = Host::new(seed, time.clone(), log.clone(), disk.clone(), control.clone());
    sim.host(BROKER, move || host.live());

    let model = Model::shared();
    let net = SimNet::new(Dice::new(seed, "producer's net"));
    let producer = Producer::new(model.clone(), net, log.clone(), Dice::new(seed, "producer"));
    sim.client("producer", async move {
        producer.run().await;
        Ok(())
    });
    let net = SimNet::new(Dice::new(seed, "reader's net"));
    let reader = Reader::new(model.clone(), net, log.clone(), Dice::new(seed, "reader"));
    sim.client("reader", async move {
        reader.run().await;
        Ok(())
    });

    let mut chaos = Chaos::new(Dice::new(seed, "chaos"), log.clone(), disk, control);
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
        if log.first_fault().is_some() {
            break;
        }
        if model.borrow().phase == Phase::Produced {
            chaos.end();
            if chaos.is_over() {
                model.borrow_mut().phase = Phase::Reading;
                chaos.crash(&mut sim);
            }
        }
        chaos.step(&mut sim);
    }
    let model = model.borrow();
    log.note("run", format_args!("ends with {} events", model.history.0.len()));
    if problems.is_empty() && log.first_fault().is_none() {
        problems.extend(checker::check(&model.history).iter().map(ToString::to_string));
    }
    (problems, counts(&model.history, &chaos, log))
}

fn counts(history: &History, chaos: &Chaos, log: &Log) -> Counts {
    let mut counts =
        Counts { millis: log.millis(), crashes: chaos.crashes, damage: chaos.damage, ..Default::default() };
    for event in &history.0 {
        match event {
            Event::Acked(_) => counts.acked += 1,
            Event::Fetched(fetched) => counts.read += fetched.records.len(),
            _ => {}
        }
    }
    counts
}
