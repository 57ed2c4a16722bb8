//! `klamm config`: what `klamm serve` would run with.

use clap::{Args, Subcommand};
use klamm::{Config, Env, config::KEYS};
use serde_json::json;

use super::{
    ServeArgs, Stop,
    listing::{ListArgs, Listing, print},
};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every key, its value, and where that came from
    #[command(after_help = "\
Examples:
  klamm config print
  KLAMM_NUM_PARTITIONS=6 klamm config print --config klamm.toml -c node.id=7
  klamm config print -o json")]
    Print(PrintArgs),
    /// Say what is wrong with the configuration, as `klamm serve` would
    #[command(after_help = "\
Examples:
  klamm config check --config klamm.toml")]
    Check(ServeArgs),
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct PrintArgs {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    list: ListArgs,
}

/// Runs it.
pub(super) async fn run(command: ConfigCommand) -> Result<(), Stop> {
    match command {
        ConfigCommand::Print(args) => {
            let config = load(&args.serve).await?;
            let mut listing = Listing::new(&["key", "value", "source"]);
            for key in KEYS {
                let source = config.sources.of(key.name).to_string();
                let value = config.get(key.name).filter(|value| !value.is_empty());
                listing.push(vec![json!(key.name), json!(value), json!(source)]);
            }
            listing.print(&args.list)
        }
        ConfigCommand::Check(args) => {
            let config = load(&args).await?;
            let own = KEYS.iter().filter(|key| config.sources.of(key.name).is_set()).count();
            print(&format!(
                "the configuration is good: {own} of {} keys are set, the others have defaults\n",
                KEYS.len()
            ))
        }
    }
}

async fn load(args: &ServeArgs) -> Result<Config, Stop> {
    Ok(args.configure(&*Env::os().disk).await?.0)
}
