//! Making and deleting topics, for the handlers and for auto-creation.

use std::{collections::BTreeMap, sync::Arc};

use klamm_cluster::{Command, CreateError, NewTopic, Reply};
use klamm_model::{TopicId, TopicName};
use klamm_protocol::ErrorCode;

use crate::{Broker, errors, topic_config};

/// Why a topic was not made or deleted: Kafka's code and a text for a person.
pub(crate) type TopicError = (ErrorCode, String);

/// The most partitions of one topic; the answer and the record must fit in a frame and an entry.
pub(crate) const PARTITIONS_MAX: i32 = 100_000;

impl Broker {
    /// A topic that passed all checks but those of the cluster's state.
    pub(crate) fn plan_topic(
        &self,
        name: &str,
        partitions: i32,
        configs: BTreeMap<String, String>,
    ) -> Result<NewTopic, TopicError> {
        let name = TopicName::parse(name)
            .map_err(|error| (ErrorCode::INVALID_TOPIC_EXCEPTION, errors::of_name(name, &error)))?;
        let partitions = if partitions == -1 { self.config.partitions_default } else { partitions };
        if partitions < 1 {
            let why = "Number of partitions was set to an invalid non-positive value.".to_owned();
            return Err((ErrorCode::INVALID_PARTITIONS, why));
        }
        if partitions > PARTITIONS_MAX {
            let why = format!("at most {PARTITIONS_MAX} partitions to a topic");
            return Err((ErrorCode::INVALID_PARTITIONS, why));
        }
        topic_config::check(&configs).map_err(|why| (ErrorCode::INVALID_CONFIG, why))?;
        let class = topic_config::storage_class(&configs, self.config.storage_class);
        let id = TopicId(self.env.entropy.bytes16());
        Ok(NewTopic { name, id, partitions, class, configs })
    }

    /// Whether there are brokers enough for that many replicas; -1 asks for the default.
    pub(crate) fn check_replication(&self, factor: i16) -> Result<(), TopicError> {
        let refuse = |why: String| Err((ErrorCode::INVALID_REPLICATION_FACTOR, why));
        match if factor == -1 { self.config.replication_factor_default } else { factor } {
            1 => Ok(()),
            factor if factor < 1 => {
                refuse("Replication factor must be larger than 0, or -1 to use the default value.".to_owned())
            }
            factor => refuse(format!(
                "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} \
                 cannot be reached because only 1 broker(s) are registered."
            )),
        }
    }

    /// Whether a partition's replicas can be those brokers: there is one broker, so it alone.
    pub(crate) fn check_assignment(&self, brokers: &[i32]) -> Result<(), TopicError> {
        let refuse = |why: String| {
            let why = format!("The manual partition assignment includes {why}");
            Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, why))
        };
        if let Some(other) = brokers.iter().find(|broker| **broker != self.config.id) {
            return refuse(format!("broker {other}, but no such broker is registered."));
        }
        match brokers.len() {
            0 => refuse("an empty replica list.".to_owned()),
            1 => Ok(()),
            _ => refuse(format!("the broker {} more than once.", self.config.id)),
        }
    }

    /// Whether the name is free, also of names that differ in '.' and '_' only (they collide in metrics).
    pub(crate) fn check_name(&self, name: &TopicName) -> Result<(), TopicError> {
        let image = self.image.load();
        if image.topic_named(name.as_str()).is_some() {
            return Err((ErrorCode::TOPIC_ALREADY_EXISTS, format!("Topic '{name}' already exists.")));
        }
        if !name.as_str().contains(['.', '_']) {
            return Ok(());
        }
        let plain = |name: &str| name.replace('.', "_");
        let collides = |other: &str| plain(other) == plain(name.as_str());
        match image.topics().find(|topic| collides(topic.name.as_str())) {
            Some(other) => {
                let why = format!("Topic '{name}' collides with existing topic: {}", other.name);
                Err((ErrorCode::INVALID_TOPIC_EXCEPTION, why))
            }
            None => Ok(()),
        }
    }

    /// Makes a topic; when this returns, its partitions take batches.
    pub(crate) async fn create_topic(self: &Arc<Self>, new: NewTopic) -> Result<(), TopicError> {
        let (name, id) = (new.name.clone(), new.id);
        let failed = |_| errors::unfinished("the topic may have been made");
        match self.change(id, Command::CreateTopic(new)).await.map_err(failed)? {
            Reply::Created(Ok(())) => Ok(()),
            Reply::Created(Err(CreateError::NameTaken)) => {
                Err((ErrorCode::TOPIC_ALREADY_EXISTS, format!("Topic '{name}' already exists.")))
            }
            _ => Err((ErrorCode::KAFKA_STORAGE_ERROR, "the disk is full".to_owned())),
        }
    }

    /// Deletes a topic and its data.
    pub(crate) async fn delete_topic(self: &Arc<Self>, id: TopicId) -> Result<(), TopicError> {
        let failed = |_| errors::unfinished("the topic may have been deleted");
        match self.change(id, Command::DeleteTopic(id)).await.map_err(failed)? {
            Reply::Deleted(true) => Ok(()),
            Reply::Full => Err((ErrorCode::KAFKA_STORAGE_ERROR, "the disk is full".to_owned())),
            _ => Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "the topic is not there".to_owned())),
        }
    }
}
