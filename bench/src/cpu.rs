//! CPU time of processes, from `/proc/PID/stat`.

use std::{fs, io};

/// What a process has used, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// In its own code.
    pub user_s: f64,
    /// In the kernel.
    pub system_s: f64,
}

impl Cpu {
    /// What process `pid` has used so far, in steps of the kernel's tick (mostly 10 ms).
    pub fn of(pid: &str) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name may hold blanks and brackets: count from its last bracket.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / ticks);
        match (seconds(11), seconds(12)) {
            (Some(user_s), Some(system_s)) => Ok(Self { user_s, system_s }),
            _ => Err(io::Error::other(format!("/proc/{pid}/stat is not understood: {stat}"))),
        }
    }

    /// What this process has used so far.
    pub fn own() -> Self {
        Self::of("self").expect("a process sees itself")
    }

    /// Both together.
    pub fn all_s(self) -> f64 {
        self.user_s + self.system_s
    }

    /// What was used since `before`, in a line, by GB (10^9 bytes) of `bytes`.
    pub fn since(self, before: Self, bytes: u64) -> String {
        let gb = bytes as f64 / 1e9;
        let (user, system) = ((self.user_s - before.user_s) / gb, (self.system_s - before.system_s) / gb);
        format!("{:.3} CPU s/GB (user {user:.3}, system {system:.3})", user + system)
    }
}
