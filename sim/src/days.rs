//! Days of a broker in accelerated time: topics that keep an hour, six hours, a day, so many bytes or all, one that is
//! deleted on the way; a batch a minute for each partition, and crashes under it. Checked every two hours, when no more
//! is sent for longer than the broker takes between two looks at old records:
//! what is older than its retention and one such interval is gone; what is younger, or not too much, is there, as it was
//! sent; logs begin no earlier after a crash; and segments take less than 1.5 times the bytes of the batches.

mod ledger;
mod rot;
mod worker;

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
    rc::Rc,
    time::{Duration, UNIX_EPOCH},
};

use self::worker::Worker;
use crate::{
    Dice, Log, Time,
    disk::{CHECKPOINTS, Crash, MERGED, SEALED, SimDisk},
    env::{SimNet, WALL_START_MS},
    host::{Control, Host},
    log::Tracing,
    panics::{RUNNING, watch_panics},
};

/// The step of the simulation. Nothing here needs a finer one, and there are 86,400 of them in a day.
const TICK: Duration = Duration::from_secs(1);
/// Steps from a crash to the next start.
const DOWN_STEPS: u32 = 5;
/// The journal's files: small, so that days have hundreds of them.
const FILE_BYTES: u64 = 128 << 10;
/// How long a broker works until one of its bits is flipped.
const ROT_HOURS: u64 = 3;
/// What the broker takes between two looks at old records.
const INTERVAL_MS: u64 = 300_000;

/// What the worker and the run tell each other.
#[derive(Debug, Default)]
struct Told {
    /// The broker is to crash now.
    crash: Cell<bool>,
    /// And some bit of its files is to be flipped.
    rot: Cell<bool>,
    /// The broker ended after that.
    ended: Cell<bool>,
    summary: RefCell<String>,
}

/// Runs so many hours; says what there was, or why it failed.
pub fn days(seed: u64, hours: u64) -> Result<String, String> {
    watched(|time, log| simulate(seed, hours, false, time, log))
}

/// Runs a few hours, flips a bit of what is durable, and starts again; says what was flipped and what the broker said of it.
/// It fails when anything but what was sent is read, or something is missing without an error.
pub fn rot(seed: u64) -> Result<String, String> {
    watched(|time, log| simulate(seed, ROT_HOURS, true, time, log))
}

fn watched(run: impl FnOnce(&Time, &Log) -> Result<String, String>) -> Result<String, String> {
    watch_panics();
    let time = Time::default();
    let log = Log::new(time.clone());
    RUNNING.with(|running| running.replace(Some(log.clone())));
    let ended = tracing::subscriber::with_default(Tracing::new(log.clone()), || {
        panic::catch_unwind(AssertUnwindSafe(|| run(&time, &log)))
    });
    RUNNING.with(|running| running.replace(None));
    match log.first_fault() {
        Some(fault) => Err(fault),
        None => ended.unwrap_or_else(|_| Err("it panicked".to_owned())),
    }
}

fn simulate(seed: u64, hours: u64, rots: bool, time: &Time, log: &Log) -> Result<String, String> {
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(UNIX_EPOCH + Duration::from_millis(WALL_START_MS as u64))
        .simulation_duration(Duration::from_secs(3600 * (hours + 12)))
        .tick_duration(TICK)
        .tcp_capacity(4096)
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::from_millis(1))
        .build();
    let disk = SimDisk::new("disk", Dice::new(seed, "disk"), log.clone()).of("broker");
    let mut host = Host::new(seed, 0, time.clone(), log.clone(), disk.clone(), Control::default());
    host.config.klamm_journal_file_bytes = FILE_BYTES;
    host.config.log_retention_check_interval_ms = INTERVAL_MS;
    sim.host("broker", move || host.live());
    let told = Rc::new(Told::default());
    let net = SimNet::new(Dice::new(seed, "worker's net"), log.clone());
    let worker = Worker::new(net, log.clone(), Dice::new(seed, "worker"), disk.clone(), Rc::clone(&told));
    sim.client("worker", async move {
        worker.run(hours, rots).await?;
        Ok(())
    });
    let mut dice = Dice::new(seed, "crashes");
    let mut down = 0;
    loop {
        time.set(sim.elapsed());
        if sim.step().map_err(|error| error.to_string())? {
            break;
        }
        if log.first_fault().is_some() {
            return Err("a fault".to_owned());
        }
        if down > 0 {
            down -= 1;
            if down == 0 {
                sim.bounce("broker");
            }
        } else if !sim.is_host_running("broker") {
            told.ended.set(true);
        } else if told.crash.take() {
            let crash = if dice.one_in(3) { Crash::Kill } else { Crash::PowerCut };
            log.note("days", format_args!("{crash:?}"));
            disk.crash(crash);
            sim.crash("broker");
            down = DOWN_STEPS;
            if told.rot.take() {
                let what = rot::flip(&disk, &mut dice);
                told.summary.borrow_mut().push_str(what);
            }
        }
    }
    if rots {
        return Ok(told.summary.borrow().clone());
    }
    let counts = log.counts();
    let done: Vec<String> = [SEALED, MERGED, CHECKPOINTS]
        .iter()
        .map(|what| format!("{} {what}", counts.get(*what).copied().unwrap_or(0)))
        .collect();
    Ok(format!("{hours} h: {}; {}", told.summary.borrow(), done.join(", ")))
}
