//! One run: a workload against a subject.

use std::{io, path::PathBuf, time::Duration};

use klamm_bench::{batch, client::Client, outcome::Outcome, raw::Plan};

use super::{
    process,
    report::Run,
    server::{Launch, Server, Subject},
    workload::{By, Kind, Workload},
};

/// The programs that make the load, and how.
#[derive(Debug, Clone)]
pub(crate) struct Loader {
    pub(crate) core: usize,
    pub(crate) raw: PathBuf,
    pub(crate) librdkafka: PathBuf,
    pub(crate) seconds: f64,
    /// What is read from memory: less than Klamm keeps of the tail.
    pub(crate) tail_bytes: u64,
    /// What is read from disk.
    pub(crate) cold_bytes: u64,
}

/// How a topic was filled: records in a partition.
struct Filled(u64);

/// How long a server may need for a topic of 1,000 partitions, or to come back.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a load may need to end when its time is over.
const GRACE: Duration = Duration::from_secs(60);
/// The size of the batches that are read back, unless a workload says its own.
const FILL_BATCH_BYTES: usize = (1 << 20) - 1024;
const FILL_SMALL_BYTES: usize = 64 << 10;
/// Enough for the pace of a broker when each answer takes some milliseconds.
const PACED_CONNECTIONS: usize = 16;

impl Loader {
    /// A workload against a broker that runs.
    pub(crate) fn broker(
        &self,
        workload: &Workload,
        subject: Subject,
        server: &Server,
        topic: &str,
    ) -> io::Result<Run> {
        server.create_topic(topic, workload.partitions, subject.topic_configs(), PATIENCE)?;
        let done = self.on_topic(workload, server, topic);
        let deleted = Client::connect(&server.address).and_then(|mut client| client.delete_topic(topic));
        let run = done?;
        deleted.map(|()| run)
    }

    fn on_topic(&self, workload: &Workload, server: &Server, topic: &str) -> io::Result<Run> {
        let filled = match workload.kind {
            Kind::Produce => Filled(0),
            Kind::Tail => self.fill(workload, server, topic, self.tail_bytes)?,
            Kind::Cold => {
                let filled = self.fill(workload, server, topic, self.cold_bytes)?;
                server.evict()?;
                filled
            }
        };
        process::forget_peak(server.pid);
        let outcome = match workload.by {
            By::Raw => self.raw(workload, server, topic, &filled, None)?,
            By::Librdkafka => self.librdkafka(workload, server, topic, &filled)?,
        };
        Ok(Run { outcome, peak_bytes: process::memory_bytes(server.pid, "VmHWM:") })
    }

    /// The bytes of a broker's run against the floor: frames of the size that were `sent`, from as many connections.
    pub(crate) fn floor(&self, workload: &Workload, launch: &Launch, sent: &Outcome) -> io::Result<Run> {
        let frame_bytes = match (workload.by, workload.kind, sent.wire_bytes.checked_div(sent.requests)) {
            (By::Raw, Kind::Produce, _) => workload.batch_bytes,
            (_, _, Some(mean)) => (mean as usize).clamp(128, 16 << 20),
            (_, _, None) => return Err(io::Error::other("no broker has told the size of its frames")),
        };
        let cold_bytes = if workload.kind == Kind::Cold { self.cold_bytes } else { 0 };
        let resident_bytes = if workload.kind == Kind::Tail { self.tail_bytes } else { 1 };
        let mut arguments = options(&[
            ("--answer-bytes", frame_bytes.to_string()),
            ("--resident-bytes", resident_bytes.to_string()),
            ("--record-bytes", workload.record_bytes.to_string()),
            ("--cold-bytes", cold_bytes.to_string()),
        ]);
        if workload.acks == 1 {
            arguments.push("--early".to_owned());
        }
        let server = launch.floor(&arguments)?;
        let records = batch::records_in(frame_bytes, workload.record_bytes) as u64;
        // An answer is a whole partition to the load, and the file has as many as fit into it.
        let partitions = (cold_bytes / frame_bytes as u64).max(64) as i32;
        // What is paced for a broker is paced for the floor, or it would wake up less often for a request. A connection that
        // is paced has one request under way.
        let rate = workload.rate.map(|_| sent.requests as f64 / sent.seconds);
        let connections = if rate.is_some() { PACED_CONNECTIONS } else { workload.connections };
        let like = Workload { batch_bytes: frame_bytes, partitions, connections, ..*workload };
        process::forget_peak(server.pid);
        let outcome = self.raw(&like, &server, "floor", &Filled(records), rate)?;
        Ok(Run { outcome, peak_bytes: process::memory_bytes(server.pid, "VmHWM:") })
    }

    fn fill(&self, workload: &Workload, server: &Server, topic: &str, bytes: u64) -> io::Result<Filled> {
        let batch_bytes = match workload.by {
            By::Raw => workload.batch_bytes,
            By::Librdkafka if workload.kind == Kind::Tail => FILL_SMALL_BYTES,
            By::Librdkafka => FILL_BATCH_BYTES,
        };
        let plan = Plan {
            address: server.address.clone(),
            pid: server.pid.to_string(),
            topic: topic.to_owned(),
            partitions: workload.partitions,
            connections: 1,
            record_bytes: workload.record_bytes,
            batch_bytes,
            batches: 1,
            acks: -1,
            depth: 5,
            seconds: 0.0,
            fetch_bytes: 1 << 20,
            rate: None,
        };
        plan.fill(bytes).map(Filled)
    }

    /// `rate`: requests a second; else as many as possible.
    fn raw(
        &self,
        workload: &Workload,
        server: &Server,
        topic: &str,
        filled: &Filled,
        rate: Option<f64>,
    ) -> io::Result<Outcome> {
        let mut command = process::pinned(self.core, &self.raw);
        command.arg(if workload.kind == Kind::Produce { "produce" } else { "fetch" });
        command.args(self.common(workload, server, topic));
        command.args(options(&[
            ("--record-bytes", workload.record_bytes.to_string()),
            ("--batch-bytes", workload.batch_bytes.to_string()),
            ("--depth", workload.depth.to_string()),
            ("--acks", workload.acks.to_string()),
            ("--end", filled.0.to_string()),
        ]));
        if let Some(rate) = rate {
            command.args(["--rate", &rate.to_string()]);
        }
        command.arg("--json");
        self.run(command, workload)
    }

    fn librdkafka(
        &self,
        workload: &Workload,
        server: &Server,
        topic: &str,
        filled: &Filled,
    ) -> io::Result<Outcome> {
        let mut command = process::pinned(self.core, &self.librdkafka);
        command.arg(if workload.kind == Kind::Produce { "produce" } else { "fetch" });
        command.args(self.common(workload, server, topic));
        if workload.kind == Kind::Produce {
            command.args(options(&[
                ("--record-bytes", workload.record_bytes.to_string()),
                ("--batch-bytes", workload.batch_bytes.to_string()),
                ("--linger-ms", workload.linger_ms.to_string()),
                ("--acks", if workload.acks == 1 { "1" } else { "all" }.to_owned()),
            ]));
            if let Some(rate) = workload.rate {
                command.args(["--rate", &rate.to_string()]);
            }
        } else {
            command.args(["--records", &(filled.0 * workload.partitions as u64).to_string()]);
        }
        self.run(command, workload)
    }

    fn common(&self, workload: &Workload, server: &Server, topic: &str) -> Vec<String> {
        options(&[
            ("--address", server.address.clone()),
            ("--pid", server.pid.to_string()),
            ("--topic", topic.to_owned()),
            ("--partitions", workload.partitions.to_string()),
            ("--connections", workload.connections.to_string()),
            ("--seconds", self.seconds.to_string()),
        ])
    }

    fn run(&self, mut command: std::process::Command, workload: &Workload) -> io::Result<Outcome> {
        if workload.kind == Kind::Cold {
            command.arg("--once");
        }
        let limit = Duration::from_secs_f64(self.seconds) + GRACE;
        let line = process::output(&mut command, limit)?;
        let outcome: Outcome = serde_json::from_str(&line)
            .map_err(|error| io::Error::other(format!("the load said {line:?}: {error}")))?;
        if outcome.records == 0 {
            return Err(io::Error::other(
                "nothing was answered in the time of the run; give it more --seconds",
            ));
        }
        Ok(outcome)
    }
}

fn options(pairs: &[(&str, String)]) -> Vec<String> {
    pairs.iter().flat_map(|(name, value)| [(*name).to_owned(), value.clone()]).collect()
}
