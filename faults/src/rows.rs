//! The kinds of faults, a file each.

mod damages;
mod fsync_errors;
mod full_disks;
mod kills;
mod pauses;
mod power_cuts;

use crate::{bench::Bench, folder::Folder, stop::Stop, trial::Counts};

/// A kind of fault.
pub(crate) struct Row {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// How many in the short form.
    pub(crate) short: u32,
    /// Does that many.
    pub(crate) run: fn(&mut Bench, u32, &mut Counts) -> Result<(), Stop>,
}

/// All of them, in the order of the command line.
pub(crate) const ROWS: [Row; 6] = [
    Row { name: "kills", short: 12, run: kills::run },
    Row { name: "pauses", short: 3, run: pauses::run },
    Row { name: "full disks", short: 1, run: full_disks::run },
    Row { name: "fsync errors", short: 3, run: fsync_errors::run },
    Row { name: "power cuts", short: 3, run: power_cuts::run },
    Row { name: "damages", short: 2, run: damages::run },
];

/// Does `count` faults in rounds of at most `at_once`, each with a folder of its own.
fn rounds(
    bench: &mut Bench,
    count: u32,
    at_once: u32,
    counts: &mut Counts,
    round: impl Fn(&mut Bench, u32, &Folder, &mut Counts) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut done = 0;
    while done < count {
        let now = at_once.min(bench.at_once_max).min(count - done);
        let folder = Folder::new()?;
        round(bench, now, &folder, counts).map_err(|why| match why {
            Stop::Wrong(what) => Stop::Wrong(with_logs(&folder, what)),
            Stop::Broken(what) => Stop::Broken(with_logs(&folder, what)),
            Stop::Late(what) => Stop::Late(with_logs(&folder, what)),
            other => other,
        })?;
        done += now;
        println!("  {done} of {count}: {} acknowledged, {} read back", counts.acked, counts.read);
    }
    Ok(())
}

fn with_logs(folder: &Folder, what: String) -> String {
    match folder.keep_logs() {
        Some(kept) => format!("{what}\nlogs: {}", kept.display()),
        None => what,
    }
}
