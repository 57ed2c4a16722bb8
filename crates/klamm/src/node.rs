//! One broker: start, stop. Wires stores, shards, the broker and the network together; several fit in a process.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use klamm_broker::{
    AllowClients, Broker, BrokerConfig, ConfigType, GroupShard, LogConfig, PartitionShard, Parts, Retention,
    Setting,
};
use klamm_cluster::{Cluster, Command, ShardRole};
use klamm_env::{Env, Listener};
use klamm_group::GroupConfig;
use klamm_model::{Epoch, ShardId, StorageClass};
use klamm_net::{Limits, Server};
use klamm_shard::{Image, Partitions, Shard, ShardConfig, ShardError};
use klamm_store_file::{FolderError, OpenError};
use tokio::sync::watch;

use crate::{
    config::{Config, KEYS, Key, Kind},
    service::KafkaService,
    stores::Stores,
};

/// What Kafka's tools know by another name: Kafka's name, ours, what stands before the value there, and what it is there.
const KAFKA_NAMES: [(&str, &str, &str, ConfigType); 4] = [
    ("broker.id", "node.id", "", ConfigType::Int),
    ("listeners", "listen", "PLAINTEXT://", ConfigType::List),
    ("advertised.listeners", "advertised.address", "PLAINTEXT://", ConfigType::List),
    ("log.dirs", "data", "", ConfigType::List),
];

/// How long a stop waits for answers under way.
const GRACE: Duration = Duration::from_secs(10);

/// Why a broker did not start. The text is for the person who started it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be had.
    #[error("can't listen on {address}: {error}{}", hint(.error))]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// The data folder can't be had.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A shard's files can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A shard can't be loaded.
    #[error(
        "shard {shard} of {data} can't be loaded: {why}; restore the folder from a copy, or begin anew with another --data"
    )]
    Shard {
        /// The shard.
        shard: ShardId,
        /// The data folder.
        data: String,
        /// What was found.
        why: String,
    },
    /// Nothing may be believed any more: a disk failed to sync while the broker started.
    #[error("{0}")]
    Failed(String),
    /// A shard stopped while the broker started.
    #[error("the broker could not start: {0}")]
    Unserved(#[from] ShardError),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another process listens there (choose another with --listen, or port 0)"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need privileges (choose another with --listen)"
        }
        _ => "",
    }
}

/// Waits until a store has failed, and says why.
async fn failed(mut failure: watch::Receiver<Option<String>>) -> String {
    match failure.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        Err(_) => std::future::pending().await,
    }
}

/// A running broker. Dropping it ends it at once; [`Klamm::stop`] ends it in good order.
pub struct Klamm {
    server: Server,
    broker: Arc<Broker>,
    cluster: Shard<Cluster>,
    shards: Vec<PartitionShard>,
    groups: GroupShard,
    retention: Retention,
    failure: watch::Receiver<Option<String>>,
    /// Has the folder's lock until the end.
    stores: Stores,
}

impl Klamm {
    /// Starts a broker; when this returns, clients are served.
    pub async fn start(config: Config, env: Env) -> Result<Self, StartError> {
        let listener = env.net.listen(&config.listen).await;
        let listener =
            listener.map_err(|error| StartError::Listen { address: config.listen.clone(), error })?;
        let stores = Stores::open(&env, &config.data, config.klamm_journal_file_bytes).await?;
        let failure = stores.failure();
        // A shard whose store is dead for good tries for ever: the start must not wait for it.
        tokio::select! { biased;
            why = failed(failure) => Err(StartError::Failed(why)),
            started = Self::start_on(config, env, listener, stores) => started,
        }
    }

    async fn start_on(
        config: Config,
        env: Env,
        listener: Box<dyn Listener>,
        stores: Stores,
    ) -> Result<Self, StartError> {
        let start = Starting { config: &config, env: &env, stores: &stores };

        let (image, view) = Image::<Cluster>::new();
        let store = stores.shard(ShardId::CLUSTER, StorageClass::Disk).await?;
        let cluster = Shard::start(env.clone(), store, start.shard(ShardId::CLUSTER, Epoch(0)), view);
        let epoch = cluster.ready().await.map_err(|why| start.failed(ShardId::CLUSTER, why))?;
        cluster.ask(Command::Begin { id: env.entropy.bytes16() }).await?;

        let (mut shards, mut groups) = (BTreeMap::new(), None);
        for (id, shard) in image.load().shards() {
            match shard.role {
                ShardRole::Partitions(class) => {
                    shards.insert(id, start.partitions(id, class, epoch).await?);
                }
                ShardRole::Groups => groups = Some((id, start.groups(id).await?)),
            }
        }
        let (groups_id, groups) = groups.ok_or_else(|| {
            start.failed(ShardId::CLUSTER, "it names no shard of groups, which every cluster has".to_owned())
        })?;
        for (id, shard) in &shards {
            shard.shard.ready().await.map_err(|why| start.failed(*id, why))?;
        }
        groups.shard.ready().await.map_err(|why| start.failed(groups_id, why))?;
        let all = shards.values().cloned().collect();
        let parts = Parts { cluster: cluster.clone(), image, shards, groups: groups.clone() };
        let broker = Broker::start(start.broker(), env.clone(), Arc::new(AllowClients), parts).await;
        let broker = Arc::new(broker);

        let service = Arc::new(KafkaService(Arc::clone(&broker)));
        let server = Server::start(listener, service, start.limits(), Arc::clone(&env.clock));
        let server = server.map_err(|error| StartError::Listen { address: config.listen.clone(), error })?;
        let interval = Duration::from_millis(config.log_retention_check_interval_ms);
        let retention = Retention::start(Arc::clone(&broker), interval);
        let failure = stores.failure();
        Ok(Self { server, broker, cluster, shards: all, groups, retention, failure, stores })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.server.local_address()
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.broker.topic_count()
    }

    /// Waits until the broker can't go on (a disk that fails to sync, a shard that halted), and says why. The process must
    /// end then: what is in memory may not be believed any more.
    pub async fn failed(&self) -> String {
        tokio::select! { biased;
            why = failed(self.failure.clone()) => why,
            why = self.cluster.halted() => format!("shard {} halted: {why}", ShardId::CLUSTER),
            why = self.groups.shard.halted() => format!("the shard of groups halted: {why}"),
            why = self.partitions_halted() => why,
        }
    }

    async fn partitions_halted(&self) -> String {
        let mut halted: FuturesUnordered<_> = self.shards.iter().map(|shard| shard.shard.halted()).collect();
        match halted.next().await {
            Some(why) => format!("a shard of partitions halted: {why}"),
            None => std::future::pending().await,
        }
    }

    /// Stops in good order: answers what is under way, makes it durable, closes.
    pub async fn stop(self) {
        self.server.shutdown(GRACE).await;
        drop(self.retention);
        for shard in &self.shards {
            shard.shard.stop().await;
        }
        self.groups.shard.stop().await;
        self.cluster.stop().await;
        self.stores.close().await;
    }
}

/// What starting needs all along.
struct Starting<'a> {
    config: &'a Config,
    env: &'a Env,
    stores: &'a Stores,
}

impl Starting<'_> {
    fn failed(&self, shard: ShardId, why: String) -> StartError {
        StartError::Shard { shard, data: self.config.data.display().to_string(), why }
    }

    fn shard(&self, shard: ShardId, epoch_above: Epoch) -> ShardConfig {
        ShardConfig {
            shard,
            broker: self.config.node_id,
            file_bytes: self.config.klamm_journal_file_bytes,
            epoch_above,
        }
    }

    async fn partitions(
        &self,
        id: ShardId,
        class: StorageClass,
        cluster: Epoch,
    ) -> Result<PartitionShard, StartError> {
        let store = self.stores.shard(id, class).await?;
        let (view, filler) = Partitions::new(Arc::clone(&store.segments), self.config.klamm_tail_bytes);
        // A journal in memory forgets its epochs; the cluster's rise with every start.
        let above = if class == StorageClass::Memory { cluster } else { Epoch(0) };
        let shard = Shard::start(self.env.clone(), store, self.shard(id, above), filler);
        Ok(PartitionShard { shard, view })
    }

    async fn groups(&self, id: ShardId) -> Result<GroupShard, StartError> {
        let store = self.stores.shard(id, StorageClass::Disk).await?;
        let (image, view) = Image::new();
        let shard = Shard::start(self.env.clone(), store, self.shard(id, Epoch(0)), view);
        let config = self.config;
        let groups = GroupConfig {
            session_timeout_min_ms: config.group_min_session_timeout_ms,
            session_timeout_max_ms: config.group_max_session_timeout_ms,
            initial_rebalance_delay_ms: config.group_initial_rebalance_delay_ms,
            members_max: config.group_max_size,
            offset_metadata_max: config.offset_metadata_max_bytes,
            offsets_retention_ms: i64::from(config.offsets_retention_minutes) * 60_000,
            offsets_check_ms: config.offsets_retention_check_interval_ms,
            ..GroupConfig::default()
        };
        Ok(GroupShard::start(self.env.clone(), shard, image, groups))
    }

    fn broker(&self) -> BrokerConfig {
        let config = self.config;
        let mut settings: Vec<_> = KEYS.iter().map(|key| self.setting(key)).collect();
        settings.extend(KAFKA_NAMES.iter().filter_map(|&(name, key, before, kind)| {
            let setting = self.setting(Key::named(key)?);
            let told = |value: Option<String>| value.map(|value| format!("{before}{value}"));
            Some(Setting {
                name,
                value: told(setting.value),
                default: told(setting.default),
                kind,
                ..setting
            })
        }));
        let advertised = config.advertised_address.as_deref().and_then(|address| address.rsplit_once(':'));
        BrokerConfig {
            id: config.node_id,
            advertised: advertised.and_then(|(host, port)| {
                Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
            }),
            auto_create_topics: config.auto_create_topics_enable,
            partitions_default: config.num_partitions,
            replication_factor_default: config.default_replication_factor,
            log: LogConfig::of_broker(&settings),
            storage_class: config.klamm_storage_class,
            producer_expiration_ms: i64::try_from(config.producer_id_expiration_ms).unwrap_or(i64::MAX),
            request_bytes_max: config.socket_request_max_bytes,
            fetch_bytes_max: config.fetch_max_bytes,
            fetch_sessions_max: config.max_incremental_fetch_session_cache_slots,
            data_folder: self.config.data.display().to_string(),
            settings,
        }
    }

    /// A key as clients are told of it.
    fn setting(&self, key: &Key) -> Setting {
        let told = |config: &Config| {
            let value = config.get(key.name).unwrap_or_default();
            let nothing = value.is_empty() && matches!(key.kind, Kind::Optional(_) | Kind::OptionalAddress);
            (!nothing).then_some(value)
        };
        Setting {
            name: key.name,
            value: told(self.config),
            default: told(&Config::default()),
            configured: self.config.sources.of(key.name).is_set(),
            kind: config_type(&key.kind),
            doc: key.doc(),
            sensitive: false,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            frame_bytes_max: self.config.socket_request_max_bytes,
            connections_max: self.config.max_connections,
            connections_per_address_max: self.config.max_connections_per_ip,
            idle_max: Duration::from_millis(self.config.connections_max_idle_ms),
            ..Limits::default()
        }
    }
}

/// What clients are told a value is.
fn config_type(kind: &Kind) -> ConfigType {
    let within_int = |max: i64| i32::try_from(max).is_ok();
    match *kind {
        Kind::Bool => ConfigType::Boolean,
        Kind::Int { max, .. } | Kind::Bytes { max, .. } | Kind::Millis { max, .. } if within_int(max) => {
            ConfigType::Int
        }
        Kind::Int { .. } | Kind::Bytes { .. } | Kind::Millis { .. } => ConfigType::Long,
        Kind::Words(_) => ConfigType::List,
        Kind::Address | Kind::OptionalAddress | Kind::Folder | Kind::Word(_) | Kind::LogFilter => {
            ConfigType::String
        }
        Kind::Optional(kind) => config_type(kind),
    }
}
