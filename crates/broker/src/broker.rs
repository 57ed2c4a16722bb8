//! The broker: shards, images, and what handlers share. No sockets: a [`crate::Session`] is given frames.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use klamm_cluster::{Cluster, Topic};
use klamm_env::Env;
use klamm_model::{BrokerId, Epoch, PartitionId, ShardId, StorageClass, TopicId};
use klamm_partition::Partitions as PartitionMachine;
use klamm_protocol::{ErrorCode, Uuid};
use klamm_shard::{Image, PartitionView, Partitions, Shard, ShardState};

use crate::{
    Authorizer, GroupShard, LogConfig, Setting, fetch_sessions::FetchSessions, outbox::Outbox,
    producer_ids::ProducerIds, said::Said,
};

/// What the handlers go by.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// The broker's id (`node.id`).
    pub id: BrokerId,
    /// What Metadata names, instead of the address by which the connection came (`advertised.address`).
    pub advertised: Option<(String, u16)>,
    /// Whether a Metadata request for a topic that is not there makes it.
    pub auto_create_topics: bool,
    /// Partitions of a topic that does not say.
    pub partitions_default: i32,
    /// Replicas of a topic that does not say.
    pub replication_factor_default: i16,
    /// The records of topics that do not say.
    pub log: LogConfig,
    /// The storage class of a topic that does not say.
    pub storage_class: StorageClass,
    /// How long a silent producer is remembered, in milliseconds.
    pub producer_expiration_ms: i64,
    /// The largest request, in bytes (`socket.request.max.bytes`); what its batches inflate to is bounded by it too.
    pub request_bytes_max: usize,
    /// The largest fetch, in bytes.
    pub fetch_bytes_max: usize,
    /// Fetch sessions that are kept.
    pub fetch_sessions_max: usize,
    /// The data folder, as DescribeLogDirs names it.
    pub data_folder: String,
    /// The configuration, as DescribeConfigs tells it.
    pub settings: Vec<Setting>,
}

/// A shard that holds partitions.
#[derive(Clone)]
pub struct PartitionShard {
    /// Takes batches.
    pub shard: Shard<PartitionMachine>,
    /// Gives them back.
    pub view: Arc<Partitions>,
}

/// The shards of a broker, all serving.
#[derive(Clone)]
pub struct Parts {
    /// Shard 0.
    pub cluster: Shard<Cluster>,
    /// Its image.
    pub image: Arc<Image<Cluster>>,
    /// The shards that hold partitions.
    pub shards: BTreeMap<ShardId, PartitionShard>,
    /// The shard that holds consumer groups.
    pub groups: GroupShard,
}

/// One broker.
pub struct Broker {
    pub(crate) config: BrokerConfig,
    pub(crate) env: Env,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) cluster: Shard<Cluster>,
    pub(crate) image: Arc<Image<Cluster>>,
    pub(crate) shards: BTreeMap<ShardId, PartitionShard>,
    pub(crate) groups: GroupShard,
    pub(crate) producer_ids: Arc<ProducerIds>,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) outbox: Outbox,
    /// That offsets of topics in memory can't be reserved.
    pub(crate) unreserved: Said,
}

/// A partition that was found.
pub(crate) struct Located {
    pub(crate) id: PartitionId,
    pub(crate) shard_id: ShardId,
    pub(crate) shard: PartitionShard,
}

impl Broker {
    /// A broker over shards that are serving.
    pub async fn start(
        config: BrokerConfig,
        env: Env,
        authorizer: Arc<dyn Authorizer>,
        parts: Parts,
    ) -> Self {
        let producer_ids = Arc::<ProducerIds>::default();
        let outbox = Outbox::start(parts.clone(), Arc::clone(&producer_ids)).await;
        let Parts { cluster, image, shards, groups } = parts;
        Self {
            fetch_sessions: FetchSessions::new(config.fetch_sessions_max),
            config,
            env,
            authorizer,
            cluster,
            image,
            shards,
            groups,
            producer_ids,
            outbox,
            unreserved: Said::default(),
        }
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.image.load().topic_count()
    }

    /// Where clients reach this broker.
    pub(crate) fn address(&self, local: SocketAddr) -> (String, i32) {
        match &self.config.advertised {
            Some((host, port)) => (host.clone(), i32::from(*port)),
            None => (local.ip().to_canonical().to_string(), i32::from(local.port())),
        }
    }

    /// The epoch of a shard that serves.
    pub(crate) fn epoch(&self, shard: ShardId) -> Option<Epoch> {
        match self.shards.get(&shard)?.shard.state() {
            ShardState::Serving(epoch) => Some(epoch),
            _ => None,
        }
    }

    /// A topic by its id if it has one on the wire, else by its name.
    pub(crate) fn topic(&self, name: &str, id: Uuid) -> Result<Arc<Topic>, ErrorCode> {
        let image = self.image.load();
        if id == Uuid::ZERO {
            return image.topic_named(name).cloned().ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        image.topic(TopicId(id.0)).cloned().ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
    }

    /// A partition of a topic.
    pub(crate) fn locate(&self, topic: Arc<Topic>, index: i32) -> Result<Located, ErrorCode> {
        let partition = usize::try_from(index).ok().and_then(|index| topic.partitions.get(index));
        let shard = partition.and_then(|partition| self.shards.get_key_value(&partition.shard));
        let (shard_id, shard) = shard.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let id = PartitionId { topic: topic.id, index };
        Ok(Located { id, shard_id: *shard_id, shard: shard.clone() })
    }
}

impl Located {
    /// The readers' side of the partition, once the client's idea of the leader epoch was found current.
    pub(crate) fn view(&self, client_epoch: i32) -> Result<(Arc<PartitionView>, Epoch), ErrorCode> {
        // The view first: if the shard serves after that, no load that the view may have been taken from is under way.
        let view = self.shard.view.get(self.id);
        let ShardState::Serving(epoch) = self.shard.shard.state() else {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        };
        if client_epoch >= 0 && client_epoch != epoch.leader_epoch() {
            return Err(if client_epoch < epoch.leader_epoch() {
                ErrorCode::FENCED_LEADER_EPOCH
            } else {
                ErrorCode::UNKNOWN_LEADER_EPOCH
            });
        }
        // The metadata has it, its shard does not yet or no more. As Kafka says then: look the topic up again.
        Ok((view.ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?, epoch))
    }
}
