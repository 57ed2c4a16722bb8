//! Planted bugs: how many seeds it takes until each is caught.

use std::{num::NonZero, thread::available_parallelism};

use klamm_model::{Bug, plant as put};

use crate::many::{UNSURE, end, start};

/// Plants a bug in this process, by its name.
pub(crate) fn plant(name: &str) {
    put(Bug::named(name).unwrap_or_else(|why| panic!("{why}")));
}

/// Looks for all bugs, or one.
pub(crate) fn find(seeds_max: u64, only: Option<&str>, jobs: Option<usize>) -> Result<(), String> {
    if let Some(name) = only {
        Bug::named(name)?;
    }
    let jobs = jobs.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get)).max(1) as u64;
    let mut missed = Vec::new();
    let disks = Bug::ALL.iter().map(|bug| (&[][..], format!("{bug:?}")));
    let objects = Bug::OBJECTS.iter().map(|bug| (&[crate::compete::COMMAND][..], format!("{bug:?}")));
    let names: Vec<(&[&str], String)> =
        disks.chain(objects).filter(|(_, name)| only.is_none_or(|only| only == name)).collect();
    for (command, name) in &names {
        let told = [command, &[name.as_str()][..]].concat().join(" ");
        match catch(command, name, seeds_max, jobs)? {
            Some((seeds, how)) => println!("{told}: caught after {seeds} seeds: {how}"),
            None => {
                println!("{told}: not caught within {seeds_max} seeds");
                missed.push(name.as_str());
            }
        }
    }
    println!("test result: {} passed; {} failed", names.len() - missed.len(), missed.len());
    if missed.is_empty() { Ok(()) } else { Err(format!("not caught: {}", missed.join(", "))) }
}

/// How many seeds it took, and what the last of them said. A seed catches the bug that fails with it and passes without. That
/// time was up is not enough, nor a panic of the simulator.
fn catch(command: &[&str], name: &str, seeds_max: u64, jobs: u64) -> Result<Option<(u64, String)>, String> {
    let more = [command, &["--bug", name]].concat();
    for first in (0..seeds_max).step_by(jobs as usize) {
        let seeds = first..seeds_max.min(first + jobs);
        let children: Result<Vec<_>, String> = seeds.map(|seed| Ok((seed, start(seed, &more)?))).collect();
        let mut caught = None;
        for (seed, child) in children? {
            let output = end(seed, child)?;
            // Whoever is ended by a signal, or panics outside a run, has another status.
            let is_sure =
                !String::from_utf8_lossy(&output.stdout).lines().any(|line| line.starts_with(UNSURE));
            if output.status.code() == Some(1) && is_sure && caught.is_none() {
                let told = String::from_utf8_lossy(&output.stderr);
                let how = told.lines().next().unwrap_or_default().chars().take(160).collect();
                caught = Some((seed, how));
            }
        }
        if let Some((seed, how)) = caught {
            let without = end(seed, start(seed, command)?)?;
            return match without.status.success() {
                true => Ok(Some((seed + 1, how))),
                false => Err(format!(
                    "seed {seed} fails without {name}, too: {}",
                    String::from_utf8_lossy(&without.stderr)
                )),
            };
        }
    }
    Ok(None)
}
