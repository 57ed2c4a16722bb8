//! Syncs that fail, by strace's injection. What was written before is of unknown fate, so the process must end itself;
//! after a restart nothing acknowledged is missing. Where there are loop devices, what was not synced is really lost: the
//! power is cut once the process has ended.

use std::time::Duration;

use super::rounds;
use crate::{
    bench::Bench,
    broker::Started,
    folder::{Mount, run as command},
    rows::power_cuts,
    stop::{Stop, check},
    trial::{Counts, Trial},
};

const AT_ONCE: u32 = 10;
const SYSCALLS: &str = "fdatasync,fsync";
/// From the failed sync, which comes within a second, to the end of the process.
const END_LIMIT: u32 = 30;

pub(super) fn run(bench: &mut Bench, count: u32, counts: &mut Counts) -> Result<(), Stop> {
    command("strace", &["-qq", "-f", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO", "true"])
        .map_err(Stop::missing("strace can't inject"))?;
    rounds(bench, count, AT_ONCE, counts, |bench, now, folder, counts| {
        let mount = match Mount::ext4(folder, power_cuts::DISK_BYTES) {
            Ok(mount) => Some(mount),
            Err(Stop::Missing(_)) => None,
            Err(why) => return Err(why),
        };
        let place = mount.as_ref().map_or(folder.path(), Mount::path);
        let mut trial = Trial::start(bench, folder, &place.join("data"), counts)?;
        for _ in 0..now {
            trial.live(bench.millis(100..500))?;
            trial.kill()?;
            // -D: the broker is our child and strace its grandchild, so that it is the broker that we wait for.
            // Threads count their calls apart. A start has about ten syncs, so some fail there.
            let (trace, after) = (format!("trace={SYSCALLS}"), bench.within(1..40));
            let inject = format!("inject={SYSCALLS}:error=EIO:when={after}");
            let words = ["strace", "-D", "-qq", "-f", "-o", "/dev/null", "-e", &trace, "-e", &inject];
            let log = trial.broker.log_end();
            trial.broker.launch(&words.map(str::to_owned))?;
            let status = match trial.broker.wait()? {
                Started::Ended(status) => status,
                Started::Ready => until_ended(&mut trial)?,
            };
            trial.counts.faults += 1;
            if status.code() != Some(1) {
                return Err(trial
                    .broker
                    .wrong(&format!("ended with {status} after a failed sync, not with 1")));
            }
            let said = trial.broker.log_since(log);
            if !said.contains("Input/output error") {
                return Err(trial.broker.wrong("ended after a failed sync without saying so"));
            }
            if let Some(mount) = &mount {
                power_cuts::shut_down(&bench.python, mount.path())?;
                mount.again()?;
            }
            trial.restart()?;
        }
        trial.finish().map(drop)
    })
}

fn until_ended(trial: &mut Trial) -> Result<std::process::ExitStatus, Stop> {
    for _ in 0..END_LIMIT * 5 {
        check()?;
        trial.live(Duration::from_millis(200))?;
        if let Some(status) = trial.broker.ended() {
            return Ok(status);
        }
    }
    Err(trial.broker.wrong("still runs 30 s after a sync failed"))
}
