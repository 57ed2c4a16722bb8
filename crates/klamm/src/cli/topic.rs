//! `klamm topic`: create, list, describe, alter, delete.

use clap::{Args, Subcommand};
use klamm_client::{ApiKey, At, Client, ConfigChange, ConfigEntry, Error, NewTopic, Topic, TopicPartition};
use serde_json::{Value, json};

use super::{
    Remote, Stop, assignment,
    listing::{ListArgs, Listing, Shape, print, print_json},
};

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Create a topic
    #[command(after_help = "\
Examples:
  klamm topic create orders
  klamm topic create orders -p 6 -r 3
  klamm topic create archive -c retention.ms=-1 -c compression.type=zstd
  klamm topic create scratch -c klamm.storage.class=memory      in memory only (Klamm)")]
    Create(CreateArgs),
    /// List topics
    #[command(after_help = "\
Examples:
  klamm topic list
  klamm topic list --all -o json | jq -r '.[].topic'")]
    List {
        /// Kafka's own topics too, such as __consumer_offsets
        #[arg(short, long)]
        all: bool,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show partitions, offsets and configuration of a topic, or of all
    #[command(after_help = "\
Examples:
  klamm topic describe orders
  klamm topic describe orders --defaults       every configuration key, not only those that were set
  klamm topic describe -o json")]
    Describe(DescribeArgs),
    /// Give a topic more partitions, or change its configuration
    #[command(after_help = "\
Examples:
  klamm topic alter orders -p 12
  klamm topic alter orders -c retention.ms=86400000 -c max.message.bytes=2000000
  klamm topic alter orders --delete-config retention.ms       back to the default")]
    Alter(AlterArgs),
    /// Delete topics and all that is in them
    #[command(after_help = "\
Examples:
  klamm topic delete orders
  klamm topic delete one two three")]
    Delete {
        /// The topics
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

/// A topic to be.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The topic
    name: String,
    /// How many partitions [default: the broker's]
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// How many replicas [default: the broker's]
    #[arg(short, long, value_parser = clap::value_parser!(i16).range(1..))]
    replicas: Option<i16>,
    /// A configuration of the topic; may be repeated
    #[arg(short, long = "config", value_name = "KEY=VALUE", value_parser = assignment)]
    config: Vec<(String, String)>,
    /// Succeed if the topic exists already
    #[arg(long)]
    if_not_exists: bool,
}

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// The topic [default: all]
    name: Option<String>,
    /// Every configuration key, defaults too
    #[arg(long)]
    defaults: bool,
    #[command(flatten)]
    list: ListArgs,
}

/// What to change.
#[derive(Debug, Args)]
pub(crate) struct AlterArgs {
    /// The topic
    name: String,
    /// The new number of partitions; more than now
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Set a configuration; may be repeated
    #[arg(short, long = "config", value_name = "KEY=VALUE", value_parser = assignment)]
    config: Vec<(String, String)>,
    /// Take a configuration back to its default; may be repeated
    #[arg(long, value_name = "KEY")]
    delete_config: Vec<String>,
}

/// Runs it.
pub(super) async fn run(command: TopicCommand, remote: &Remote) -> Result<(), Stop> {
    let client = remote.client()?;
    match command {
        TopicCommand::Create(args) => create(&client, args).await,
        TopicCommand::List { all, list } => self::list(&client, all, &list).await,
        TopicCommand::Describe(args) => describe(&client, &args).await,
        TopicCommand::Alter(args) => alter(&client, args).await,
        TopicCommand::Delete { names } => delete(&client, &names).await,
    }
}

async fn create(client: &Client, args: CreateArgs) -> Result<(), Stop> {
    let CreateArgs { name, partitions, replicas, config: configs, if_not_exists } = args;
    let new = NewTopic { name, partitions, replicas, configs };
    match client.create_topic(&new).await {
        Ok(()) => {}
        Err(error)
            if if_not_exists && error.code() == Some(klamm_client::ErrorCode::TOPIC_ALREADY_EXISTS) =>
        {
            return print(&format!("topic {} exists already\n", new.name));
        }
        Err(error) => return Err(error.into()),
    }
    let count = client.topic(&new.name, false).await?.partitions.len();
    print(&format!("created topic {} with {}\n", new.name, plural(count, "partition")))
}

/// `1 partition`, `2 partitions`.
pub(super) fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

async fn list(client: &Client, all: bool, args: &ListArgs) -> Result<(), Stop> {
    let mut listing = Listing::new(&["topic", "partitions", "replicas"]);
    for topic in client.topics().await?.iter().filter(|topic| all || !is_internal(topic)) {
        let replicas = topic.partitions.first().map(|partition| partition.replicas.len());
        listing.push(vec![json!(topic.name), json!(topic.partitions.len()), json!(replicas)]);
    }
    listing.print(args)
}

fn is_internal(topic: &Topic) -> bool {
    topic.internal || topic.name.starts_with("__")
}

async fn describe(client: &Client, args: &DescribeArgs) -> Result<(), Stop> {
    let topics = match &args.name {
        Some(name) => vec![client.topic(name, false).await?],
        None => client.topics().await?.into_iter().filter(|topic| !is_internal(topic)).collect(),
    };
    let configs_served = client.serves(ApiKey::DescribeConfigs).await?;
    let (mut text, mut all) = (String::new(), Vec::new());
    for topic in &topics {
        let listing = partitions(client, topic).await?;
        let configs = if configs_served { Some(client.topic_config(&topic.name).await?) } else { None };
        let shown = |config: &&ConfigEntry| args.defaults || config.own;
        let configs: Option<Vec<_>> = configs.as_ref().map(|all| all.iter().filter(shown).collect());
        if args.list.output == Shape::Json {
            let entry = |config: &&ConfigEntry| (config.name.clone(), json!(config.value));
            let configs = configs.map(|all| Value::Object(all.iter().map(entry).collect()));
            let (id, partitions) = (topic.id.to_string(), listing.json());
            all.push(json!({"topic": topic.name, "id": id, "partitions": partitions, "configs": configs}));
            continue;
        }
        text.push_str(&format!(
            "{}{} (id {})\n",
            if text.is_empty() { "" } else { "\n" },
            topic.name,
            topic.id
        ));
        text.push_str(&listing.table());
        match configs {
            None => text.push_str("configuration: not known; this broker does not serve DescribeConfigs\n"),
            Some(configs) if configs.is_empty() => text.push_str("configuration: all defaults\n"),
            Some(configs) => configs.iter().for_each(|config| {
                let value = config.value.as_deref().unwrap_or("(hidden)");
                text.push_str(&format!("{}={value}\n", config.name));
            }),
        }
    }
    match args.list.output {
        Shape::Json => print_json(&Value::Array(all)),
        Shape::Table => print(&text),
    }
}

async fn partitions(client: &Client, topic: &Topic) -> Result<Listing, Error> {
    let of = |index| TopicPartition::new(topic.name.clone(), index);
    let led: Vec<_> =
        topic.partitions.iter().filter(|one| one.leader >= 0).map(|one| of(one.index)).collect();
    let begins = client.offsets(&led, At::Earliest, false).await?;
    let ends = client.offsets(&led, At::Latest, false).await?;
    let mut listing = Listing::new(&["partition", "leader", "epoch", "replicas", "isr", "begin", "end"]);
    for one in &topic.partitions {
        let leader = (one.leader >= 0).then_some(one.leader);
        let (begin, end) = (begins.get(&of(one.index)), ends.get(&of(one.index)));
        listing.push(vec![
            json!(one.index),
            json!(leader),
            json!(one.leader_epoch),
            json!(one.replicas),
            json!(one.isr),
            json!(begin),
            json!(end),
        ]);
    }
    Ok(listing)
}

async fn alter(client: &Client, args: AlterArgs) -> Result<(), Stop> {
    let set = args.config.into_iter().map(|(key, value)| ConfigChange::Set(key, value));
    let changes: Vec<_> = set.chain(args.delete_config.into_iter().map(ConfigChange::Delete)).collect();
    if changes.is_empty() && args.partitions.is_none() {
        return Err(Stop::failed("nothing to alter: give -p N, -c KEY=VALUE or --delete-config KEY"));
    }
    client.topic(&args.name, false).await?;
    if let Some(count) = args.partitions {
        client.grow_topic(&args.name, count).await?;
        print(&format!("topic {} has {} now\n", args.name, plural(count as usize, "partition")))?;
    }
    if !changes.is_empty() {
        client.alter_topic(&args.name, &changes).await?;
        print(&format!("topic {}: {} changed\n", args.name, plural(changes.len(), "configuration")))?;
    }
    Ok(())
}

async fn delete(client: &Client, names: &[String]) -> Result<(), Stop> {
    let mut failed = Vec::new();
    for (name, done) in client.delete_topics(names).await? {
        match done {
            Ok(()) => print(&format!("deleted topic {name}\n"))?,
            Err(error) => failed.push(error.to_string()),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Stop::failed(failed.join("\nklamm: "))) }
}
