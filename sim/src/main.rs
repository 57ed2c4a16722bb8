//! `sim`: runs seeds of the simulator.

mod many;

use std::{collections::BTreeMap, ops::Range, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use klamm_sim::{Outcome, run};

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
    /// Runs a seed twice, in two processes, and compares the logs: they must be equal.
    Meta {
        /// The seed.
        #[arg(long, value_name = "N")]
        seed: u64,
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
    let result = match (cli.command, cli.what) {
        (Some(Command::Meta { seed }), _) => many::meta(seed),
        (None, Some(What { seed: Some(seed), .. })) => one(seed, cli.log),
        (None, Some(What { seeds: Some(seeds), .. })) => many::seeds(seeds, cli.jobs),
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

fn one(seed: u64, whole_log: bool) -> Result<(), String> {
    let Outcome { problems, log, counts } = run(seed);
    if whole_log {
        log.lines().iter().for_each(|line| println!("{line}"));
    }
    let damage = counts.damage;
    println!(
        "seed {seed}: {} batches acknowledged, {} records read, {} crashes, {} torn and {} lost writes, {} ms, log {:016x}",
        counts.acked,
        counts.read,
        counts.crashes,
        damage.torn,
        damage.lost,
        counts.millis,
        log.hash()
    );
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
    if !whole_log {
        println!("  its log: sim --seed {seed} --log");
    }
    Err(format!("seed {seed} failed ({} problems): {first}", problems.len()))
}
