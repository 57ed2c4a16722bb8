//! One broker: start, stop. Wires stores, shards, the broker and the network together; several fit in a process.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use klamm_broker::{AllowClients, Broker, BrokerConfig, PartitionShard};
use klamm_cluster::{Cluster, Command};
use klamm_env::Env;
use klamm_model::{Epoch, ShardId, StorageClass};
use klamm_net::{Limits, Server};
use klamm_shard::{Image, Partitions, Shard, ShardConfig, ShardError};
use klamm_store_file::{FolderError, OpenError};
use tokio::sync::watch;

use crate::{config::Config, service::KafkaService, stores::Stores};

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
    #[error("shard {shard} of {data} can't be loaded: {why}")]
    Shard {
        /// The shard.
        shard: ShardId,
        /// The data folder.
        data: String,
        /// What was found.
        why: String,
    },
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

/// A running broker. Dropping it ends it at once; [`Klamm::stop`] ends it in good order.
pub struct Klamm {
    server: Server,
    broker: Arc<Broker>,
    cluster: Shard<Cluster>,
    shards: Vec<PartitionShard>,
    failure: watch::Receiver<Option<String>>,
    /// Keeps the folder's lock until the end.
    _stores: Stores,
}

impl Klamm {
    /// Starts a broker; when this returns, clients are served.
    pub async fn start(config: Config, env: Env) -> Result<Self, StartError> {
        let listener = env.net.listen(&config.listen).await;
        let listener =
            listener.map_err(|error| StartError::Listen { address: config.listen.clone(), error })?;
        let stores = Stores::open(&env, &config.data, config.klamm_journal_file_bytes).await?;
        let start = Starting { config: &config, env: &env, stores: &stores };

        let (image, view) = Image::<Cluster>::new();
        let store = stores.shard(ShardId::CLUSTER, StorageClass::Disk).await?;
        let cluster = Shard::start(env.clone(), store, start.shard(ShardId::CLUSTER, Epoch(0)), view);
        let epoch = cluster.ready().await.map_err(|why| start.failed(ShardId::CLUSTER, why))?;
        cluster.ask(Command::Begin { id: env.entropy.bytes16() }).await?;

        let mut shards = BTreeMap::new();
        for (id, shard) in image.load().shards() {
            shards.insert(id, start.partitions(id, shard.class, epoch).await?);
        }
        for (id, shard) in &shards {
            shard.shard.ready().await.map_err(|why| start.failed(*id, why))?;
        }
        let all = shards.values().cloned().collect();
        let broker =
            Broker::new(start.broker(), env.clone(), Arc::new(AllowClients), cluster.clone(), image, shards);
        let broker = Arc::new(broker);
        broker.start().await?;

        let service = Arc::new(KafkaService(Arc::clone(&broker)));
        let server = Server::start(listener, service, start.limits(), Arc::clone(&env.clock));
        let server = server.map_err(|error| StartError::Listen { address: config.listen.clone(), error })?;
        Ok(Self { server, broker, cluster, shards: all, failure: stores.failure(), _stores: stores })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.server.local_address()
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.broker.topic_count()
    }

    /// Waits until the broker can't go on (a disk that fails to sync, a damaged journal), and says why. The process must
    /// end then: what is in memory may not be believed any more.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops in good order: answers what is under way, makes it durable, closes.
    pub async fn stop(self) {
        self.server.shutdown(GRACE).await;
        for shard in &self.shards {
            shard.shard.stop().await;
        }
        self.cluster.stop().await;
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

    fn broker(&self) -> BrokerConfig {
        let config = self.config;
        let advertised = config.advertised_address.as_deref().and_then(|address| address.rsplit_once(':'));
        BrokerConfig {
            id: config.node_id,
            advertised: advertised.and_then(|(host, port)| {
                Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
            }),
            auto_create_topics: config.auto_create_topics_enable,
            partitions_default: config.num_partitions,
            replication_factor_default: config.default_replication_factor,
            message_bytes_max: config.message_max_bytes,
            storage_class: config.klamm_storage_class,
            producer_expiration_ms: i64::try_from(config.producer_id_expiration_ms).unwrap_or(i64::MAX),
            fetch_bytes_max: config.fetch_max_bytes,
            fetch_sessions_max: config.max_incremental_fetch_session_cache_slots,
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
