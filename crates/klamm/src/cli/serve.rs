//! `klamm serve`: runs a broker, says when it is ready, stops on SIGTERM and SIGINT.

use std::{ffi::OsString, fmt::Write as _, io::Write as _, path::PathBuf, time::Duration};

use clap::Args;
use klamm::{
    Config, Env, Klamm,
    config::{ConfigError, Fit, Flag, Inputs, KEYS, variable_of},
};
use klamm_env::Disk;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Stop, assignment};

/// What a broker is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct ServeArgs {
    /// Where Kafka clients connect [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) listen: Option<String>,
    /// The folder for everything that is kept on this machine [default: ./klamm-data]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<String>,
    /// A configuration file (TOML); also KLAMM_CONFIG
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Set a configuration key; may be repeated
    #[arg(short = 'c', long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub(super) set: Vec<(String, String)>,
}

/// Every key, for `klamm serve --help`.
pub(super) fn keys_help() -> String {
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
    /// What a broker in this environment runs with, and how that fits the limit of open files, which is raised.
    pub(super) async fn configure(&self, disk: &dyn Disk) -> Result<(Config, Fit), ConfigError> {
        let mut config = self.load(disk, std::env::vars_os()).await?;
        let limit = klamm_env::raise_open_files();
        let fit = limit.map_or(Fit::Enough, |limit| config.fit_open_files(limit));
        Ok((config, fit))
    }

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

/// Runs `klamm serve`.
pub(crate) async fn run(args: &ServeArgs) -> Result<(), Stop> {
    let env = Env::os();
    let configured = args.configure(&*env.disk).await?;
    let data = configured.0.data.display().to_string();
    broker(env, configured, |klamm, took| {
        let (address, topics, took_ms) = (klamm.address(), klamm.topic_count(), took.as_millis());
        format!("Klamm is ready on {address} (data: {data}, {topics} topics, started in {took_ms} ms)")
    })
    .await
}

/// Runs a broker as [`ServeArgs::configure`] says until a signal; `ready` is what it says when it is ready.
pub(super) async fn broker(
    env: Env,
    (config, fit): (Config, Fit),
    ready: impl FnOnce(&Klamm, Duration) -> String,
) -> Result<(), Stop> {
    let began = env.clock.monotonic();
    log(&config);
    if let Fit::Short(told) = &fit {
        tracing::warn!("{told}");
    }
    let klamm = Klamm::start(config, env.clone()).await.map_err(Stop::failed)?;
    if let Fit::GaveWay(told) = &fit {
        tracing::info!("{told}"); // of no use to whoever's broker does not start
    }
    let (mut term, mut int) = signals()?;
    let ready = ready(&klamm, env.clock.monotonic() - began);
    // Nobody may be listening to standard output; the broker runs all the same.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{ready}");
    let _ = out.flush();
    drop(out);
    tokio::select! { biased;
        why = klamm.failed() => return Err(Stop::failed(why)),
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("stopping: answering what is under way");
    klamm.stop().await;
    Ok(())
}

/// SIGTERM and SIGINT.
pub(super) fn signals() -> Result<(Signal, Signal), Stop> {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(term), Ok(int)) => Ok((term, int)),
        (Err(error), _) | (_, Err(error)) => Err(Stop::failed(error)),
    }
}

fn log(config: &Config) {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::try_new(&config.klamm_log).unwrap_or_default();
    fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}
