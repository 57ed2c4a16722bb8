//! The command line. `klamm` alone is `klamm serve`.
//!
//! Contract: nothing is printed and nothing exits here but in [`Stop::print`]; what is wrong is said on standard error
//! as `klamm: <what, where, what to do>`, with exit code 1.

use std::{
    ffi::OsString,
    fmt::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use klamm::config::{Config, ConfigError, Flag, Inputs, KEYS, variable_of};
use klamm_env::Disk;

/// A complete Kafka in one binary. Without a command: serve.
#[derive(Debug, Parser)]
#[command(name = "klamm", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a broker
    Serve(ServeArgs),
}

/// What a broker is told.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServeArgs {
    /// Where Kafka clients connect [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The folder for everything that is kept on this machine [default: ./klamm-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// A configuration file (TOML); also KLAMM_CONFIG
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a configuration key; may be repeated
    #[arg(short = 'c', long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

const EXAMPLES: &str = "\
Examples:
  klamm                                       a broker on 127.0.0.1:9092, data in ./klamm-data
  klamm --listen 0.0.0.0:9092 --data /data    for other machines
  klamm -c num.partitions=6                   any configuration key
  KLAMM_NUM_PARTITIONS=6 klamm                the same from the environment
  klamm --config klamm.toml                   the same from a file: num.partitions = 6

`klamm serve --help` lists every configuration key.";

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected KEY=VALUE, such as num.partitions=6".to_owned()),
    }
}

/// Reads the command line, the program's name first.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Stop> {
    let keys = keys_help();
    let command = Cli::command().mut_subcommand("serve", |serve| serve.after_long_help(keys));
    let matches = command.try_get_matches_from(words).map_err(Stop::Clap)?;
    let cli = Cli::from_arg_matches(&matches).map_err(Stop::Clap)?;
    Ok(cli.command.unwrap_or(Command::Serve(cli.serve)))
}

fn keys_help() -> String {
    let mut help = String::from(
        "Configuration keys, each as `-c KEY=VALUE`, as KLAMM_… in the environment, or in the file.\n\
         Flags go before the environment, the environment before the file.\n",
    );
    for key in KEYS {
        let default = if key.default.is_empty() { "nothing" } else { key.default };
        let (name, variable) = (key.name, variable_of(key.name));
        let _ =
            write!(help, "\n  {name}  [{default}]  {variable}\n      {}\n      {}\n", key.doc(), key.kind);
    }
    help
}

impl ServeArgs {
    /// The configuration: defaults, file, environment, flags.
    pub(crate) async fn load(
        &self,
        disk: &dyn Disk,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Config, ConfigError> {
        let lossy = |text: OsString| text.to_string_lossy().into_owned();
        let environment: Vec<_> =
            environment.into_iter().map(|(name, value)| (lossy(name), lossy(value))).collect();
        let named =
            || environment.iter().find(|(name, _)| name == "KLAMM_CONFIG").map(|(_, path)| path.into());
        let file = match self.config.clone().or_else(named) {
            Some(path) => {
                let bytes = disk.read(&path).await.map_err(|error| ConfigError::unreadable(&path, error))?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| ConfigError::unreadable(&path, "it is not UTF-8"))?;
                Some((path, text))
            }
            None => None,
        };
        Config::load(&Inputs { file, environment, flags: self.flags() })
    }

    fn flags(&self) -> Vec<Flag> {
        let set = self.set.iter().map(|(key, value)| ("-c", key.as_str(), value));
        let listen = self.listen.iter().map(|value| ("--listen", "listen", value));
        let data = self.data.iter().map(|value| ("--data", "data", value));
        let flag =
            |(flag, key, value): (_, &str, &String)| Flag { flag, key: key.to_owned(), value: value.clone() };
        set.chain(listen).chain(data).map(flag).collect()
    }
}

/// Why the program ends.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Help, the version, or a command line that was not understood.
    Clap(clap::Error),
    /// What went wrong, where, and what to do.
    Failed(String),
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

#[cfg(test)]
mod tests;
