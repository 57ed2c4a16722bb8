//! A pipelined load on our own codec: `load produce` and `load fetch` against any broker that speaks Kafka. Prints MB/s,
//! the time to an answer (median, 99th percentile) and the server's CPU seconds per GB.
#![allow(clippy::disallowed_methods, reason = "a tool beside the broker: it measures time and opens sockets")]

use std::{io, process::ExitCode};

use clap::{Parser, ValueEnum};
use klamm_bench::{client::Client, outcome::Outcome, raw::Plan};

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum What {
    Produce,
    Fetch,
}

/// Loads a broker.
#[derive(Parser, Clone)]
struct Load {
    what: What,
    #[arg(long, default_value = "127.0.0.1:9092")]
    address: String,
    #[arg(long, default_value_t = 4)]
    connections: usize,
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    #[arg(long, default_value_t = 1 << 20)]
    batch_bytes: usize,
    /// Batches in a produce request, each for another partition.
    #[arg(long, default_value_t = 1)]
    batches: usize,
    #[arg(long, default_value_t = 8)]
    partitions: i32,
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    acks: i16,
    /// Requests under way on a connection (produce).
    #[arg(long, default_value_t = 5)]
    depth: usize,
    /// Requests a second, in all, one at a time on a connection (produce).
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// The topic's storage class.
    #[arg(long, default_value = "disk")]
    class: String,
    /// Bytes to be read over and over (fetch); within the tail, so that memory serves them.
    #[arg(long, default_value_t = 32 << 20)]
    resident_bytes: u64,
    /// A topic that exists, instead of one that is made and deleted.
    #[arg(long)]
    topic: Option<String>,
    /// How many records each partition of that topic has (fetch).
    #[arg(long, requires = "topic")]
    end: Option<u64>,
    /// Read each partition once only.
    #[arg(long)]
    once: bool,
    /// Print one line of JSON (bench/src/outcome.rs).
    #[arg(long)]
    json: bool,
    /// The server's process; without it its CPU time is told as the load's own.
    #[arg(long, default_value = "self")]
    pid: String,
}

fn main() -> ExitCode {
    match run(&Load::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(load: &Load) -> io::Result<()> {
    let own = format!("load-{}", std::process::id());
    let plan = load.plan(load.topic.clone().unwrap_or(own));
    let made = load.topic.is_none();
    if made {
        let class = [("klamm.storage.class", load.class.as_str())];
        Client::connect(&plan.address)?.create_topic(&plan.topic, plan.partitions, &class)?;
    }
    let outcome = match (load.what, load.end) {
        (What::Produce, _) => plan.produce()?,
        (What::Fetch, Some(end)) => plan.fetch(end, load.once)?,
        (What::Fetch, None) => plan.fetch(plan.fill(load.resident_bytes)?, load.once)?,
    };
    if made {
        Client::connect(&plan.address)?.delete_topic(&plan.topic)?;
    }
    if load.json {
        println!("{}", serde_json::to_string(&outcome).map_err(io::Error::other)?);
    } else {
        print(&outcome);
    }
    Ok(())
}

impl Load {
    fn plan(&self, topic: String) -> Plan {
        Plan {
            address: self.address.clone(),
            pid: self.pid.clone(),
            topic,
            partitions: self.partitions,
            connections: self.connections,
            record_bytes: self.record_bytes,
            batch_bytes: self.batch_bytes,
            batches: self.batches,
            acks: self.acks,
            depth: self.depth,
            seconds: self.seconds,
            fetch_bytes: 1 << 20,
            rate: self.rate,
        }
    }
}

fn print(outcome: &Outcome) {
    let gb = outcome.bytes as f64 / 1e9;
    let times = outcome.answer_us.map_or_else(String::new, |us| {
        format!(", answers p50 {:.2} ms, p99 {:.2} ms", f64::from(us.p50) / 1e3, f64::from(us.p99) / 1e3)
    });
    println!("{:.0} MB/s, {} requests{times}", gb * 1e3 / outcome.seconds, outcome.requests);
    println!("server: {:.3} CPU s/GB", outcome.server_cpu_s / gb);
    println!("load:   {:.3} CPU s/GB", outcome.load_cpu_s / gb);
}
