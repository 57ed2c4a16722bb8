//! Bugs that are planted in the broker (`crates/model/src/planted.rs`): the faults must find them, or they would find
//! none of their like. The broker must be built with its feature `planted`:
//! ```text
//! cargo build -p klamm --features planted --target-dir target/planted
//! cargo run -p faults -- --planted --binary target/planted/debug/klamm
//! ```
//! The bug comes once the load runs, which some would not let begin. Two kinds are left to the simulator:
//! bugs of groups, which the load does not have, and entries that go before the head marker is there, which takes a fault
//! between two syncs.

use std::process::{Command, ExitCode};

use crate::{
    bench::Bench,
    rows::ROWS,
    stop::{Stop, check},
    trial::Counts,
};

/// Names the bug to a broker with the feature.
pub(crate) const VARIABLE: &str = "PLANTED_BUG";

/// A bug, the row that must find it, and within how many faults.
struct Hunt {
    bug: &'static str,
    row: &'static str,
    faults_max: u32,
    /// Faults in a round. Where one is judged alone, it is known how many it took; some bugs need a checkpoint before.
    at_once: u32,
}

const HUNTS: [Hunt; 7] = [
    Hunt { bug: "SkipSync", row: "power cuts", faults_max: 10, at_once: 1 },
    Hunt { bug: "AnswerEarly", row: "power cuts", faults_max: 10, at_once: 1 },
    Hunt { bug: "ServePastHighWatermark", row: "power cuts", faults_max: 20, at_once: 1 },
    Hunt { bug: "IgnoreHashChain", row: "damages", faults_max: 40, at_once: 1 },
    Hunt { bug: "ForgetProducerWindow", row: "kills", faults_max: 20, at_once: 1 },
    Hunt { bug: "ReuseOffset", row: "kills", faults_max: 20, at_once: 10 },
    Hunt { bug: "DropTailOnCheckpoint", row: "kills", faults_max: 20, at_once: 10 },
];

/// Looks for all bugs, or for the one of that name.
pub(crate) fn hunt(bench: &mut Bench, only: &str) -> ExitCode {
    let hunts: Vec<_> = HUNTS.iter().filter(|hunt| only == "all" || hunt.bug == only).collect();
    if hunts.is_empty() {
        let names: Vec<_> = HUNTS.iter().map(|hunt| hunt.bug).collect();
        eprintln!("faults: no row looks for {only}; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let (mut said, mut found) = (Vec::new(), 0);
    for hunt in &hunts {
        match hunt.run(bench) {
            Ok((faults, how)) => {
                said.push(format!("{}: caught after {faults} {}: {how}", hunt.bug, hunt.row));
                found += 1;
            }
            Err(why) => said.push(format!("{}: NOT CAUGHT: {why}", hunt.bug)),
        }
    }
    println!("\n{}\n{found} passed, {} failed", said.join("\n"), hunts.len() - found);
    if found == hunts.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Hunt {
    /// How many faults it took, and what the last of them showed.
    fn run(&self, bench: &mut Bench) -> Result<(u32, String), Stop> {
        check()?;
        self.is_planted(bench)?;
        let row = ROWS.iter().find(|row| row.name == self.row).expect("hunts name rows");
        println!("{}: {}, at most {}", self.bug, self.row, self.faults_max);
        (bench.bug, bench.at_once_max) = (Some(self.bug), self.at_once);
        let mut counts = Counts::default();
        let result = (row.run)(bench, self.faults_max, &mut counts);
        (bench.bug, bench.at_once_max) = (None, u32::MAX);
        match result {
            // The first line says how many promises, the second which.
            Err(Stop::Broken(what)) if counts.faults > 0 => {
                Ok((counts.faults, what.lines().take(2).collect()))
            }
            // That something came too late shows no bug of this kind: a slow machine does the same.
            Err(why) => Err(why),
            Ok(()) => Err(Stop::wrong(format!("{} {} showed nothing", counts.faults, self.row))),
        }
    }

    /// A binary without the bug would only waste time; one that does not start would seem to be caught.
    fn is_planted(&self, bench: &Bench) -> Result<(), Stop> {
        let starts = |name: &str| {
            let mut command = Command::new(&bench.binary);
            let output = command.arg("--version").env(VARIABLE, name).output();
            output.map(|output| output.status.success()).map_err(Stop::io("run", &bench.binary))
        };
        if starts("no bug")? {
            return Err(Stop::wrong("the broker was built without its feature `planted`"));
        }
        if starts(self.bug)? { Ok(()) } else { Err(Stop::wrong("the broker knows no such bug")) }
    }
}
