//! `faults`: real faults on the running binary, under the load of librdkafka, judged by the checker of histories.
//!
//! Every row of the result is one kind of fault. A row runs in rounds; a round is a [`trial::Trial`]: a broker with a
//! folder of its own, a load, faults, and a last read of everything. Invariant: processes, mounts and folders end with
//! the values that stand for them, also when a row fails or a signal comes.
#![allow(clippy::disallowed_methods, reason = "drives real processes, files and mounts from outside")]

mod bench;
mod broker;
mod folder;
mod load;
mod planted;
mod report;
mod rows;
mod stop;
mod trial;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;

use crate::{
    bench::Bench,
    report::{Report, Verdict},
    rows::ROWS,
    stop::Stop,
    trial::Counts,
};

/// Runs the klamm binary under load and does to it what machines do: ends it by force, pauses it, fills its disk, fails
/// its syncs, cuts its power, damages its files. Then reads everything back and looks for broken promises.
///
/// Without counts a short form of all runs, in about a minute and a half. With any, only those that are given:
/// `--kills 300 --pauses 50 --full-disks 10 --fsync-errors 20 --power-cuts 20 --damages 20` is the long form.
/// A fault for which the machine lacks the means (root, strace, loop devices, Python) is skipped by name.
#[derive(Parser)]
#[command(name = "faults")]
struct Cli {
    /// `kill -9` while it serves and while it starts.
    #[arg(long, value_name = "N")]
    kills: Option<u32>,
    /// SIGSTOP, with a rival on the same folder, and SIGCONT.
    #[arg(long, value_name = "N")]
    pauses: Option<u32>,
    /// Full disks (a small tmpfs), with and without a restart on it.
    #[arg(long, value_name = "N")]
    full_disks: Option<u32>,
    /// Syncs that fail (strace).
    #[arg(long, value_name = "N")]
    fsync_errors: Option<u32>,
    /// Power cuts (ext4 on a loop device that is shut down).
    #[arg(long, value_name = "N")]
    power_cuts: Option<u32>,
    /// Flipped bytes and torn ends.
    #[arg(long, value_name = "N")]
    damages: Option<u32>,
    /// Looks for the bugs that are planted in a build of the broker with its feature `planted`, or for one of them.
    #[arg(long, value_name = "BUG", num_args = 0..=1, default_missing_value = "all")]
    planted: Option<String>,
    /// The broker; by default KLAMM_BIN, or `klamm` beside this program.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Decides when the faults come; how processes are scheduled, it can't decide.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Cli {
    /// How many faults of each row.
    fn counts(&self) -> [u32; ROWS.len()] {
        let given =
            [self.kills, self.pauses, self.full_disks, self.fsync_errors, self.power_cuts, self.damages];
        let short = given.iter().all(Option::is_none);
        std::array::from_fn(|row| given[row].unwrap_or(if short { ROWS[row].short } else { 0 }))
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    folder::sweep();
    if let Err(error) = stop::on_signals() {
        eprintln!("faults: signals can't be heard: {error}");
        return ExitCode::FAILURE;
    }
    let mut report = Report::default();
    let bench = Bench::new(cli.binary.clone(), cli.seed);
    match bench {
        Ok(mut bench) if let Some(only) = &cli.planted => return planted::hunt(&mut bench, only),
        Ok(mut bench) => run(&mut bench, cli.counts(), &mut report),
        Err(why) => {
            for (row, _) in ROWS.iter().zip(cli.counts()).filter(|(_, count)| *count > 0) {
                report.add(row.name, Counts::default(), 0.0, Verdict::of(Err(why.again())));
            }
        }
    }
    println!("\n{report}");
    if report.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(bench: &mut Bench, wanted: [u32; ROWS.len()], report: &mut Report) {
    for (row, count) in ROWS.iter().zip(wanted).filter(|(_, count)| *count > 0) {
        println!("{}: {count}", row.name);
        let (mut counts, began) = (Counts::default(), Instant::now());
        let result = (row.run)(bench, count, &mut counts);
        let signalled = matches!(result, Err(Stop::Signal));
        report.add(row.name, counts, began.elapsed().as_secs_f64(), Verdict::of(result));
        if signalled {
            return;
        }
    }
}
