//! `kill -9`, while it serves and while it starts.

use std::{thread, time::Duration};

use super::rounds;
use crate::{
    bench::Bench,
    stop::Stop,
    trial::{Counts, Trial},
};

const AT_ONCE: u32 = 25;

pub(super) fn run(bench: &mut Bench, count: u32, counts: &mut Counts) -> Result<(), Stop> {
    rounds(bench, count, AT_ONCE, counts, |bench, now, folder, counts| {
        let mut trial = Trial::start(bench, folder, &folder.path().join("data"), counts)?;
        for _ in 0..now {
            trial.live(bench.millis(20..900))?;
            trial.kill()?;
            trial.counts.faults += 1;
            // One in four recoveries is interrupted, too.
            if bench.within(0..4) == 0 {
                trial.broker.launch(&[])?;
                thread::sleep(bench.millis(0..150));
                trial.broker.kill();
            }
            // A restart comes at once, or after clients have noticed.
            trial.live(Duration::from_millis(if bench.within(0..3) == 0 { 700 } else { 0 }))?;
            trial.restart()?;
        }
        trial.finish().map(drop)
    })
}
