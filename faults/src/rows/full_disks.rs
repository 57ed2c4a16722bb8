//! A disk that others fill: a small tmpfs and a ballast. Writes stop, and go on when there is room; every second time the
//! broker is killed and started while the disk is full.

use std::{fs, io::Write as _, path::Path, time::Duration};

use super::rounds;
use crate::{
    bench::Bench,
    broker::Started,
    folder::Mount,
    stop::Stop,
    trial::{Counts, Trial},
};

const DISK_BYTES: u64 = 48 << 20;
/// How long nothing may be acknowledged before the disk counts as full.
const QUIET: Duration = Duration::from_millis(1500);
const FILLS_WITHIN: u32 = 40;

pub(super) fn run(bench: &mut Bench, count: u32, counts: &mut Counts) -> Result<(), Stop> {
    rounds(bench, count, 1, counts, |bench, _, folder, counts| {
        let restart = counts.faults % 2 == 1;
        let mount = Mount::tmpfs(folder, DISK_BYTES)?;
        let mut trial = Trial::start(bench, folder, &mount.path().join("data"), counts)?;
        trial.live(bench.millis(200..1000))?;
        let ballast = mount.path().join("ballast");
        fill(&ballast)?;
        wait_until_full(&mut trial)?;
        trial.counts.faults += 1;
        if restart {
            trial.kill()?;
            trial.broker.launch(&[])?;
            if let Started::Ended(status) = trial.broker.wait()? {
                // It may refuse a disk without any room, if it says so.
                refused(&trial, &status.to_string())?;
            }
        } else {
            trial.live(bench.millis(500..2500))?;
        }
        fs::remove_file(&ballast).map_err(Stop::io("remove", &ballast))?;
        match trial.broker.ended() {
            Some(status) => return Err(trial.broker.wrong(&format!("ended on a full disk: {status}"))),
            None if trial.broker.runs() => trial.resumes()?,
            None => trial.restart()?,
        }
        trial.live(bench.millis(200..1000))?;
        trial.finish().map(drop)
    })
}

/// Takes all the room there is.
fn fill(ballast: &Path) -> Result<(), Stop> {
    let mut file = fs::File::create(ballast).map_err(Stop::io("make", ballast))?;
    let block = vec![0xA5; 64 << 10];
    while file.write_all(&block).is_ok() {}
    Ok(())
}

/// The broker has room reserved: it goes on for a while.
fn wait_until_full(trial: &mut Trial) -> Result<(), Stop> {
    for _ in 0..FILLS_WITHIN {
        if !trial.acknowledges(QUIET)? {
            return Ok(());
        }
    }
    Err(trial.broker.wrong("goes on writing to a full disk"))
}

fn refused(trial: &Trial, status: &str) -> Result<(), Stop> {
    let log = trial.broker.log_since(trial.broker.log_end().saturating_sub(1000));
    if log.contains("No space left") {
        return Ok(());
    }
    Err(trial.broker.wrong(&format!("does not say why it does not start on a full disk: {status}")))
}
