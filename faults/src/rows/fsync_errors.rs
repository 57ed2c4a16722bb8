//! Syncs that fail, by strace's injection. What was written before is of unknown fate, so the process must end itself;
//! after a restart nothing acknowledged is missing. Where there are loop devices, what was not synced is really lost: the
//! power is cut once the process has ended.
//!
//! strace takes hold of a process that runs, or of one that was stopped before it became the broker, and the fault counts
//! only when it has. From then on every sync of any thread fails; in a start, from the first, second or third of each
//! thread on. (strace counts `when=N` for each thread apart, so that an N-th sync alone may be far away.)

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::rounds;
use crate::{
    bench::Bench,
    broker::Started,
    folder::{Mount, run as command},
    rows::power_cuts,
    stop::{Stop, check, wait_for},
    trial::{Counts, Trial},
};

const AT_ONCE: u32 = 10;
/// By whatever call a journal syncs.
const SYSCALLS: &str = "fdatasync,fsync,sync_file_range,syncfs,msync";
/// What strace writes behind a call that it made fail.
const INJECTED: &str = "(INJECTED)";
/// strace has stopped every thread once within this time.
const HOLD_LIMIT: Duration = Duration::from_secs(10);
/// From the failed sync, which the load brings about within a second, to the end of the process.
const END_LIMIT: Duration = Duration::from_secs(30);

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
        let trace = folder.path().join("strace.log");
        for _ in 0..now {
            trial.live(bench.millis(100..1500))?;
            let log = trial.broker.log_end();
            let status = match bench.within(0..3) {
                0 => fails_at_start(bench, &mut trial, &trace)?,
                _ => fails_while_serving(&mut trial, &trace)?,
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

fn fails_at_start(bench: &mut Bench, trial: &mut Trial, trace: &Path) -> Result<ExitStatus, Stop> {
    trial.kill()?;
    // A shell that stops itself and becomes the broker when it goes on.
    trial.broker.launch(&["sh", "-c", r#"kill -STOP $$; exec "$0" "$@""#].map(str::to_owned))?;
    let mut hold = Hold::take(trial.broker.pid(), trace, bench.within(1..4))?;
    trial.broker.signal(Signal::CONT)?;
    match trial.broker.wait()? {
        Started::Ended(status) => Ok(status),
        Started::Ready => until_ended(trial, trace, &mut hold),
    }
}

fn fails_while_serving(trial: &mut Trial, trace: &Path) -> Result<ExitStatus, Stop> {
    let mut hold = Hold::take(trial.broker.pid(), trace, 1)?;
    until_ended(trial, trace, &mut hold)
}

/// Lets the load run until the broker ends.
fn until_ended(trial: &mut Trial, trace: &Path, hold: &mut Hold) -> Result<ExitStatus, Stop> {
    let (deadline, acked) = (Instant::now() + END_LIMIT, trial.counts.acked);
    while Instant::now() < deadline {
        check()?;
        trial.live(Duration::from_millis(200))?;
        let lasts = hold.lasts();
        // Asked last: strace ends when the broker has ended.
        if let Some(status) = trial.broker.ended() {
            return Ok(status);
        }
        lasts?;
    }
    let acked = trial.counts.acked - acked;
    if trial.is_refused() {
        return Err(trial
            .broker
            .wrong("was left without a load, which was told what no correct broker says"));
    }
    Err(trial.broker.wrong(&match failed(trace) {
        0 => format!("made no sync ({SYSCALLS}) for {END_LIMIT:?}, and acknowledged {acked} values"),
        syncs => {
            format!("still runs {END_LIMIT:?} on; {syncs} syncs failed, and {acked} values were acknowledged")
        }
    }))
}

/// How many syncs strace made fail.
fn failed(trace: &Path) -> usize {
    let trace = fs::read(trace).unwrap_or_default();
    trace.windows(INJECTED.len()).filter(|bytes| *bytes == INJECTED.as_bytes()).count()
}

/// strace on a process. It lets go with the value.
struct Hold {
    strace: Child,
    said: PathBuf,
}

impl Hold {
    /// Returns once strace has the process; from then on each thread's syncs fail from the `from`-th on.
    fn take(pid: u32, trace: &Path, from: u64) -> Result<Self, Stop> {
        let said = trace.with_extension("said");
        let errors = File::create(&said).map_err(Stop::io("make", &said))?;
        let (which, how) = (format!("trace={SYSCALLS}"), format!("inject={SYSCALLS}:error=EIO:when={from}+"));
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-f", "-p", &pid.to_string(), "-e", &which, "-e", &how, "-o"]).arg(trace);
        let strace = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn();
        let mut hold = Self { strace: strace.map_err(Stop::missing("strace"))?, said };
        let held = wait_for(HOLD_LIMIT, || {
            let lasts = hold.lasts();
            (lasts.is_err() || is_traced(pid)).then_some(lasts)
        })?;
        held.unwrap_or_else(|| Err(Stop::Missing(format!("strace has no hold after {HOLD_LIMIT:?}"))))?;
        Ok(hold)
    }

    fn lasts(&mut self) -> Result<(), Stop> {
        match self.strace.try_wait() {
            // It ends well when the process has ended.
            Ok(status) if status.is_none_or(|status| status.success()) => Ok(()),
            _ => {
                let said = fs::read_to_string(&self.said).unwrap_or_default();
                Err(Stop::Missing(format!("strace can't take hold of a running process: {}", said.trim())))
            }
        }
    }
}

/// Whether a tracer has all threads of a process.
fn is_traced(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .map(|thread| fs::read_to_string(thread.path().join("status")).unwrap_or_default())
        .all(|status| !status.contains("\nTracerPid:\t0\n"))
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}
