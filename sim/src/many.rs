//! Many seeds, and one seed twice: each run in a process of its own.

use std::{
    collections::{BTreeMap, VecDeque},
    env, io,
    num::NonZero,
    ops::Range,
    process::{Child, Command, Output, Stdio},
    thread::available_parallelism,
};

use klamm_sim::{
    LAST_RESTART,
    disk::{CHECKPOINTS, MERGED, SEALED},
};

/// Lines of context around a difference.
const CONTEXT: usize = 5;

pub(crate) fn start(seed: u64, more: &[&str]) -> Result<Child, String> {
    let start = || -> io::Result<Child> {
        Command::new(env::current_exe()?)
            .args(more)
            .args(["--seed", &seed.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    };
    start().map_err(|error| format!("seed {seed} can't be started: {error}"))
}

pub(crate) fn end(seed: u64, child: Child) -> Result<Output, String> {
    child.wait_with_output().map_err(|error| format!("seed {seed}: {error}"))
}

/// How the line of a seed's counts begins.
pub(crate) const COUNTS: &str = "  counts: ";
/// The line of a seed that failed, but showed no bug by that.
pub(crate) const UNSURE: &str = "  only time was up, or the simulator panicked itself";
/// Counts that are no faults.
pub(crate) const OPERATIONS: &str = "operations acknowledged";
pub(crate) const READ: &str = "records read";
/// How counts begin that are no faults.
const WORK: &str = "work: ";
/// Seeds between two words of progress.
const PROGRESS: u64 = 100;

/// The counts of many seeds.
#[derive(Default)]
struct Sum(BTreeMap<String, u64>);

impl Sum {
    fn add(&mut self, output: &str) {
        let counts = output.lines().filter_map(|line| line.strip_prefix(COUNTS));
        for (kind, times) in counts.flat_map(|line| line.split(';')).filter_map(|one| one.split_once('=')) {
            *self.0.entry(kind.to_owned()).or_default() += times.parse::<u64>().unwrap_or(0);
        }
    }

    fn print(&self) {
        let crash = |kind: &str| ["kill", "power cut", "broker ended by itself"].contains(&kind);
        let crashes: u64 = self.0.iter().filter(|(kind, _)| crash(kind)).map(|(_, times)| times).sum();
        let apart = [OPERATIONS, READ, "stop in good order", LAST_RESTART, SEALED, MERGED, CHECKPOINTS];
        // Which step a crash was at is told, and not counted again.
        let again =
            |kind: &str| kind.starts_with("broker crashes: ") || kind.starts_with(klamm_sim::objects::DONE);
        let fault = |kind: &str| !kind.starts_with(WORK) && !apart.contains(&kind) && !again(kind);
        let faults: u64 = self.0.iter().filter(|(kind, _)| fault(kind)).map(|(_, times)| times).sum();
        for (kind, times) in &self.0 {
            println!("  {times:>12} {kind}");
        }
        println!("  {faults:>12} faults, {crashes} crashes among them, each with a recovery");
    }
}

/// Runs seeds, some at a time, up to the first that fails, and sums up.
pub(crate) fn seeds(seeds: Range<u64>, jobs: Option<usize>, minutes: Option<u64>) -> Result<(), String> {
    let minutes = minutes.map(|minutes| minutes.to_string());
    let more: Vec<&str> = minutes.iter().flat_map(|minutes| ["--minutes", minutes]).collect();
    spread(seeds, jobs, &more)
}

/// Runs seeds with more arguments, some at a time, up to the first that fails, and sums up.
pub(crate) fn spread(seeds: Range<u64>, jobs: Option<usize>, more: &[&str]) -> Result<(), String> {
    let jobs = jobs.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get)).max(1);
    let mut running = VecDeque::new();
    let (mut left, mut passed, mut sum) = (seeds, 0, Sum::default());
    loop {
        while running.len() < jobs
            && let Some(seed) = left.next()
        {
            running.push_back((seed, start(seed, more)?));
        }
        let Some((seed, child)) = running.pop_front() else { break };
        let output = end(seed, child)?;
        let told = String::from_utf8_lossy(&output.stdout);
        sum.add(&told);
        if !output.status.success() {
            print!("{told}");
            for (_, mut child) in running {
                // Its outcome does not matter any more.
                let _ = child.kill();
                let _ = child.wait();
            }
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
            sum.print();
            println!("test result: FAILED. {passed} passed; 1 failed");
            return Err(format!(
                "seed {seed} failed ({}); again: sim {}--seed {seed}",
                output.status,
                more.iter().map(|word| format!("{word} ")).collect::<String>()
            ));
        }
        passed += 1;
        if passed % PROGRESS == 0 {
            println!("{passed} seeds passed, up to {seed}");
        }
    }
    sum.print();
    println!("test result: ok. {passed} passed; 0 failed");
    Ok(())
}

/// Runs a seed twice and compares the logs.
pub(crate) fn meta(seed: u64, more: &[&str]) -> Result<(), String> {
    let more = [more, &["--log"]].concat();
    let (first, second) = (start(seed, &more)?, start(seed, &more)?);
    let (first, second) = (end(seed, first)?, end(seed, second)?);
    let (one, two) = (String::from_utf8_lossy(&first.stdout), String::from_utf8_lossy(&second.stdout));
    let (one, two): (Vec<&str>, Vec<&str>) = (one.lines().collect(), two.lines().collect());
    let longer = one.len().max(two.len());
    let Some(at) = (0..longer).find(|line| one.get(*line) != two.get(*line)) else {
        println!("{}", one.last().unwrap_or(&""));
        println!("seed {seed}: {} lines, equal twice", one.len());
        return if first.status.success() { Ok(()) } else { Err(format!("but seed {seed} fails")) };
    };
    println!("seed {seed}: the logs differ at line {}:", at + 1);
    for line in &one[at.saturating_sub(CONTEXT)..at] {
        println!("    {line}");
    }
    for (sign, lines) in [('1', &one), ('2', &two)] {
        for line in lines.iter().skip(at).take(CONTEXT) {
            println!("  {sign} {line}");
        }
    }
    Err(format!("seed {seed} is not deterministic"))
}
