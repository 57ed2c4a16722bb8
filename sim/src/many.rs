//! Many seeds, and one seed twice: each run in a process of its own.

use std::{
    collections::VecDeque,
    env, io,
    num::NonZero,
    ops::Range,
    process::{Child, Command, Output, Stdio},
    thread::available_parallelism,
};

/// Lines of context around a difference.
const CONTEXT: usize = 5;

fn start(seed: u64, more: &[&str]) -> Result<Child, String> {
    let start = || -> io::Result<Child> {
        Command::new(env::current_exe()?)
            .args(["--seed", &seed.to_string()])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    };
    start().map_err(|error| format!("seed {seed} can't be started: {error}"))
}

fn end(seed: u64, child: Child) -> Result<Output, String> {
    child.wait_with_output().map_err(|error| format!("seed {seed}: {error}"))
}

/// Runs seeds, some at a time, up to the first that fails.
pub(crate) fn seeds(seeds: Range<u64>, jobs: Option<usize>) -> Result<(), String> {
    let jobs = jobs.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get)).max(1);
    let mut running = VecDeque::new();
    let (mut left, mut passed) = (seeds, 0);
    loop {
        while running.len() < jobs
            && let Some(seed) = left.next()
        {
            running.push_back((seed, start(seed, &[])?));
        }
        let Some((seed, child)) = running.pop_front() else { break };
        let output = end(seed, child)?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
        if !output.status.success() {
            for (_, mut child) in running {
                // Its outcome does not matter any more.
                let _ = child.kill();
                let _ = child.wait();
            }
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
            println!("test result: FAILED. {passed} passed; 1 failed");
            return Err(format!("seed {seed} failed ({}); again: sim --seed {seed}", output.status));
        }
        passed += 1;
    }
    println!("test result: ok. {passed} passed; 0 failed");
    Ok(())
}

/// Runs a seed twice and compares the logs.
pub(crate) fn meta(seed: u64) -> Result<(), String> {
    let first = start(seed, &["--log"])?;
    let second = start(seed, &["--log"])?;
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
