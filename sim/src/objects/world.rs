//! One run: a seed decides everything. Each broker has a runtime of its own on virtual time, which stands still while
//! the broker is paused: when it goes on, all its timers are late and all its answers are there.

use std::{
    panic::{self, AssertUnwindSafe},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use klamm_checker::Part;
use klamm_env::Env;
use klamm_shard::ShardState;
use object_store::ObjectStore;
use parking_lot::Mutex;
use tokio::{
    runtime::{Builder, Runtime},
    task::LocalSet,
    time::{advance, sleep},
};

use super::{
    broker::{Broker, Settings},
    clients::{Brokers, Client, PARTITIONS, Stage},
    store::Objects,
    witness::Truth,
};
use crate::{
    Dice, Log, Time,
    disk::SimDisk,
    env::{SimClock, SimEntropy, SimNet},
    log::Tracing,
    model::{Model, Phase, Shared},
    panics::{RUNNING, watch_panics},
    promises::NOT_CONVERGED,
    run::{Counts, LAST_RESTART, LATELY, Outcome},
};

const TICK: Duration = Duration::from_millis(1);
/// After the faults are over, all must be acknowledged and read within this time.
const CONVERGES_MS: u64 = 60_000;

/// Runs a seed.
pub fn run(seed: u64) -> Outcome {
    watch_panics();
    let time = Time::default();
    let log = Log::new(time.clone());
    // Stores fail all the time, and brokers may say so; a shard that halts is noticed.
    log.tolerate_all();
    RUNNING.with(|running| running.replace(Some(log.clone())));
    let (problems, counts) = tracing::subscriber::with_default(Tracing::new(log.clone()), || {
        panic::catch_unwind(AssertUnwindSafe(|| World::new(seed, time, &log).run())).unwrap_or_default()
    });
    RUNNING.with(|running| running.replace(None));
    let mut outcome = Outcome { problems, log, counts };
    if let Some(fault) = outcome.log.first_fault() {
        outcome.problems.insert(0, fault);
    }
    outcome
}

/// A process.
struct Process {
    running: Option<(Runtime, Broker)>,
    env: Env,
    store: Arc<dyn ObjectStore>,
    /// When what is planned for it happens: a start, or the end of a pause.
    until: u64,
    paused_since: Option<u64>,
    /// Tells the log whose lines are written, as turmoil's spans do.
    span: tracing::Span,
}

struct World {
    log: Log,
    time: Time,
    dice: Dice,
    settings: Settings,
    store: Objects,
    truth: Truth,
    model: Shared,
    processes: Vec<Process>,
    brokers: Brokers,
    clients: (Runtime, LocalSet),
    stage: Rc<Stage>,
    /// For each shard: since when nobody is at it, and how long that is borne.
    vacant: Vec<Option<u64>>,
    calm_at: u64,
    calm: bool,
    /// One crash, and one pause, of each broker in so many milliseconds.
    crash_ms: u64,
    pause_ms: u64,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

impl World {
    fn new(seed: u64, time: Time, log: &Log) -> Self {
        let mut dice = Dice::new(seed, "world");
        let store = Objects::new(seed, log.clone());
        let settings = Settings {
            shards: dice.within(1..4) as usize,
            file_bytes: *dice.pick(&[2 << 10, 8 << 10, 64 << 10, 1 << 20]),
            tail_bytes: *dice.pick(&[0, 64 << 10, 16 << 20]),
            fetch_bytes: *dice.pick(&[1, 50_000, 1 << 20]),
            deadline: Duration::from_millis(*dice.pick(&[200, 500, 3000])),
        };
        let brokers = dice.within(2..5) as usize;
        let process = |number: usize| Process {
            running: None,
            env: Env {
                clock: Arc::new(SimClock(time.clone())),
                entropy: Arc::new(SimEntropy(Mutex::new(Dice::new(seed, &format!("entropy {number}"))))),
                disk: SimDisk::new("disk", Dice::new(seed, "disk"), log.clone()).mount(),
                net: Arc::new(SimNet::new(Dice::new(seed, "net"), log.clone())),
            },
            store: store.client(number),
            until: 0,
            paused_since: None,
            span: tracing::info_span!(target: "turmoil", "node", name = format!("broker{number}")),
        };
        let processes = (0..brokers).map(process).collect();
        let calm_at = dice.within(6_000..25_000);
        log.note("world", format_args!("{brokers} brokers, calm at {calm_at}"));
        let world = Self {
            log: log.clone(),
            time,
            truth: Truth::new(log.clone(), settings.shards),
            store,
            model: Model::shared(),
            processes,
            brokers: Arc::new(Mutex::new(vec![None; brokers])),
            clients: (runtime(), LocalSet::new()),
            stage: Rc::default(),
            vacant: vec![None; settings.shards],
            settings,
            calm_at,
            calm: false,
            crash_ms: *dice.pick(&[1500, 5000, 20_000]),
            pause_ms: *dice.pick(&[1500, 5000, 20_000]),
            dice,
        };
        world.start_clients(seed);
        world
    }

    fn start_clients(&self, seed: u64) {
        let client = |name: String| Client {
            dice: Dice::new(seed, &name),
            name,
            model: Rc::clone(&self.model),
            log: self.log.clone(),
            brokers: Arc::clone(&self.brokers),
            broker: 0,
            stage: Rc::clone(&self.stage),
        };
        let shards = self.settings.shards;
        let _entered = self.clients.0.enter();
        let parts = shards as u32 * PARTITIONS;
        self.stage.producing.set(2 * parts as usize);
        for shard in 0..shards {
            let admin = client(format!("admin{shard}"));
            let of_shard = |part: u32| part / PARTITIONS == shard as u32;
            let producers: Vec<_> = (0..parts)
                .filter(|part| of_shard(*part))
                .map(|part| (client(format!("idem{part}")), client(format!("plain{part}")), Part(part)))
                .collect();
            self.clients.1.spawn_local(async move {
                admin.create(shard).await;
                for (idempotent, plain, part) in producers {
                    tokio::task::spawn_local(idempotent.produce(part));
                    tokio::task::spawn_local(plain.produce_plain(part));
                }
            });
        }
        self.clients.1.spawn_local(client("reader".to_owned()).read(parts));
    }

    fn run(mut self) -> (Vec<String>, Counts) {
        let mut problems = Vec::new();
        let mut now = 0;
        loop {
            now += 1;
            self.time.set(Duration::from_millis(now));
            self.store.step(now);
            for process in &mut self.processes {
                if let (Some((runtime, _)), None) = (&process.running, process.paused_since) {
                    let _named = process.span.enter();
                    runtime.block_on(async { sleep(TICK).await });
                }
            }
            self.clients.1.block_on(&self.clients.0, async { sleep(TICK).await });
            self.chaos(now);
            if self.log.first_fault().is_some() || !self.model.borrow().checker.found().is_empty() {
                break;
            }
            if !self.calm && now >= self.calm_at {
                self.calm_down(now);
            }
            if self.calm && self.wind_up(now) {
                break;
            }
            if self.calm && now > self.calm_at + CONVERGES_MS {
                problems.push(format!("{CONVERGES_MS} ms after the last fault {NOT_CONVERGED}"));
                break;
            }
        }
        self.end(problems, now)
    }

    fn chaos(&mut self, now: u64) {
        for number in 0..self.processes.len() {
            self.befall(number, now);
        }
        for shard in 0..self.settings.shards {
            self.watch(shard, now);
        }
    }

    /// What happens to a process: it starts, crashes, stands still or goes on.
    fn befall(&mut self, number: usize, now: u64) {
        let process = &mut self.processes[number];
        let due = now >= process.until || self.calm;
        let Some((runtime, _)) = &process.running else {
            if due {
                self.start(number);
            }
            return;
        };
        match process.paused_since {
            Some(since) if due => {
                process.paused_since = None;
                self.log.note("world", format_args!("broker {number} goes on"));
                let _named = process.span.enter();
                runtime.block_on(advance(Duration::from_millis(now - since)));
            }
            _ if self.calm => {}
            _ if self.dice.one_in(self.crash_ms) => self.crash(number, now),
            None if self.dice.one_in(self.pause_ms) => {
                process.paused_since = Some(now);
                process.until = now + *self.dice.pick(&[20, 300, 2000, 8000]);
                self.log.count("pause", 1);
                self.log.note("world", format_args!("broker {number} stands still until {}", process.until));
            }
            _ => {}
        }
    }

    fn start(&mut self, number: usize) {
        self.log.note("world", format_args!("broker {number} starts"));
        let runtime = runtime();
        let process = &mut self.processes[number];
        let entered = runtime.enter();
        let broker = Broker::start(number, &process.env, &process.store, &self.settings, &self.truth);
        drop(entered);
        self.brokers.lock()[number] = Some(broker.calls.clone());
        process.running = Some((runtime, broker));
    }

    fn crash(&mut self, number: usize, now: u64) {
        self.log.note("world", format_args!("broker {number} crashes"));
        self.log.count(if self.calm { LAST_RESTART } else { "kill" }, 1);
        self.brokers.lock()[number] = None;
        let process = &mut self.processes[number];
        process.running = None;
        process.paused_since = None;
        process.until = now + *self.dice.pick(&[1, 50, 1000, 5000]);
    }

    /// Those that could take a shard over.
    fn able(&self) -> Vec<usize> {
        let able = |process: &Process| process.running.is_some() && process.paused_since.is_none();
        (0..self.processes.len()).filter(|number| able(&self.processes[*number])).collect()
    }

    fn broker(&self, number: usize) -> &Broker {
        &self.processes[number].running.as_ref().expect("it runs").1
    }

    /// Lets brokers try to take the shard over: when nobody has it for a while, and on a whim.
    fn watch(&mut self, shard: usize, now: u64) {
        let running = (0..self.processes.len()).filter(|number| self.processes[*number].running.is_some());
        for number in running {
            if let ShardState::Halted(why) = self.broker(number).state(shard) {
                self.log.fault(format!("broker {number} halts shard {shard}: {why}"));
            }
        }
        let able = self.able();
        if able.is_empty() {
            return;
        }
        let whim = !self.calm && self.dice.one_in(2000);
        if able.iter().any(|number| self.broker(*number).is_at_it(shard, &self.truth)) && !whim {
            self.vacant[shard] = None;
            return;
        }
        let wait = self.dice.within(0..1000);
        if now < *self.vacant[shard].get_or_insert(now + wait) && !whim {
            return;
        }
        let candidates = if self.dice.one_in(4) { 2 } else { 1 };
        for _ in 0..candidates {
            let number = *self.dice.pick(&able);
            self.log.note("world", format_args!("broker {number} may take shard {shard}"));
            self.broker(number).permit(shard);
        }
    }

    /// No more faults from now on.
    fn calm_down(&mut self, now: u64) {
        self.log.note("world", format_args!("no more faults"));
        self.calm = true;
        self.calm_at = now;
        self.store.heal();
        self.model.borrow_mut().phase = Phase::Produced;
    }

    /// Once all is acknowledged, all brokers start anew, and all is read. Whether it was.
    fn wind_up(&mut self, now: u64) -> bool {
        if self.stage.producing.get() == 0 && self.model.borrow().phase < Phase::Reading {
            for number in 0..self.processes.len() {
                if self.processes[number].running.is_some() {
                    self.crash(number, now);
                }
            }
            self.log.note("world", format_args!("the last read"));
            self.model.borrow_mut().phase = Phase::Reading;
        }
        self.stage.has_read.get()
    }

    fn end(self, mut problems: Vec<String>, now: u64) -> (Vec<String>, Counts) {
        let mut model = self.model.borrow_mut();
        let (objects, bytes) = self.store.size();
        let events = model.checker.events();
        self.log.note("world", format_args!("ends with {events} events, {objects} objects, {bytes} bytes"));
        let checker = std::mem::take(&mut model.checker);
        let whole = problems.is_empty() && self.log.first_fault().is_none() && checker.found().is_empty();
        let found = if whole { checker.finish() } else { checker.found().to_vec() };
        problems.extend(found.iter().map(ToString::to_string));
        if !problems.is_empty() {
            problems.extend(model.recent().into_iter().map(|event| format!("{LATELY}{event}")));
        }
        let counts =
            Counts { millis: now, operations: model.operations, read: model.read, faults: self.log.counts() };
        (problems, counts)
    }
}
