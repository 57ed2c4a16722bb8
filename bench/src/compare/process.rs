//! Child processes on a core of their own, and what the kernel says of them.

use std::{
    fs, io,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::ending::{self, Group};

/// A command that runs on one core.
pub(crate) fn pinned(core: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// What a process holds resident, in bytes: now (`VmRSS`) or at most so far (`VmHWM`).
pub(crate) fn memory_bytes(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// Lets `VmHWM` begin anew. Where the kernel refuses, the peak is the one since the start.
pub(crate) fn forget_peak(pid: u32) {
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// Whether the process is there and no zombie.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

/// How long ago a process was started, in seconds (in steps of the kernel's tick, mostly 10 ms).
pub(crate) fn age_s(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let started: f64 = stat.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()?;
    let up: f64 = fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()?;
    Some(up - started / rustix::param::clock_ticks_per_second() as f64)
}

/// Runs a command to its end and gives its output; after `limit` it is ended.
pub(crate) fn output(command: &mut Command, limit: Duration) -> io::Result<String> {
    started(command, limit).map(|(out, _group)| out)
}

/// The same for a command that leaves processes behind, which are in its group.
pub(crate) fn started(command: &mut Command, limit: Duration) -> io::Result<(String, Group)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, group) = ending::spawn(command)?;
    let (mut out, mut err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let (out, err) = std::thread::scope(|scope| {
        let read_out = scope.spawn(move || text(&mut out));
        let read_err = scope.spawn(move || text(&mut err));
        let until = Instant::now() + limit;
        while child.try_wait()?.is_none() {
            if Instant::now() > until {
                end(&mut child);
                return Err(io::Error::other(format!("did not end within {} s", limit.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok((read_out.join().expect("no panic"), read_err.join().expect("no panic")))
    })?;
    if child.wait()?.success() {
        return Ok((out, group));
    }
    let last = err.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it failed and said nothing");
    Err(io::Error::other(last.to_owned()))
}

fn text(from: &mut impl io::Read) -> String {
    let mut bytes = Vec::new();
    // What came before an error is what there is to say.
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks a child to stop, and kills it if it does not within 20 s.
pub(crate) fn stop(child: &mut Child) {
    let term = rustix::process::Pid::from_child(child);
    let _ = rustix::process::kill_process(term, rustix::process::Signal::TERM);
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    end(child);
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
