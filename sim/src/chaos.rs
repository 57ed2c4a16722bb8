//! What befalls the broker: crashes at seeded moments (after a time, at an operation of the disk, right after a start,
//! while files are sealed or names change), killed, by a power cut or stopped in good order; and a network that fails.

use std::time::Duration;

use crate::{
    Dice, Log,
    client::BROKER,
    disk::{Crash, Damage, Op, SimDisk, Trap},
    host::Control,
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

/// Who may be cut off from the broker.
const CLIENTS: [&str; 2] = ["producer", "reader"];

/// The faults of a run.
pub(crate) struct Chaos {
    dice: Dice,
    log: Log,
    disk: SimDisk,
    control: Control,
    plan: Plan,
    crashes_left: u64,
    /// When a cut-off client is connected again.
    cut_until: Option<(u64, &'static str)>,
    /// How often the broker ended otherwise than in good order.
    pub(crate) crashes: u64,
    /// What became of unsynced writes.
    pub(crate) damage: Damage,
}

impl Chaos {
    pub(crate) fn new(mut dice: Dice, log: Log, disk: SimDisk, control: Control) -> Self {
        let crashes_left = dice.within(3..12);
        let damage = Damage::default();
        let mut chaos = Self {
            dice,
            log,
            disk,
            control,
            plan: Plan::Rest,
            crashes_left,
            cut_until: None,
            crashes: 0,
            damage,
        };
        chaos.plan_end();
        chaos
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
            0..2 => Some(Trap { op: None, after: self.dice.within(0..40) }),
            2..6 => Some(Trap { op: Some(Op::Sync), after: self.dice.within(0..100) }),
            6..9 => {
                let op = *self.dice.pick(&[Op::Rename, Op::Truncate, Op::Replace, Op::Create, Op::Remove]);
                Some(Trap { op: Some(op), after: self.dice.within(0..5) })
            }
            _ => None,
        };
        self.disk.lay(trap);
        let at = now + self.dice.within(1..2000);
        self.plan =
            if trap.is_none() && self.dice.one_in(3) { Plan::Stop { at } } else { Plan::Crash { at } };
        self.log.note("chaos", format_args!("plans {:?}, {trap:?}", self.plan));
    }

    /// Whether no crash is to come.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.plan, Plan::Rest) && self.cut_until.is_none()
    }

    /// No more faults, but for the last restart.
    pub(crate) fn end(&mut self) {
        self.crashes_left = 0;
        self.disk.lay(None);
    }

    /// After each step of the simulation.
    pub(crate) fn step(&mut self, sim: &mut turmoil::Sim<'_>) {
        let now = self.log.millis();
        self.network(sim, now);
        match self.plan {
            Plan::Crash { at } if now >= at || self.disk.is_frozen() => self.crash(sim),
            Plan::Stop { at } if now >= at => {
                if now == at {
                    self.log.note("chaos", format_args!("the broker is to stop"));
                    self.control.stop();
                }
                if !sim.is_host_running(BROKER) {
                    self.log.note("chaos", format_args!("the broker stopped"));
                    self.maybe_cut_power();
                    self.plan_start();
                }
            }
            Plan::Start { at } if now >= at => {
                self.log.note("chaos", format_args!("the broker starts"));
                sim.bounce(BROKER);
                self.plan_end();
            }
            _ => {}
        }
    }

    /// Ends the broker now.
    pub(crate) fn crash(&mut self, sim: &mut turmoil::Sim<'_>) {
        let silent = self.dice.one_in(3);
        if silent {
            // The clients are not told: they find out by themselves.
            CLIENTS.iter().for_each(|client| sim.partition(BROKER, *client));
        }
        let crash = if self.dice.one_in(4) { Crash::Kill } else { Crash::PowerCut };
        self.log.note("chaos", format_args!("{crash:?}{}", if silent { ", silent" } else { "" }));
        self.crashes += 1;
        // First the disk, so that nothing that is dropped reaches it.
        self.end_disk(crash);
        sim.crash(BROKER);
        if silent {
            CLIENTS.iter().for_each(|client| sim.repair(BROKER, *client));
            self.cut_until = None;
        }
        self.plan_start();
    }

    /// A machine that was stopped, or its process killed, may lose its power before the next start.
    fn maybe_cut_power(&mut self) {
        if self.dice.one_in(2) {
            self.end_disk(Crash::PowerCut);
        }
    }

    fn end_disk(&mut self, crash: Crash) {
        let Damage { lost, kept, torn } = self.disk.crash(crash);
        self.log.note("chaos", format_args!("unsynced writes: {lost} lost, {kept} kept, {torn} torn"));
        self.damage.lost += lost;
        self.damage.kept += kept;
        self.damage.torn += torn;
    }

    fn plan_start(&mut self) {
        let pause = if self.dice.one_in(2) { 1 } else { self.dice.within(1..300) };
        self.plan = Plan::Start { at: self.log.millis() + pause };
    }

    /// Now and then a client is cut off for a while; what is on the way is gone.
    fn network(&mut self, sim: &turmoil::Sim<'_>, now: u64) {
        match self.cut_until {
            Some((until, client)) if now >= until => {
                self.log.note("chaos", format_args!("the {client} is connected again"));
                sim.repair(BROKER, client);
                self.cut_until = None;
            }
            None if self.crashes_left > 0 && self.dice.one_in(4000) => {
                let client = *self.dice.pick(&CLIENTS);
                let pause = self.dice.within(1..Duration::from_secs(2).as_millis() as u64);
                self.log.note("chaos", format_args!("the {client} is cut off for {pause} ms"));
                sim.partition(BROKER, client);
                self.cut_until = Some((now + pause, client));
            }
            _ => {}
        }
    }
}
