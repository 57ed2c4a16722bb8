//! The command line. `klamm` alone is `klamm serve`; the other commands talk to a broker, ours or Apache Kafka's.
//!
//! Contract: what is wrong is said on standard error as `klamm: <what, where, what to do>`, with exit code 1. Results go
//! to standard output, all else to standard error. A reader of standard output who goes away ends a command quietly.

mod config;
mod consume;
mod datetime;
mod dev;
mod escape;
mod format;
mod group;
mod json;
mod lines;
mod listing;
mod produce;
mod remote;
mod reset;
mod serve;
mod topic;

use std::{ffi::OsString, fmt, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use klamm::config::ConfigError;

pub(crate) use remote::Remote;
pub(crate) use serve::ServeArgs;

/// A Kafka-compatible broker in one binary, and its tools. Without a command: serve.
#[derive(Debug, Parser)]
#[command(name = "klamm", version, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The broker that commands talk to; also KLAMM_BOOTSTRAP [default: 127.0.0.1:9092]
    #[arg(short = 'b', long, value_name = "HOST:PORT", global = true)]
    bootstrap: Option<String>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a broker
    Serve(ServeArgs),
    /// Run a broker in memory, for development; nothing is kept
    Dev(dev::DevArgs),
    /// Create, list, describe, alter and delete topics
    #[command(subcommand)]
    Topic(topic::TopicCommand),
    /// Write records: lines of standard input or files
    Produce(produce::ProduceArgs),
    /// Read records
    Consume(consume::ConsumeArgs),
    /// List, describe, reset and delete consumer groups
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Show or check the configuration of `klamm serve`
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

const EXAMPLES: &str = "\
Examples:
  klamm                                       a broker on 127.0.0.1:9092, data in ./klamm-data
  klamm --listen 0.0.0.0:9092 --data /data    for other machines
  klamm -c num.partitions=6                   any configuration key
  KLAMM_NUM_PARTITIONS=6 klamm                the same from the environment
  klamm --config klamm.toml                   the same from a file: num.partitions = 6
  klamm dev                                   a broker in memory, to try things out

  klamm topic create orders -p 6              from another shell; -b HOST:PORT names another broker
  echo hello | klamm produce orders
  klamm consume orders -e

`klamm COMMAND --help` has examples of each; `klamm serve --help` lists every configuration key.";

/// A command line that was understood.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// What to do.
    pub(crate) command: Command,
    /// Whom to talk to.
    pub(crate) remote: Remote,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected KEY=VALUE, such as num.partitions=6".to_owned()),
    }
}

/// Reads the command line, the program's name first.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, Stop> {
    let keys = serve::keys_help();
    let command = Cli::command().mut_subcommand("serve", |serve| serve.after_long_help(keys));
    let matches = command.try_get_matches_from(words).map_err(Stop::Clap)?;
    let cli = Cli::from_arg_matches(&matches).map_err(Stop::Clap)?;
    let serves = matches!(cli.command, None | Some(Command::Serve(_)));
    if cli.command.is_some() && cli.serve != ServeArgs::default() {
        return Err(Stop::failed("flags of a broker (--listen, --data, --config, -c) go behind the command"));
    }
    if serves && cli.bootstrap.is_some() {
        return Err(Stop::failed(
            "-b is for commands that talk to a broker; a broker takes --listen HOST:PORT",
        ));
    }
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    Ok(Invocation { command, remote: Remote::new(cli.bootstrap) })
}

/// Does it.
pub(crate) async fn run(Invocation { command, remote }: Invocation) -> Result<(), Stop> {
    match command {
        Command::Serve(args) => serve::run(&args).await,
        Command::Dev(args) => dev::run(&args).await,
        Command::Topic(command) => topic::run(command, &remote).await,
        Command::Produce(args) => produce::run(args, &remote).await,
        Command::Consume(args) => consume::run(args, &remote).await,
        Command::Group(command) => group::run(command, &remote).await,
        Command::Config(command) => config::run(command).await,
    }
}

/// Why the program ends.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Help, the version, or a command line that was not understood.
    Clap(clap::Error),
    /// What went wrong, where, and what to do.
    Failed(String),
    /// Nobody reads standard output any more.
    Quiet,
}

impl Stop {
    /// Something went wrong.
    pub(crate) fn failed(what: impl fmt::Display) -> Self {
        Self::Failed(what.to_string())
    }

    /// Says it: help on standard output, all else on standard error.
    pub(crate) fn print(&self) -> ExitCode {
        match self {
            Self::Clap(help) if !help.use_stderr() => match help.print() {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            },
            Self::Quiet => ExitCode::SUCCESS,
            Self::Clap(_) | Self::Failed(_) => {
                eprintln!("{self}");
                ExitCode::FAILURE
            }
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quiet => Ok(()),
            Self::Failed(what) => write!(f, "klamm: {what}"),
            Self::Clap(error) => {
                let text = error.to_string();
                write!(f, "klamm: {}", text.strip_prefix("error: ").unwrap_or(&text).trim_end())
            }
        }
    }
}

impl From<ConfigError> for Stop {
    fn from(error: ConfigError) -> Self {
        Self::failed(error)
    }
}

impl From<klamm_client::Error> for Stop {
    fn from(error: klamm_client::Error) -> Self {
        Self::failed(error)
    }
}

/// Of standard output, which is what commands write to.
impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Quiet,
            _ => Self::failed(format!("can't write to standard output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests;
