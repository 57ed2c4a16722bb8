//! `klamm produce`: lines of standard input or files become records.

mod feed;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use klamm_client::{Acks, Codec, Compression, Header, Producer, ProducerOptions, Summary};

use self::feed::Feed;
use super::{Remote, Stop, escape::delimiter, topic::plural};

/// Whose confirmation a record needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AcksArg {
    /// Nobody's
    #[value(name = "0")]
    None,
    /// The leader's
    #[value(name = "1")]
    Leader,
    /// That of all replicas in sync
    #[value(alias = "-1")]
    All,
}

/// What to write, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seq 1 100000 | klamm produce numbers
  klamm produce orders -K : < pairs.txt                        key:value on each line
  klamm produce events -H source=web -z zstd log1 log2         the lines of two files, with a header
  echo '{\"key\":\"k\",\"value\":{\"a\":1}}' | klamm produce events --json
  printf 'a;b;c' | klamm produce letters -D ';' -p 0
  echo 'user-7:' | klamm produce users -K : -Z                 a tombstone: the value is null

Empty lines are passed over, as kcat does; with -Z they are null values.")]
pub(crate) struct ProduceArgs {
    /// The topic
    topic: String,
    /// Files to read [default: standard input]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What stands between key and value
    #[arg(short = 'K', long, value_name = "SEP", value_parser = delimiter_arg, conflicts_with = "json")]
    key_separator: Option<Delimiter>,
    /// What stands between records
    #[arg(short = 'D', long, value_name = "DELIMITER", default_value = "\\n", value_parser = delimiter_arg)]
    delimiter: Delimiter,
    /// A header of every record; may be repeated
    #[arg(short = 'H', long = "header", value_name = "KEY=VALUE", value_parser = header)]
    headers: Vec<Header>,
    /// The partition [default: by key, as Java does; without a key any]
    #[arg(short, long, allow_hyphen_values = true)]
    partition: Option<i32>,
    /// How batches are compressed: none, gzip, snappy, lz4, zstd
    #[arg(short = 'z', long = "compression", value_name = "CODEC", default_value = "none", value_parser = codec)]
    codec: Codec,
    /// Empty keys and values are null
    #[arg(short = 'Z', long)]
    empty_is_null: bool,
    /// Each line is a JSON object with key, value, headers, partition, timestamp
    #[arg(short = 'J', long)]
    json: bool,
    /// Whose confirmation a record needs
    #[arg(short = 'a', long, value_enum, default_value = "all")]
    acks: AcksArg,
    /// The size of a batch before compression, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 512 << 10)]
    batch_bytes: usize,
    /// Do not say on standard error how many records were written
    #[arg(short, long)]
    quiet: bool,
}

/// Bytes that a flag has; a type of its own, since clap takes `Vec` for repetition.
#[derive(Debug, Clone)]
pub(super) struct Delimiter(pub(super) Vec<u8>);

pub(super) fn delimiter_arg(text: &str) -> Result<Delimiter, String> {
    delimiter(text).map(Delimiter)
}

fn header(text: &str) -> Result<Header, String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), Some(value.to_owned().into()))),
        None => Ok((text.to_owned(), None)),
    }
}

fn codec(text: &str) -> Result<Codec, String> {
    text.parse().map_err(|()| "expected none, gzip, snappy, lz4 or zstd".to_owned())
}

/// Runs it.
pub(super) async fn run(args: ProduceArgs, remote: &Remote) -> Result<(), Stop> {
    let client = remote.client()?;
    let acks = match args.acks {
        AcksArg::None => Acks::None,
        AcksArg::Leader => Acks::Leader,
        AcksArg::All => Acks::All,
    };
    let options = ProducerOptions {
        acks,
        compression: Compression::of(args.codec),
        batch_bytes_max: args.batch_bytes,
        ..ProducerOptions::default()
    };
    let producer = Producer::start(client.clone(), options).await?;
    let mut feed = Feed::new(client, producer, &args);
    let done = feed.all(&args.files).await;
    let began = feed.began;
    let (bad, took) = (feed.bad, feed.client.env().clock.monotonic() - began);
    feed.clear_progress();
    let mut summary = feed.producer.finish().await?;
    summary.failed += bad;
    if !args.quiet {
        eprintln!("{}", say(&summary, &args.topic, took));
    }
    for error in &summary.errors {
        eprintln!("klamm: {error}");
    }
    done?;
    if summary.failed > 0 {
        return Err(Stop::failed(format!("{} not written", plural(summary.failed as usize, "record"))));
    }
    Ok(())
}

fn say(summary: &Summary, topic: &str, took: Duration) -> String {
    let seconds = took.as_secs_f64().max(0.001);
    let rate = summary.records as f64 / seconds;
    let records = plural(summary.records as usize, "record");
    format!("{records} to {topic}, {} bytes in batches, {seconds:.2} s, {rate:.0} records/s", summary.bytes)
}
