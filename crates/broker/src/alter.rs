//! Changing a topic's configuration, for AlterConfigs and IncrementalAlterConfigs.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use klamm_cluster::{Command, Reply, Topic};
use klamm_model::TopicName;
use klamm_protocol::{ErrorCode, Str, Uuid};

use crate::{
    authorizer::{Operation, Resource},
    configs::{BROKER, BROKER_LOGGER, Refusal, TOPIC},
    errors,
    mentions::Mentions,
    session::Incoming,
    topic_config,
};

/// What is set (Some) and taken back (None), by name.
pub(crate) type Changes = BTreeMap<String, Option<String>>;

/// A change of a topic that was asked for and makes sense by itself.
pub(crate) type Change = (Arc<Topic>, Changes);

/// The change that each resource asks for; those that are named more than once are refused.
pub(crate) fn changes<R>(
    resources: &[R],
    name: impl Fn(&R) -> (i8, String),
    change: impl Fn(&R) -> Result<Change, Refusal>,
) -> Vec<Result<Change, Refusal>> {
    let mentions = Mentions::of(resources.iter().map(&name));
    let of = |resource| match mentions.is_repeated(&name(resource)) {
        true => Err((ErrorCode::INVALID_REQUEST, "Each resource must appear at most once.".to_owned())),
        false => change(resource),
    };
    resources.iter().map(of).collect()
}

/// Makes one change after the other: what is told of each.
pub(crate) async fn apply_all(
    incoming: &Incoming,
    changes: Vec<Result<Change, Refusal>>,
    validate_only: bool,
) -> Vec<(ErrorCode, Option<Str<'static>>)> {
    let mut told = Vec::with_capacity(changes.len());
    for change in changes {
        let result = match change {
            Ok((topic, changes)) => apply(incoming, &topic, changes, validate_only).await,
            Err(refusal) => Err(refusal),
        };
        told.push(result.err().map_or((ErrorCode::NONE, None), |(code, why)| (code, Some(why.into()))));
    }
    told
}

/// Refuses names that come twice, and those that lack their value (the flag).
pub(crate) fn check_keys<'a>(keys: impl Iterator<Item = (&'a str, bool)> + Clone) -> Result<(), Refusal> {
    let refuse = |why: String| Err((ErrorCode::INVALID_REQUEST, why));
    let mut seen = HashSet::new();
    if !keys.clone().all(|(name, _)| seen.insert(name)) {
        return refuse("Error due to duplicate config keys".to_owned());
    }
    let valueless: Vec<String> =
        keys.filter(|(_, valueless)| *valueless).map(|(name, _)| name.escape_debug().to_string()).collect();
    if valueless.is_empty() {
        return Ok(());
    }
    refuse(format!("Null value not supported for : {}", valueless.join(", ")))
}

/// The topic that a resource names, if the principal may change it.
pub(crate) fn topic(incoming: &Incoming, kind: i8, name: &str) -> Result<Arc<Topic>, Refusal> {
    let coded = |code: ErrorCode| Err((code, code.text().to_owned()));
    match kind {
        TOPIC if !incoming.may(Operation::AlterConfigs, Resource::Topic(name)) => {
            coded(ErrorCode::TOPIC_AUTHORIZATION_FAILED)
        }
        TOPIC if name.is_empty() => {
            Err((ErrorCode::INVALID_REQUEST, "Default topic resources are not allowed.".to_owned()))
        }
        TOPIC => {
            TopicName::parse(name)
                .map_err(|error| (ErrorCode::INVALID_TOPIC_EXCEPTION, errors::of_name(name, &error)))?;
            let unknown = |code| (code, format!("The topic '{name}' does not exist."));
            incoming.broker.topic(name, Uuid::ZERO).map_err(unknown)
        }
        BROKER | BROKER_LOGGER if !incoming.may(Operation::AlterConfigs, Resource::Cluster) => {
            coded(ErrorCode::CLUSTER_AUTHORIZATION_FAILED)
        }
        BROKER | BROKER_LOGGER => {
            if !name.is_empty() {
                incoming.broker.check_id("Node", name, "")?;
            }
            let why = "a broker's configuration can't be changed while it runs; change its file, environment or \
                       flags and start it again";
            Err((ErrorCode::INVALID_REQUEST, why.to_owned()))
        }
        other => Err((ErrorCode::INVALID_REQUEST, format!("Unknown resource type {other}"))),
    }
}

/// Changes a topic's configuration, if all of it is good afterwards.
async fn apply(
    incoming: &Incoming,
    topic: &Topic,
    mut changes: Changes,
    validate_only: bool,
) -> Result<(), Refusal> {
    let bad = |why: String| (ErrorCode::INVALID_CONFIG, why);
    // What stays as it is need not be written; so a fixed value may be repeated.
    changes.retain(|name, value| topic.configs.get(name) != value.as_ref());
    topic_config::check_fixed(&mut changes, topic.class).map_err(bad)?;
    let mut whole = topic.configs.clone();
    for (name, value) in &changes {
        match value {
            Some(value) => drop(whole.insert(name.clone(), value.clone())),
            None => drop(whole.remove(name)),
        }
    }
    topic_config::check(&whole).map_err(bad)?;
    if validate_only || changes.is_empty() {
        return Ok(());
    }
    let failed = |error| (errors::of_shard(&error), "it may have been changed; ask again".to_owned());
    let broker = &incoming.broker;
    match broker.cluster.ask(Command::SetConfigs { topic: topic.id, changes }).await.map_err(failed)? {
        Reply::Changed(true) => Ok(()),
        Reply::Changed(false) => {
            let why = format!("The topic '{}' does not exist.", topic.name);
            Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why))
        }
        Reply::TooLarge => Err(bad(topic_config::TOO_LARGE.to_owned())),
        _ => Err((ErrorCode::KAFKA_STORAGE_ERROR, "the disk is full".to_owned())),
    }
}
