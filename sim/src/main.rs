//! `sim`: runs seeds of the simulator.

mod compete;
mod many;
#[cfg(feature = "planted")]
mod planted;

use std::{collections::BTreeMap, ops::Range, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use klamm_sim::{Outcome, days, rot, run};

/// Runs the broker on virtual time, with crashes and torn writes, and checks what its clients saw.
///
/// A seed decides everything: a seed that fails fails again.
#[derive(Parser)]
#[command(name = "sim", args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    what: Option<What>,
    /// Prints the whole log (one seed only).
    #[arg(long, requires = "seed")]
    log: bool,
    /// A planted bug.
    #[cfg(feature = "planted")]
    #[arg(long, requires = "seed", hide = true)]
    bug: Option<String>,
    /// Goes on for so many minutes of virtual time.
    #[arg(long)]
    minutes: Option<u64>,
    /// The first of the seeds, if --seeds says how many.
    #[arg(long, requires = "seeds", default_value_t = 0)]
    from: u64,
    /// Processes at a time (by default one a core).
    #[arg(long, requires = "seeds")]
    jobs: Option<usize>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Runs one seed and says how it went.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Runs many seeds, each in a process of its own, up to the first that fails: A..B, or how many from 0 on.
    #[arg(long, value_name = "A..B | COUNT", value_parser = seeds)]
    seeds: Option<Range<u64>>,
}

#[derive(Subcommand)]
enum Command {
    /// Looks for each of the bugs that are planted in this build, from seed 0 on.
    #[cfg(feature = "planted")]
    Planted {
        /// Each must be found within so many seeds.
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// Only this one, by its name.
        #[arg(long)]
        bug: Option<String>,
        /// Processes at a time (by default one a core).
        #[arg(long)]
        jobs: Option<usize>,
    },
    /// Runs days of a broker in accelerated time: what is old goes in time, nothing else does, and disks stay small.
    Days {
        /// The seed.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// How many hours.
        #[arg(long, default_value_t = 48)]
        hours: u64,
    },
    /// Flips a bit of what a broker made durable: it must say so, or nothing may be missing; and no wrong byte is read.
    Rot {
        /// The seeds, each with one bit.
        #[arg(long, value_name = "A..B | COUNT", value_parser = seeds, default_value = "30")]
        seeds: Range<u64>,
    },
    /// Runs brokers whose shards live in a simulated object store, which fails in many ways, and compete for them.
    Objects(compete::Objects),
    /// Runs a seed twice, in two processes, and compares the logs: they must be equal.
    Meta {
        /// The seed; or how many seeds from 0 on.
        #[arg(long, value_name = "N", required_unless_present = "seeds")]
        seed: Option<u64>,
        /// Several seeds.
        #[arg(long, value_name = "A..B | COUNT", value_parser = seeds, conflicts_with = "seed")]
        seeds: Option<Range<u64>>,
    },
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let range = match text.split_once("..") {
        Some((from, to)) => number(from)?..number(to)?,
        None => 0..number(text)?,
    };
    if range.is_empty() { Err("no seed is in it".to_owned()) } else { Ok(range) }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(feature = "planted")]
    if let Some(name) = &cli.bug {
        planted::plant(name);
    }
    let result = match (cli.command, cli.what) {
        #[cfg(feature = "planted")]
        (Some(Command::Planted { seeds, bug, jobs }), _) => planted::find(seeds, bug.as_deref(), jobs),
        (Some(Command::Meta { seed, seeds }), _) => {
            let seeds = seeds.or(seed.map(|seed| seed..seed + 1)).expect("clap asks for one of them");
            seeds.into_iter().try_for_each(|seed| many::meta(seed, &[]))
        }
        (Some(Command::Objects(objects)), _) => objects.run(),
        (Some(Command::Days { seed, hours }), _) => {
            days(seed, hours).map(|told| println!("{told}\ntest result: ok. 1 passed; 0 failed"))
        }
        (Some(Command::Rot { seeds }), _) => rotten(seeds),
        (None, Some(What { seed: Some(seed), .. })) => one(seed, cli.log, cli.minutes),
        (None, Some(What { seeds: Some(seeds), .. })) => {
            let seeds = seeds.start + cli.from..seeds.end + cli.from;
            many::seeds(seeds, cli.jobs, cli.minutes)
        }
        _ => unreachable!("clap asks for one of them"),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Flips a bit for each seed, up to the first that fails, and counts what came of it.
fn rotten(seeds: Range<u64>) -> Result<(), String> {
    let (count, mut outcomes) = (seeds.end - seeds.start, BTreeMap::<String, u64>::new());
    for seed in seeds {
        let outcome = rot(seed).map_err(|why| format!("rot of seed {seed} failed: {why}"))?;
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes.iter().for_each(|(outcome, times)| println!("  {times:>6} {outcome}"));
    println!("test result: ok. {count} passed; 0 failed");
    Ok(())
}

fn one(seed: u64, whole_log: bool, minutes: Option<u64>) -> Result<(), String> {
    tell(seed, run(seed, minutes), whole_log, "sim")
}

/// Says how a seed went, which `again` runs again.
fn tell(seed: u64, outcome: Outcome, whole_log: bool, again: &str) -> Result<(), String> {
    let is_unsure = outcome.is_unsure();
    let Outcome { problems, log, counts } = outcome;
    if whole_log {
        log.lines().iter().for_each(|line| println!("{line}"));
    }
    println!(
        "seed {seed}: {} operations acknowledged, {} records read, {} ms, log {:016x}",
        counts.operations,
        counts.read,
        counts.millis,
        log.hash()
    );
    let mut all = counts.faults;
    all.insert(many::OPERATIONS.to_owned(), counts.operations);
    all.insert(many::READ.to_owned(), counts.read);
    let all: Vec<String> = all.iter().map(|(kind, times)| format!("{kind}={times}")).collect();
    println!("{}{}", many::COUNTS, all.join(";"));
    let Some(first) = problems.first() else { return Ok(()) };
    // Problems that differ in numbers only are told once.
    let shape = |problem: &str| problem.replace(|letter: char| letter.is_ascii_digit(), "");
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    problems.iter().for_each(|problem| *shapes.entry(shape(problem)).or_default() += 1);
    for problem in &problems {
        match shapes.remove(&shape(problem)) {
            Some(1) => println!("  {problem}"),
            Some(times) => println!("  {problem} (and {} more like it)", times - 1),
            None => {}
        }
    }
    if is_unsure {
        println!("{}", many::UNSURE);
    }
    if !whole_log {
        println!("  its log: {again} --seed {seed} --log");
    }
    Err(format!("seed {seed} failed ({} problems): {first}", problems.len()))
}
