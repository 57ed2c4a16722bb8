//! `klamm group reset`: moves a group's offsets. A dry run unless told otherwise.

use std::collections::BTreeMap;

use clap::Args;
use klamm_client::{At, Client, TopicPartition};
use serde_json::json;

use super::{
    Stop, datetime,
    listing::{ListArgs, Listing, Shape},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  klamm group reset billing --topic orders --to earliest                    shows what would change
  klamm group reset billing --topic orders --to earliest --execute          does it
  klamm group reset billing --topic orders -p 3 --to offset 1000 --execute
  klamm group reset billing --topic orders --to datetime 2026-11-21T10:00:00Z

The group must have no members: stop its consumers first.";

/// What to move, and where to.
#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// The group
    group: String,
    /// The topic
    #[arg(short, long)]
    topic: String,
    /// The partition [default: all]
    #[arg(short, long)]
    partition: Option<i32>,
    /// earliest, latest, offset N, or datetime TIME (UTC unless it names a zone)
    #[arg(long, num_args = 1..=2, required = true, value_names = ["WHERE", "VALUE"])]
    to: Vec<String>,
    /// Do it; without this it is a dry run
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    list: ListArgs,
}

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Place(At),
    Offset(i64),
}

fn target(words: &[String]) -> Result<Target, String> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["earliest"] => Ok(Target::Place(At::Earliest)),
        ["latest"] => Ok(Target::Place(At::Latest)),
        ["offset", text] => match text.parse() {
            Ok(offset) if offset >= 0 => Ok(Target::Offset(offset)),
            _ => Err(format!("--to offset {text}: expected a whole number from 0")),
        },
        ["datetime", text] => match datetime::parse(text) {
            Some(ms) if ms >= 0 => Ok(Target::Place(At::Time(ms))),
            _ => Err(format!("--to datetime {text}: expected a time such as 2026-11-21T10:00:00Z")),
        },
        _ => Err(format!("--to {}: expected earliest, latest, offset N or datetime TIME", words.join(" "))),
    }
}

/// Runs it.
pub(super) async fn run(client: &Client, args: &ResetArgs) -> Result<(), Stop> {
    let target = target(&args.to).map_err(Stop::failed)?;
    let partitions = client.partitions(&args.topic, args.partition).await?;
    // A group that does not exist is made by giving it offsets.
    let described = super::group::described(client, &args.group).await?;
    if let Some(described) = described.filter(|described| !described.members.is_empty()) {
        let count = super::topic::plural(described.members.len(), "member");
        return Err(Stop::failed(format!(
            "group {} has {count} ({}); stop its consumers, then reset",
            args.group, described.state
        )));
    }
    let current = client.committed(&args.group, Some(&partitions)).await?;
    let new = match target {
        Target::Place(at) => client.offsets(&partitions, at, false).await?,
        Target::Offset(offset) => within(client, &partitions, offset).await?,
    };
    let mut listing = Listing::new(&["topic", "partition", "current", "new"]);
    for (of, offset) in &new {
        listing.push(vec![json!(of.topic), json!(of.partition), json!(current.get(of)), json!(offset)]);
    }
    if args.execute {
        client.set_offsets(&args.group, &new).await?;
    }
    listing.print(&args.list)?;
    if !args.execute && args.list.output == Shape::Table {
        eprintln!("nothing was changed: this was a dry run; --execute does it");
    }
    Ok(())
}

/// The offset, kept within what each partition has.
async fn within(
    client: &Client,
    partitions: &[TopicPartition],
    offset: i64,
) -> Result<BTreeMap<TopicPartition, i64>, Stop> {
    let begins = client.offsets(partitions, At::Earliest, false).await?;
    let mut ends = client.offsets(partitions, At::Latest, false).await?;
    ends.iter_mut().for_each(|(of, end)| *end = offset.clamp(begins[of], (*end).max(begins[of])));
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let check = |text: &str, expected: Option<Target>| {
            let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
            assert_eq!(target(&words).ok(), expected, "{text}");
        };
        check("earliest", Some(Target::Place(At::Earliest)));
        check("latest", Some(Target::Place(At::Latest)));
        check("offset 12", Some(Target::Offset(12)));
        check("datetime 1970-01-01T00:00:01Z", Some(Target::Place(At::Time(1000))));
        for bad in ["", "offset", "offset -1", "datetime", "datetime now", "earliest 3", "soon"] {
            check(bad, None);
        }
    }
}
