//! The `klamm` binary as a child process with a folder of its own.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use std::{env, thread};

use klamm_testing::{Process, command};

use crate::{Finished, Signal, TempDir, process};

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A running (or ended, see [`Server::kill9`]) broker.
#[derive(Debug)]
pub struct Server {
    process: Option<Process>,
    address: String,
    arguments: Vec<String>,
    dir: TempDir,
}

impl Server {
    /// Starts `klamm serve` on a free port with more `arguments`, and waits until it is ready.
    ///
    /// # Panics
    /// When there is no binary, or it is not ready within 30 s.
    pub fn start(arguments: &[&str]) -> Server {
        Server::start_on("127.0.0.1:0", arguments)
    }

    /// [`Server::start`] on another address.
    pub fn start_on(address: &str, arguments: &[&str]) -> Server {
        let mut server = Server {
            process: None,
            address: address.into(),
            arguments: arguments.iter().map(|&a| a.into()).collect(),
            dir: TempDir::new(),
        };
        server.launch();
        server
    }

    /// Where clients reach it, `127.0.0.1:PORT`. The same after [`Server::restart`].
    pub fn addr(&self) -> &str {
        &self.address
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.dir.file("data")
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("klamm does not run").id()
    }

    /// Ends it as a crash would.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Asks it to stop, by SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// When it does not run, or still runs after 20 s.
    pub fn terminate(&mut self) -> ExitStatus {
        self.stop_by(Signal::TERM)
    }

    /// [`Server::terminate`] by another signal.
    pub fn stop_by(&mut self, signal: Signal) -> ExitStatus {
        let mut process = self.process.take().expect("klamm does not run");
        process.signal(signal).expect("our own child can be signalled");
        process
            .wait(STOP_LIMIT)
            .unwrap_or_else(|| panic!("klamm still ran {STOP_LIMIT:?} after {signal:?}\n{}", self.log()))
    }

    /// Starts it again on the same port and data; it is stopped by SIGTERM first if it runs.
    pub fn restart(&mut self) {
        if self.process.is_some() {
            self.terminate();
        }
        self.launch();
    }

    /// Its memory that is resident, in bytes.
    ///
    /// # Panics
    /// When it does not run.
    pub fn rss_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that was resident, in bytes.
    ///
    /// # Panics
    /// When it does not run.
    pub fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("klamm runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a process has memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// All that it wrote to stderr.
    pub fn whole_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.file("log")).unwrap_or_default()).into_owned()
    }

    /// The end of what it wrote to stderr.
    pub fn log(&self) -> String {
        let text = fs::read(self.dir.file("log")).unwrap_or_default();
        let end = &text[text.len().saturating_sub(8000)..];
        format!("--- log of klamm at {}:\n{}", self.address, String::from_utf8_lossy(end))
    }

    fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.dir.file("log")).expect("a log");
        let mut command = command(binary());
        command.args(["serve", "--listen", &self.address, "--data"]).arg(self.data()).args(&self.arguments);
        let mut process = Process::spawn(command.stderr(log)).expect("klamm can be started");
        let ready = process.ready(START_LIMIT);
        self.process = Some(process);
        self.address = ready.unwrap_or_else(|why| panic!("klamm does not serve: {why}\n{}", self.log()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let ended = self.process.as_mut().and_then(Process::ended);
            eprintln!(
                "{}{}",
                self.log(),
                ended.map(|e| format!("klamm had ended: {e}\n")).unwrap_or_default()
            );
        }
    }
}

/// Runs the binary with `arguments` (and `variables` in its environment) to its end, at most 20 s.
///
/// # Panics
/// When it still runs then.
pub fn run_klamm(arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = command(binary());
    command.args(arguments).envs(variables.iter().copied());
    process::run(command, vec![], STOP_LIMIT)
}

/// `KLAMM_BIN`, else `klamm` beside the folder of this test's own binary.
fn binary() -> PathBuf {
    let path = env::var_os("KLAMM_BIN").map(PathBuf::from).unwrap_or_else(|| {
        let test = env::current_exe().expect("a test knows where it is");
        test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps").join("klamm")
    });
    assert!(
        path.is_file(),
        "no klamm at {}: build it with `cargo build -p klamm`, or set KLAMM_BIN",
        path.display()
    );
    path
}
