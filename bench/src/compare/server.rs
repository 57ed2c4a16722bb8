//! The subjects, and their processes.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use klamm_bench::client::Client;
use serde::{Deserialize, Serialize};

use super::{
    ending::{self, Group},
    process,
};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// Klamm, with its defaults: synced before an acks=all answer.
    Klamm,
    /// Apache Kafka with its defaults: never synced.
    Kafka,
    /// Apache Kafka with flush.messages=1 for each topic: synced for each append.
    KafkaFlush,
    /// A program that only moves the bytes, synced in groups.
    Floor,
}

impl Subject {
    pub(crate) const ALL: [Self; 4] = [Self::Klamm, Self::Kafka, Self::KafkaFlush, Self::Floor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Klamm => "Klamm",
            Self::Kafka => "Kafka",
            Self::KafkaFlush => "Kafka, flush.messages=1",
            Self::Floor => "floor",
        }
    }

    /// The configurations of its topics. Deleted files go at once, or they would fill the disk.
    pub(crate) fn topic_configs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::KafkaFlush => &[("file.delete.delay.ms", "1000"), ("flush.messages", "1")],
            _ => &[("file.delete.delay.ms", "1000")],
        }
    }
}

/// Kafka's own settings of its JVM (bin/kafka-server-start.sh and bin/kafka-run-class.sh).
const KAFKA_JVM: &str = "-Xmx1G -Xms1G -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
    -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true";

/// What servers are started with.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The core of the server.
    pub(crate) core: usize,
    /// The `klamm` binary.
    pub(crate) klamm: PathBuf,
    /// The `floor` binary.
    pub(crate) floor: PathBuf,
    /// The script that starts Apache Kafka.
    pub(crate) kafka: PathBuf,
    /// A library for LD_PRELOAD, if syncs are to be slow.
    pub(crate) slow_sync: Option<PathBuf>,
    /// All data is below it.
    pub(crate) folder: PathBuf,
}

/// A running server. Stops it and removes its data when it is dropped.
pub(crate) struct Server {
    pub(crate) pid: u32,
    pub(crate) address: String,
    pub(crate) folder: PathBuf,
    handle: Handle,
    _group: Group,
}

enum Handle {
    Child(Child),
    Script(PathBuf),
}

impl Launch {
    fn command(&self, program: &Path) -> Command {
        let mut command = process::pinned(self.core, program);
        if let Some(library) = &self.slow_sync {
            command.env("LD_PRELOAD", library).env("BENCH_SYNC_DELAY_US", "2000");
        }
        command
    }

    /// Klamm in a new folder.
    pub(crate) fn klamm(&self) -> io::Result<Server> {
        let folder = self.new_folder("klamm")?;
        let mut command = self.command(&self.klamm);
        command.args(["serve", "--listen", "127.0.0.1:0", "-c", "max.connections.per.ip=20000"]);
        command.args(["-c", "klamm.log=warn"]).arg("--data").arg(&folder);
        spawn(&mut command, folder, klamm_testing::address_in)
    }

    /// Apache Kafka in a new folder.
    pub(crate) fn kafka(&self) -> io::Result<Server> {
        let folder = self.new_folder("kafka")?;
        let mut command = self.command(&self.kafka);
        command.arg("start").env("KLAMM_ORACLE_DIR", &folder).env("KLAMM_ORACLE_JVM", KAFKA_JVM);
        let (address, group) = process::started(&mut command, Duration::from_secs(300))?;
        let address = address.trim().to_owned();
        let pid = fs::read_to_string(folder.join("pid"))?;
        let pid = pid.trim().parse().map_err(io::Error::other)?;
        Ok(Server { pid, address, folder, handle: Handle::Script(self.kafka.clone()), _group: group })
    }

    /// The floor in a new folder, with more arguments.
    pub(crate) fn floor(&self, more: &[String]) -> io::Result<Server> {
        let folder = self.new_folder("floor")?;
        let mut command = self.command(&self.floor);
        command.arg("serve").args(more).arg("--folder").arg(&folder);
        spawn(&mut command, folder, |line| Some(line.to_owned()))
    }

    fn new_folder(&self, name: &str) -> io::Result<PathBuf> {
        let name = if self.slow_sync.is_some() { format!("{name}-slow") } else { name.to_owned() };
        let folder = self.folder.join(name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&folder)?,
        }
        Ok(folder)
    }
}

/// Starts a server and waits for the line that has its address.
fn spawn(command: &mut Command, folder: PathBuf, address: fn(&str) -> Option<String>) -> io::Result<Server> {
    let log = fs::File::create(folder.with_extension("log"))?;
    let (mut child, group) = ending::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log))?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
    let Some(address) = address(line.trim()) else {
        process::stop(&mut child);
        let log = fs::read_to_string(folder.with_extension("log")).unwrap_or_default();
        let last = log.lines().last().unwrap_or("no reason").to_owned();
        return Err(io::Error::other(format!("the server did not start: {last}")));
    };
    Ok(Server { pid: child.id(), address, folder, handle: Handle::Child(child), _group: group })
}

impl Server {
    pub(crate) fn alive(&self) -> bool {
        process::alive(self.pid)
    }

    /// Makes a topic and waits until all of its partitions are served; tries for a while, since a broker may take
    /// connections before it serves.
    pub(crate) fn create_topic(
        &self,
        topic: &str,
        partitions: i32,
        configs: &[(&str, &str)],
        patience: Duration,
    ) -> io::Result<()> {
        let until = Instant::now() + patience;
        let connect = || Client::connect(&self.address);
        self.retry(until, || connect()?.create_topic(topic, partitions, configs))?;
        self.retry(until, || connect()?.served(topic, partitions))
    }

    fn retry(&self, until: Instant, mut what: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        loop {
            match what() {
                Err(_) if Instant::now() < until && self.alive() => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                done => return done,
            }
        }
    }

    /// Takes what is below its folder out of the page cache.
    pub(crate) fn evict(&self) -> io::Result<()> {
        evict(&self.folder)
    }
}

/// Files and folders may go while we look.
fn evict(folder: &Path) -> io::Result<()> {
    let items = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        items => items?,
    };
    for item in items {
        let path = item?.path();
        if path.is_dir() {
            evict(&path)?;
        } else if let Ok(file) = fs::File::open(&path) {
            let _ = file.sync_data();
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }
    Ok(())
}

impl Drop for Server {
    fn drop(&mut self) {
        match &mut self.handle {
            Handle::Child(child) => process::stop(child),
            Handle::Script(script) => {
                let mut command = Command::new(script);
                command.arg("stop").env("KLAMM_ORACLE_DIR", &self.folder);
                if let Err(error) = process::output(&mut command, Duration::from_secs(60)) {
                    eprintln!("Apache Kafka (process {}) did not stop: {error}", self.pid);
                }
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
