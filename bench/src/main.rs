//! `klamm-bench compare`: Klamm, Apache Kafka and the floor under the same loads, in one run.
#![allow(
    clippy::disallowed_methods,
    reason = "a tool beside the broker: it measures time and runs processes"
)]

mod compare;

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};

/// Benchmarks of whole servers. (The hot paths have `cargo bench`; see bench/README.md.)
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Runs the same workloads against Klamm, Apache Kafka and the floor, in turn, and compares what they cost.
    Compare(compare::Args),
}

fn main() -> io::Result<ExitCode> {
    let What::Compare(args) = Cli::parse().what;
    compare::run(&args)
}
