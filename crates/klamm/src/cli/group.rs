//! `klamm group`: list, describe, lag, reset, delete.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use klamm_client::{At, Client, ErrorCode, GroupDescription, TopicPartition};
use serde_json::{Value, json};

use super::{
    Remote, Stop,
    listing::{ListArgs, Listing, Shape, print, print_json},
    reset::{self, ResetArgs},
};

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List consumer groups
    #[command(after_help = "\
Examples:
  klamm group list
  klamm group list -o json | jq -r '.[].group'")]
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show a group's state, its members and what they read
    #[command(after_help = "\
Examples:
  klamm group describe billing")]
    Describe(OneArgs),
    /// Show how far a group is behind, partition by partition
    #[command(after_help = "\
Examples:
  klamm group lag billing
  klamm group lag billing -o json | jq 'map(.lag) | add'")]
    Lag(OneArgs),
    /// Move a group's offsets; without --execute it only shows what would change
    #[command(after_help = reset::EXAMPLES)]
    Reset(ResetArgs),
    /// Delete a group that has no members, with its offsets
    #[command(after_help = "\
Examples:
  klamm group delete billing")]
    Delete {
        /// The group
        group: String,
    },
}

/// One group.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The group
    group: String,
    #[command(flatten)]
    list: ListArgs,
}

/// Runs it.
pub(super) async fn run(command: GroupCommand, remote: &Remote) -> Result<(), Stop> {
    let client = remote.client()?;
    match command {
        GroupCommand::List { list } => self::list(&client, &list).await,
        GroupCommand::Describe(args) => describe(&client, &args).await,
        GroupCommand::Lag(args) => lag(&client, &args.group).await?.print(&args.list),
        GroupCommand::Reset(args) => reset::run(&client, &args).await,
        GroupCommand::Delete { group } => {
            client.delete_group(&group).await?;
            print(&format!("deleted group {group}\n"))
        }
    }
}

async fn list(client: &Client, args: &ListArgs) -> Result<(), Stop> {
    let mut listing = Listing::new(&["group", "state", "kind", "protocol"]);
    let told = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    for group in client.groups().await? {
        listing.push(vec![json!(group.id), told(&group.state), told(&group.kind), told(&group.protocol)]);
    }
    listing.print(args)
}

/// The group, if there is one: of unknown groups brokers say that they are not found, old ones that they are dead.
pub(super) async fn described(client: &Client, group: &str) -> Result<Option<GroupDescription>, Stop> {
    match client.describe_group(group).await {
        Ok(described) => Ok(Some(described).filter(|described| described.state != "Dead")),
        Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The group, or an error if there is none.
async fn known(client: &Client, group: &str) -> Result<GroupDescription, Stop> {
    match described(client, group).await? {
        Some(described) => Ok(described),
        None => {
            Err(Stop::failed(format!("there is no group {group}; `klamm group list` shows which there are")))
        }
    }
}

async fn describe(client: &Client, args: &OneArgs) -> Result<(), Stop> {
    let described = known(client, &args.group).await?;
    let mut members = Listing::new(&["member", "client", "host", "partitions"]);
    for member in &described.members {
        let partitions: Vec<_> = member.assigned.iter().map(ToString::to_string).collect();
        members.push(vec![json!(member.id), json!(member.client), json!(member.host), json!(partitions)]);
    }
    let offsets = lag(client, &args.group).await?;
    let GroupDescription { state, assignor, .. } = described;
    if args.list.output == Shape::Json {
        return print_json(&json!({
            "group": args.group, "state": state, "assignor": assignor,
            "members": members.json(), "offsets": offsets.json(),
        }));
    }
    let assignor = if assignor.is_empty() { String::new() } else { format!(", assignor {assignor}") };
    let members = if described.members.is_empty() { "no members\n".to_owned() } else { members.table() };
    print(&format!("{}: {state}{assignor}\n{members}\n{}", args.group, offsets.table()))
}

async fn lag(client: &Client, group: &str) -> Result<Listing, Stop> {
    let committed = client.committed(group, None).await?;
    if committed.is_empty() {
        known(client, group).await?;
    }
    let ends = ends(client, committed.keys()).await?;
    let mut listing = Listing::new(&["topic", "partition", "committed", "end", "lag"]);
    for (of, offset) in &committed {
        let end = ends.get(of);
        let lag = end.map(|end| (end - offset).max(0));
        listing.push(vec![json!(of.topic), json!(of.partition), json!(offset), json!(end), json!(lag)]);
    }
    Ok(listing)
}

/// The ends of those partitions that still exist.
async fn ends<'a>(
    client: &Client,
    partitions: impl Iterator<Item = &'a TopicPartition>,
) -> Result<BTreeMap<TopicPartition, i64>, Stop> {
    let all: Vec<_> = partitions.collect();
    let mut topics: Vec<_> = all.iter().map(|of| of.topic.clone()).collect();
    topics.dedup();
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    let known = client.refresh(Some(&topics), false).await?;
    let exists = |of: &&&TopicPartition| {
        known
            .topics
            .get(&of.topic)
            .is_some_and(|topic| topic.partitions.iter().any(|one| one.index == of.partition))
    };
    Ok(client.offsets(all.iter().filter(exists).copied(), At::Latest, false).await?)
}
