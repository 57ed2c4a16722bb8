//! The klamm binary as a child process: the same address and data over all its lives. It ends with its value.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::stop::{Stop, wait_for};

const START_LIMIT: Duration = Duration::from_secs(30);
/// Small, so that files are sealed and checkpoints made all the time.
const SETTINGS: [&str; 1] = ["klamm.journal.file.bytes=1MiB"];

/// A broker; it may run or not.
pub(crate) struct Broker {
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
    address: String,
    child: Option<(Child, Receiver<String>)>,
}

/// What came of a start.
pub(crate) enum Started {
    /// It serves.
    Ready,
    /// It ended by itself.
    Ended(ExitStatus),
}

impl Broker {
    /// A broker that does not run yet. Its log goes to the file `log`.
    pub(crate) fn new(binary: &Path, data: &Path, log: &Path) -> Result<Self, Stop> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = port.map_err(|error| Stop::wrong(format!("no free port: {error}")))?.to_string();
        let (binary, data, log) = (binary.to_owned(), data.to_owned(), log.to_owned());
        Ok(Self { binary, data, log, address, child: None })
    }

    /// Where clients reach it, in all its lives.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Starts the process under `wrapper`, a command that runs its arguments, and waits for nothing.
    pub(crate) fn launch(&mut self, wrapper: &[String]) -> Result<(), Stop> {
        assert!(self.child.is_none(), "one process at a time");
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(Stop::io("open", &self.log))?;
        let mut words = wrapper.iter().map(Into::into).chain([self.binary.clone()]);
        let mut command = Command::new(words.next().expect("there is the binary"));
        command.args(words).arg("serve").args(["--listen", &self.address]).arg("--data").arg(&self.data);
        command.args(SETTINGS.iter().flat_map(|setting| ["--set", setting]));
        // Variables that speak to the tools; the binary refuses what it does not know.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KLAMM_")) {
            command.env_remove(name);
        }
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(Stop::io("run", &self.binary))?;
        let (lines, first) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line))));
        self.child = Some((child, first));
        Ok(())
    }

    /// Waits until the process that was launched is ready or has ended.
    pub(crate) fn wait(&mut self) -> Result<Started, Stop> {
        let (child, first) = self.child.as_mut().expect("it was launched");
        let started = wait_for(START_LIMIT, || match child.try_wait() {
            Ok(Some(status)) => Some(Started::Ended(status)),
            _ => first
                .try_recv()
                .is_ok_and(|line| line.starts_with("Klamm is ready"))
                .then_some(Started::Ready),
        })?;
        if let Some(Started::Ended(_)) = started {
            self.child = None;
        }
        started.ok_or_else(|| self.wrong("is not ready within 30 s"))
    }

    /// Starts it; it must become ready.
    pub(crate) fn start(&mut self) -> Result<(), Stop> {
        self.launch(&[])?;
        match self.wait()? {
            Started::Ready => Ok(()),
            Started::Ended(status) => Err(self.wrong(&format!("did not start: {status}"))),
        }
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.0.try_wait().ok()??;
        self.child = None;
        Some(status)
    }

    /// Whether it was started and has not been seen to end.
    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// `kill -9`. Nothing happens if it has ended.
    pub(crate) fn kill(&mut self) {
        if let Some((mut child, _)) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Stop> {
        let (child, _) = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal)
            .map_err(|error| Stop::wrong(format!("{signal:?}: {error}")))
    }

    /// The log is as long as this.
    pub(crate) fn log_end(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |file| file.len())
    }

    /// What it logged from there on.
    pub(crate) fn log_since(&self, position: u64) -> String {
        let read = || {
            let mut file = File::open(&self.log)?;
            file.seek(SeekFrom::Start(position))?;
            std::io::read_to_string(file)
        };
        read().unwrap_or_default()
    }

    /// A broken promise of this broker, with the end of its log.
    pub(crate) fn wrong(&self, what: &str) -> Stop {
        let log = self.log_since(self.log_end().saturating_sub(4000));
        Stop::wrong(format!("klamm {what}; the end of its log:\n{log}"))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
