//! A broker as a child process. It never waits for somebody to read what it prints.

use std::{
    env,
    ffi::OsStr,
    io::{self, BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Between two looks at a process.
const STEP: Duration = Duration::from_millis(5);

/// The address in the line by which `klamm` says that it serves.
pub fn address_in(line: &str) -> Option<String> {
    line.strip_prefix("Klamm is ready on ")?.split(' ').next().map(str::to_owned)
}

/// A command without the `KLAMM_` variables of this process: they speak to tools and tests, or would be its configuration.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KLAMM_")) {
        command.env_remove(name);
    }
    command
}

/// A child process that was told to serve; it is killed with its value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    address: Arc<OnceLock<String>>,
}

impl Process {
    /// Starts it, with nothing on its standard input. Its standard output is read to the end.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let address = Arc::<OnceLock<String>>::default();
        let told = Arc::clone(&address);
        thread::spawn(move || {
            let lines = stdout.lines().map_while(Result::ok);
            lines.filter_map(|line| address_in(&line)).for_each(|address| drop(told.set(address)));
        });
        Ok(Self { child, address })
    }

    /// What came of its start, if that is known: the address where it serves, or how it ended. Does not wait.
    pub fn started(&mut self) -> Option<Result<String, ExitStatus>> {
        self.address.get().cloned().map(Ok).or_else(|| self.ended().map(Err))
    }

    /// Waits until it serves: its address, or why it does not.
    pub fn ready(&mut self, limit: Duration) -> Result<String, String> {
        match poll(limit, || self.started()) {
            Some(Ok(address)) => Ok(address),
            Some(Err(status)) => Err(format!("it ended by itself: {status}")),
            None => Err(format!("it is not ready after {limit:?}")),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        poll(limit, || self.ended())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        match ask() {
            None if Instant::now() < deadline => thread::sleep(STEP),
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Process {
        Process::spawn(command("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn an_address_is_told() {
        let mut process = shell("echo first; echo 'Klamm is ready on 127.0.0.1:1 (more)'; exec sleep 60");
        assert_eq!(process.ready(LIMIT).unwrap(), "127.0.0.1:1");
        assert!(process.ended().is_none());
        process.signal(Signal::TERM).unwrap();
        assert!(!process.wait(LIMIT).unwrap().success());
    }

    #[test]
    fn an_end_and_a_silence_are_told() {
        assert!(shell("exit 3").ready(LIMIT).unwrap_err().contains("exit status: 3"));
        let why = shell("exec sleep 60").ready(Duration::from_millis(20)).unwrap_err();
        assert!(why.contains("not ready after 20ms"), "{why}");
    }
}
