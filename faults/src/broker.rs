//! The klamm binary as a child process: the same address and data over all its lives. It ends with its value.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Seek as _, SeekFrom},
    net::TcpListener,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use klamm_testing::{Process, Signal, command};

use crate::{
    bench::Bench,
    planted,
    stop::{Stop, wait_for},
};

const START_LIMIT: Duration = Duration::from_secs(30);
/// Small, so that files are sealed and checkpoints made all the time.
const SETTINGS: [&str; 1] = ["klamm.journal.file.bytes=1MiB"];

/// A broker; it may run or not.
pub(crate) struct Broker {
    binary: PathBuf,
    /// A bug that is planted in it.
    pub(crate) bug: Option<&'static str>,
    data: PathBuf,
    log: PathBuf,
    address: String,
    child: Option<Process>,
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
    pub(crate) fn new(bench: &Bench, data: &Path, log: &Path) -> Result<Self, Stop> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = port.map_err(|error| Stop::wrong(format!("no free port: {error}")))?.to_string();
        let (binary, data, log) = (bench.binary.clone(), data.to_owned(), log.to_owned());
        Ok(Self { binary, bug: None, data, log, address, child: None })
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
        let mut words = wrapper.iter().map(OsStr::new).chain([self.binary.as_os_str()]);
        let mut command = command(words.next().expect("there is the binary"));
        command.args(words).arg("serve").args(["--listen", &self.address]).arg("--data").arg(&self.data);
        command.args(SETTINGS.iter().flat_map(|setting| ["--set", setting]));
        command.envs(self.bug.map(|bug| (planted::VARIABLE, bug)));
        self.child = Some(Process::spawn(command.stderr(log)).map_err(Stop::io("run", &self.binary))?);
        Ok(())
    }

    /// Waits until the process that was launched is ready or has ended.
    pub(crate) fn wait(&mut self) -> Result<Started, Stop> {
        let child = self.child.as_mut().expect("it was launched");
        match wait_for(START_LIMIT, || child.started())? {
            Some(Ok(_address)) => Ok(Started::Ready),
            Some(Err(status)) => {
                self.child = None;
                Ok(Started::Ended(status))
            }
            None => Err(self.late("is not ready within 30 s")),
        }
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
        let status = self.child.as_mut()?.ended()?;
        self.child = None;
        Some(status)
    }

    /// Whether it was started and has not been seen to end.
    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// `kill -9`. Nothing happens if it has ended.
    pub(crate) fn kill(&mut self) {
        self.child = None;
    }

    /// Its process. It runs.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Stop> {
        let child = self.child.as_ref().expect("it runs");
        child.signal(signal).map_err(|error| Stop::wrong(format!("{signal:?}: {error}")))
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
        Stop::Broken(self.told(what))
    }

    /// Something did not come in time. If the broker is gone, that is why, and no slow machine.
    pub(crate) fn late(&mut self, what: &str) -> Stop {
        match self.ended() {
            Some(status) => self.wrong(&format!("ended ({status}) and {what}")),
            None => Stop::Late(self.told(what)),
        }
    }

    fn told(&self, what: &str) -> String {
        let log = self.log_since(self.log_end().saturating_sub(4000));
        format!("klamm {what}; the end of its log:\n{log}")
    }
}
