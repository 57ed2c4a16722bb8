//! A load by librdkafka: `produce` and `fetch` on a topic that exists. Prints one line of JSON (`outcome.rs`), nothing else.
#![allow(clippy::disallowed_methods, reason = "a tool beside the broker: it measures time")]

// Shared with `klamm-bench` by path: a dependency would build the whole broker once more in this workspace.
#[path = "../../src/cpu.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is written for the other crate")]
mod cpu;
mod fetch;
#[path = "../../src/outcome.rs"]
#[allow(unreachable_pub, reason = "it is written for the other crate")]
mod outcome;
mod produce;
mod watch;

use std::{error::Error, process::ExitCode, time::Instant};

use clap::{Args, Parser, Subcommand};
use rdkafka::ClientConfig;

use crate::{cpu::Cpu, outcome::Outcome};

/// Loads a broker with librdkafka.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Sends records to all partitions in turn.
    Produce(produce::Produce),
    /// Reads all partitions from their beginning.
    Fetch(fetch::Fetch),
}

/// What both need.
#[derive(Args)]
struct Common {
    /// HOST:PORT of the broker.
    #[arg(long)]
    address: String,
    /// The server's process.
    #[arg(long)]
    pid: String,
    /// A topic that exists.
    #[arg(long)]
    topic: String,
    /// Its partitions.
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// Clients, each with a connection of its own.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// How long to go on.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

impl Common {
    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address).set("statistics.interval.ms", "100");
        config
    }
}

/// CPU time of the server and of the load, and the time, before something.
struct Before {
    server: Cpu,
    own: Cpu,
    began: Instant,
}

impl Before {
    fn now(pid: &str) -> std::io::Result<Self> {
        Ok(Self { server: Cpu::of(pid)?, own: Cpu::own(), began: Instant::now() })
    }

    /// Fills in what it took.
    fn end(self, pid: &str, outcome: &mut Outcome) -> std::io::Result<()> {
        outcome.seconds = self.began.elapsed().as_secs_f64();
        outcome.server_cpu_s = Cpu::of(pid)?.all_s() - self.server.all_s();
        outcome.load_cpu_s = Cpu::own().all_s() - self.own.all_s();
        Ok(())
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("librdkafka: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, Box<dyn Error>> {
    let outcome = match Cli::parse().what {
        What::Produce(produce) => produce::run(&produce)?,
        What::Fetch(fetch) => fetch::run(&fetch)?,
    };
    Ok(serde_json::to_string(&outcome)?)
}
