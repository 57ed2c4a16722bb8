//! What befalls a broker: crashes at seeded moments (after a time, at an operation of the disk, right after a start,
//! while files are sealed or names change, at a step of a rebalance), killed, by a power cut or stopped in good order;
//! disks that are full for a while, now and then for long, or fail to sync; clocks that jump; a network that fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use klamm_checker::Event;

use crate::{
    Dice, Log, Time,
    disk::{Crash, Damage, Op, SimDisk, Trap},
    host::Control,
    model::Shared,
    run::LAST_RESTART,
};

/// What is planned for the running broker.
#[derive(Debug, Clone, Copy)]
enum Plan {
    /// To crash at this time at the latest, earlier if a trap springs.
    Crash { at: u64 },
    /// To stop in good order at this time.
    Stop { at: u64 },
    /// To start at this time.
    Start { at: u64 },
    /// Nothing more.
    Rest,
}

/// Whom the faults befall.
pub(crate) struct Target {
    /// The broker's host.
    pub(crate) broker: String,
    /// Who may be cut off from it.
    pub(crate) clients: Vec<String>,
    pub(crate) disk: SimDisk,
    pub(crate) control: Control,
    pub(crate) model: Shared,
    pub(crate) time: Time,
    pub(crate) resets: Arc<AtomicBool>,
    /// The first want of space lasts so many milliseconds: loads that fail meanwhile wait longer and longer.
    pub(crate) long_spell_ms: Option<u64>,
}

/// The faults of one broker's run.
pub(crate) struct Chaos {
    name: String,
    dice: Dice,
    log: Log,
    target: Target,
    plan: Plan,
    crashes_left: u64,
    /// When a cut-off client is connected again.
    cut_until: Option<(u64, usize)>,
    /// When a full disk has space again.
    full_until: Option<u64>,
    ended: bool,
}

/// Most times when there is no space are shorter.
const SPELL_MS_MAX: u64 = 1500;
/// The wall clock is never further off: producers' timestamps must stay acceptable.
const SKEW_MS_MAX: u64 = 3_000_000;

impl Chaos {
    pub(crate) fn new(name: String, mut dice: Dice, log: Log, target: Target, minutes: Option<u64>) -> Self {
        // Many more than there is time for.
        let crashes_left = minutes.map_or(dice.within(4..16), |minutes| minutes * 1000);
        target.resets.store(dice.one_in(2), Ordering::Relaxed);
        let (plan, cut_until, full_until) = (Plan::Rest, None, None);
        let ended = false;
        let mut chaos = Self { name, dice, log, target, plan, crashes_left, cut_until, full_until, ended };
        chaos.plan_end();
        chaos
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        self.log.note(&self.name, what);
    }

    /// Plans how the broker that was just started ends.
    fn plan_end(&mut self) {
        let now = self.log.millis();
        let Some(left) = self.crashes_left.checked_sub(1) else {
            self.plan = Plan::Rest;
            return;
        };
        self.crashes_left = left;
        let trap = match self.dice.within(0..10) {
            0 => Some(Trap { op: None, on: "", after: self.dice.within(0..40) }),
            1..4 => Some(Trap { op: Some(Op::Sync), on: "", after: self.dice.within(0..100) }),
            4..6 => {
                let op = *self.dice.pick(&[Op::Rename, Op::Truncate, Op::Replace, Op::Create, Op::Remove]);
                Some(Trap { op: Some(op), on: "", after: self.dice.within(0..5) })
            }
            // In the midst of a merge: its file is created, synced or gets its name; what it replaced goes.
            6..8 => {
                let on = *self.dice.pick(&["merge.tmp", ".seg"]);
                Some(Trap { op: None, on, after: self.dice.within(0..4) })
            }
            8 => {
                self.target.disk.fail_sync(self.dice.within(0..100));
                None
            }
            _ => None,
        };
        self.target.disk.lay(trap);
        let at = now + self.dice.within(1..2000);
        self.plan =
            if trap.is_none() && self.dice.one_in(3) { Plan::Stop { at } } else { Plan::Crash { at } };
        self.note(format_args!("plans {:?}, {trap:?}", self.plan));
    }

    /// Whether the broker can acknowledge nothing to this client for now.
    pub(crate) fn hinders(&self, client: &str) -> bool {
        let is_cut_off = self.cut_until.is_some_and(|(_, number)| self.target.clients[number] == client);
        is_cut_off || self.lacks_space()
    }

    /// Whether the broker was refused space, and there is none still.
    pub(crate) fn lacks_space(&self) -> bool {
        self.target.disk.lacks_space()
    }

    /// Whether no crash is to come.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.plan, Plan::Rest) && self.cut_until.is_none() && self.full_until.is_none()
    }

    /// No more faults, but for the last restart.
    pub(crate) fn end(&mut self) {
        self.crashes_left = 0;
        self.ended = true;
        self.target.disk.lay(None);
        self.target.resets.store(false, Ordering::Relaxed);
    }

    /// After each step of the simulation.
    pub(crate) fn step(&mut self, sim: &mut turmoil::Sim<'_>) {
        let now = self.log.millis();
        self.network(sim, now);
        self.space(now);
        if !self.ended && self.dice.one_in(150) {
            self.jump();
        }
        let wish = self.target.model.borrow_mut().crash_wish.take().filter(|_| !self.ended);
        let running = sim.is_host_running(&*self.target.broker);
        match self.plan {
            Plan::Start { at } if now >= at => {
                self.note(format_args!("the broker starts"));
                sim.bounce(&*self.target.broker);
                // Answers of the one before may have come since it ended.
                self.restarted("comes back");
                self.plan_end();
            }
            Plan::Start { .. } => {}
            Plan::Stop { at } if now >= at && running => {
                if now == at {
                    self.note(format_args!("the broker is to stop"));
                    self.log.count("stop in good order", 1);
                    self.target.control.stop();
                }
            }
            // It stopped, or could not go on.
            _ if !running => {
                self.note(format_args!("the broker ended"));
                let was_asked = matches!(self.plan, Plan::Stop { at } if now >= at);
                self.log.count("broker ended by itself", u64::from(!was_asked));
                self.restarted("ended");
                if self.dice.one_in(2) {
                    self.end_disk(Crash::PowerCut);
                }
                self.plan_start();
            }
            Plan::Crash { at } if now >= at || self.target.disk.is_frozen() => self.crash(sim, false),
            _ => {
                if let Some(step) = wish {
                    self.note(format_args!("at a step: {step}"));
                    self.log.count(&format!("broker crashes: {step}"), 1);
                    self.crash(sim, false);
                }
            }
        }
    }

    fn restarted(&self, what: &str) {
        self.target.model.borrow_mut().tell(Event::Restart { what: what.to_owned() });
    }

    /// Ends the broker for the last time.
    pub(crate) fn last_crash(&mut self, sim: &mut turmoil::Sim<'_>) {
        self.crash(sim, true);
    }

    /// Ends the broker now.
    fn crash(&mut self, sim: &mut turmoil::Sim<'_>, is_last: bool) {
        let silent = self.dice.one_in(3);
        let broker = self.target.broker.clone();
        if silent {
            // The clients are not told: they find out by themselves.
            self.target.clients.iter().for_each(|client| sim.partition(&*broker, client.as_str()));
        }
        let crash = if self.dice.one_in(4) { Crash::Kill } else { Crash::PowerCut };
        self.note(format_args!("{crash:?}{}", if silent { ", silent" } else { "" }));
        let kind = if crash == Crash::Kill { "kill" } else { "power cut" };
        self.log.count(if is_last { LAST_RESTART } else { kind }, 1);
        // First the disk, so that nothing that is dropped reaches it.
        self.end_disk(crash);
        sim.crash(&*broker);
        self.restarted("crash");
        if silent {
            self.target.clients.iter().for_each(|client| sim.repair(&*broker, client.as_str()));
            self.cut_until = None;
        }
        self.plan_start();
    }

    fn end_disk(&mut self, crash: Crash) {
        let Damage { lost, kept, torn } = self.target.disk.crash(crash);
        self.note(format_args!("unsynced writes: {lost} lost, {kept} kept, {torn} torn"));
        self.log.count("work: unsynced writes lost", lost);
        self.log.count("work: unsynced writes torn", torn);
    }

    fn plan_start(&mut self) {
        let now = self.log.millis();
        // On a disk that stays full a start may fail again and again.
        let is_long = self.full_until.is_some_and(|until| until > now + SPELL_MS_MAX);
        let pause_max = if is_long { 5000 } else { 300 };
        let pause = if self.dice.one_in(2) && !is_long { 1 } else { self.dice.within(1..pause_max) };
        self.plan = Plan::Start { at: now + pause };
    }

    /// The wall clock jumps, to somewhere near the true time.
    fn jump(&mut self) {
        let skew = self.dice.within(0..2 * SKEW_MS_MAX) as i64 - SKEW_MS_MAX as i64;
        self.note(format_args!("the wall clock is {skew} ms off"));
        self.log.count("clock jump", 1);
        self.target.time.skew(skew);
    }

    /// Now and then the disk is full for a while.
    fn space(&mut self, now: u64) {
        match self.full_until {
            Some(until) if now >= until || self.ended => {
                self.note(format_args!("the disk has space again"));
                self.target.disk.fill(false);
                self.target.disk.leave(None);
                self.full_until = None;
            }
            None if !self.ended && self.dice.one_in(3000) => {
                let pause = self.dice.within(1..SPELL_MS_MAX);
                let pause = self.target.long_spell_ms.take().unwrap_or(pause);
                if self.dice.one_in(2) {
                    self.note(format_args!("the disk is full for {pause} ms"));
                    self.target.disk.fill(true);
                } else {
                    // What goes frees space, and what is left is used up in pieces.
                    let left = self.dice.within(0..400_000);
                    self.note(format_args!("the disk has {left} bytes left for {pause} ms"));
                    self.target.disk.leave(Some(left));
                }
                self.full_until = Some(now + pause);
            }
            _ => {}
        }
    }

    /// Now and then a client is cut off for a while; what is on the way is gone.
    fn network(&mut self, sim: &turmoil::Sim<'_>, now: u64) {
        let broker = &*self.target.broker;
        match self.cut_until {
            Some((until, client)) if now >= until => {
                let client = self.target.clients[client].as_str();
                self.note(format_args!("{client} is connected again"));
                sim.repair(broker, client);
                self.cut_until = None;
            }
            None if self.crashes_left > 0 && self.dice.one_in(200) => {
                let number = self.dice.within(0..self.target.clients.len() as u64) as usize;
                let client = self.target.clients[number].as_str();
                let pause = self.dice.within(1..Duration::from_secs(2).as_millis() as u64);
                self.note(format_args!("{client} is cut off for {pause} ms"));
                self.log.count("client cut off", 1);
                sim.partition(broker, client);
                self.cut_until = Some((now + pause, number));
            }
            _ => {}
        }
    }
}
