//! `klamm consume`: records to standard output, of partitions or as a member of a group.

mod group;
mod printer;
mod start;

use std::collections::BTreeSet;

use clap::Args;
use klamm_client::{Fetched, Fetcher, Isolation};

use self::{printer::Printer, start::Start};
use super::{
    Remote, Stop,
    format::Format,
    produce::{Delimiter, delimiter_arg},
    serve::signals,
};

/// What to read, and how to show it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  klamm consume orders -e                           everything, then exit
  klamm consume orders -o end                       what comes from now on
  klamm consume orders -o -10 -e                    the last 10 of each partition
  klamm consume orders -p 0 -o 1000 -c 5            five records from an offset
  klamm consume orders -o s@1790000000000 -e        from a time on (milliseconds; or s@2026-11-21T10:00)
  klamm consume orders -f '%t[%p]@%o %T %k=%s\\n'    a format; see below
  klamm consume orders --json | jq .value
  klamm consume orders --group billing              share the partitions with other members, remember how far

Format tokens: %t topic, %p partition, %o offset, %k key, %K its length, %s value, %S its length (-1 for null),
%R the length as 4 bytes, big-endian, %T timestamp in ms, %h headers, %% percent; \\n \\r \\t \\xNN.")]
pub(crate) struct ConsumeArgs {
    /// The topic
    topic: String,
    /// The partition [default: all]
    #[arg(short, long, conflicts_with = "group")]
    partition: Option<i32>,
    /// Where to begin: beginning, end, stored (in a group), OFFSET, -N (the last N), s@TIME [default: beginning; in a group stored]
    #[arg(short, long = "offset", value_name = "OFFSET", allow_hyphen_values = true)]
    offset: Option<Start>,
    /// The same as -o beginning; in a group: where it has no offset stored
    #[arg(long, conflicts_with = "offset")]
    from_beginning: bool,
    /// Exit when the end is reached
    #[arg(short, long)]
    exit_eof: bool,
    /// Exit after this many records
    #[arg(short, long, value_name = "COUNT")]
    count: Option<u64>,
    /// How a record is written
    #[arg(short, long, conflicts_with = "json")]
    format: Option<String>,
    /// A JSON object for each record
    #[arg(short = 'J', long)]
    json: bool,
    /// Write the key too, and this behind it
    #[arg(short = 'K', long, value_name = "SEP", value_parser = delimiter_arg, conflicts_with_all = ["json", "format"])]
    key_separator: Option<Delimiter>,
    /// What stands behind each record
    #[arg(short = 'D', long, value_name = "DELIMITER", default_value = "\\n", value_parser = delimiter_arg)]
    delimiter: Delimiter,
    /// Write NULL for null keys and values
    #[arg(short = 'Z', long)]
    null: bool,
    /// Read as a member of this group
    #[arg(short, long)]
    group: Option<String>,
    /// Show the records of open and aborted transactions too
    #[arg(long)]
    read_uncommitted: bool,
}

impl ConsumeArgs {
    fn isolation(&self) -> Isolation {
        if self.read_uncommitted { Isolation::ReadUncommitted } else { Isolation::ReadCommitted }
    }

    fn printer(&self) -> Result<Printer, Stop> {
        let null = if self.null { "NULL" } else { "" };
        let format = match (&self.format, self.json) {
            (_, true) => None,
            (Some(text), _) => {
                Some(Format::parse(text, null).map_err(|why| Stop::failed(format!("-f: {why}")))?)
            }
            (None, false) => {
                let separator = self.key_separator.clone().map(|separator| separator.0);
                Some(Format::plain(separator, self.delimiter.0.clone(), null))
            }
        };
        Ok(Printer::new(format, self.count))
    }
}

/// Runs it.
pub(super) async fn run(args: ConsumeArgs, remote: &Remote) -> Result<(), Stop> {
    let client = remote.client()?;
    let mut printer = args.printer()?;
    if let Some(name) = &args.group {
        return group::run(&args, client, name, &mut printer).await;
    }
    let start = args.offset.unwrap_or(Start::Beginning);
    let (mut term, mut int) = signals()?;
    let partitions = client.partitions(&args.topic, args.partition).await?;
    let positions = start.positions(&client, &partitions, args.isolation()).await?;
    let mut waiting = Ends::new(partitions);
    let mut fetcher = Fetcher::new(client, args.isolation(), positions);
    if printer.is_done() {
        return Ok(());
    }
    loop {
        let all = tokio::select! { biased;
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            all = fetcher.poll() => all?,
        };
        for fetched in &all {
            printer.print(fetched)?;
            waiting.heard(fetched);
        }
        printer.flush()?;
        if printer.is_done() || args.exit_eof && waiting.is_over() {
            return Ok(());
        }
    }
}

/// Which partitions were not yet read to their end.
struct Ends(BTreeSet<klamm_client::TopicPartition>);

impl Ends {
    fn new(partitions: impl IntoIterator<Item = klamm_client::TopicPartition>) -> Self {
        Self(partitions.into_iter().collect())
    }

    fn heard(&mut self, fetched: &Fetched) {
        if fetched.at_end() {
            self.0.remove(&fetched.of);
        }
    }

    fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}
