//! `klamm dev`: a broker in memory. Nothing is kept: its folder is a temporary one, removed at the end.

use std::{net::SocketAddr, path::Path};

use clap::Args;
use klamm::Env;
use klamm_env::OsDisk;

use super::{ServeArgs, Stop, assignment, serve};

/// What a broker in memory is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  klamm dev                              on 127.0.0.1:9092
  klamm dev --listen 127.0.0.1:0         on a free port
  klamm dev -c num.partitions=3

Topics are made when a client asks for them, and live in memory. Ctrl-C ends it, and everything is gone.")]
pub(crate) struct DevArgs {
    /// Where Kafka clients connect; port 0 chooses a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    listen: String,
    /// Set a configuration key; may be repeated
    #[arg(short = 'c', long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

/// Before what the user sets.
const DEFAULTS: &[(&str, &str)] =
    &[("klamm.storage.class", "memory"), ("auto.create.topics.enable", "true"), ("klamm.log", "warn")];

/// Runs it.
pub(super) async fn run(args: &DevArgs) -> Result<(), Stop> {
    let env = Env::os();
    let folder = std::env::temp_dir().join(format!("klamm-dev-{:016x}", env.entropy.u64()));
    let defaults = DEFAULTS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let serve = ServeArgs {
        listen: Some(args.listen.clone()),
        data: Some(folder.display().to_string()),
        config: None,
        set: defaults.chain(args.set.iter().cloned()).collect(),
    };
    let configured = serve.configure(&*env.disk).await?;
    let done = serve::broker(env, configured, |klamm, _| welcome(klamm.address())).await;
    remove(&folder).await?;
    done
}

async fn remove(folder: &Path) -> Result<(), Stop> {
    let removed = OsDisk::default().remove_folder(folder).await;
    removed.map_err(|error| Stop::failed(format!("can't remove {}: {error}", folder.display())))
}

/// A line to copy for each client.
fn welcome(address: SocketAddr) -> String {
    format!(
        "\
Klamm is ready on {address} (in memory; nothing is kept)

  klamm    echo hello | klamm produce demo -b {address}; klamm consume demo -e -b {address}
  kcat     echo hello | kcat -P -b {address} -t demo; kcat -C -b {address} -t demo -e
  python   from kafka import KafkaProducer; KafkaProducer(bootstrap_servers=\"{address}\").send(\"demo\", b\"hello\").get()
  java     new KafkaProducer<>(Map.of(\"bootstrap.servers\", \"{address}\"), new StringSerializer(), new StringSerializer())
  node     new (require(\"kafkajs\").Kafka)({{ brokers: [\"{address}\"] }}).producer()
  go       kgo.NewClient(kgo.SeedBrokers(\"{address}\"))

Ctrl-C ends it."
    )
}
