//! A broker over memory carriers, without sockets: frames go into its session, answers come out.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use klamm_broker::{
    AllowClients, Answer, Broker, BrokerConfig, GroupShard, LogConfig, PartitionShard, Parts, Session,
};
use klamm_cluster::{Cluster, Command, ShardRole};
use klamm_env::Env;
use klamm_model::{Epoch, ShardId, StorageClass};
use klamm_shard::{Image, Partitions, Shard, ShardConfig};
use klamm_store::{ShardStore, memory::MemoryStore};

use crate::request;

/// The tail's budget in bytes; also what the readers of a bench are served from.
pub const TAIL_BYTES: usize = 64 << 20;

/// A shard's settings over memory.
pub fn shard_config(shard: ShardId) -> ShardConfig {
    ShardConfig { shard, broker: 1, file_bytes: 64 << 20, epoch_above: Epoch(0) }
}

fn broker_config() -> BrokerConfig {
    BrokerConfig {
        id: 1,
        advertised: None,
        auto_create_topics: false,
        partitions_default: 1,
        replication_factor_default: 1,
        log: LogConfig { message_bytes_max: 2 << 20, ..LogConfig::default() },
        storage_class: StorageClass::Memory,
        producer_expiration_ms: 86_400_000,
        request_bytes_max: 100 << 20,
        fetch_bytes_max: 64 << 20,
        fetch_sessions_max: 16,
        data_folder: String::new(),
        settings: Vec::new(),
    }
}

/// A partition shard over memory, serving.
pub async fn partition_shard(env: &Env, id: ShardId, store: &ShardStore) -> PartitionShard {
    let (view, filler) = Partitions::new(Arc::clone(&store.segments), TAIL_BYTES);
    let shard = Shard::start(env.clone(), store.clone(), shard_config(id), filler);
    shard.ready().await.expect("memory serves");
    PartitionShard { shard, view }
}

async fn group_shard(env: &Env, id: ShardId) -> GroupShard {
    let (image, view) = Image::new();
    let shard = Shard::start(env.clone(), MemoryStore::open(id), shard_config(id), view);
    shard.ready().await.expect("memory serves");
    GroupShard::start(env.clone(), shard, image, klamm_group::GroupConfig::default())
}

/// A broker and the stores of its shards that hold partitions.
pub struct Node {
    broker: Arc<Broker>,
    /// The stores, by shard.
    pub stores: BTreeMap<ShardId, ShardStore>,
}

impl Node {
    /// A new connection.
    pub fn session(&self) -> Session {
        let end = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Session::open(Arc::clone(&self.broker), end(9092), end(50_000))
    }
}

/// A session with a broker that has one topic, `bench`, of the memory class.
pub async fn session(partitions: i32) -> Session {
    node(partitions).await.session()
}

/// A broker that has one topic, `bench`, of the memory class.
pub async fn node(partitions: i32) -> Node {
    let env = Env::os();
    let (image, view) = Image::<Cluster>::new();
    let cluster =
        Shard::start(env.clone(), MemoryStore::open(ShardId::CLUSTER), shard_config(ShardId::CLUSTER), view);
    cluster.ready().await.expect("memory serves");
    cluster.ask(Command::Begin { id: [1; 16] }).await.expect("the cluster begins");
    let roles: Vec<_> = image.load().shards().map(|(id, shard)| (id, shard.role)).collect();
    let (mut shards, mut stores, mut groups) = (BTreeMap::new(), BTreeMap::new(), None);
    for (id, role) in roles {
        match role {
            ShardRole::Partitions(_) => {
                let store = MemoryStore::open(id);
                shards.insert(id, partition_shard(&env, id, &store).await);
                stores.insert(id, store);
            }
            ShardRole::Groups => groups = Some(group_shard(&env, id).await),
        }
    }
    let groups = groups.expect("every cluster has a shard of groups");
    let parts = Parts { cluster, image, shards, groups };
    let broker = Broker::start(broker_config(), env, Arc::new(AllowClients), parts).await;
    let node = Node { broker: Arc::new(broker), stores };
    call(&mut node.session(), request::body(request::create("bench", partitions, "memory"))).await;
    node
}

/// Sends a frame and gives the answer's segments.
///
/// # Panics
/// If the broker answers nothing, or closes.
pub async fn call(session: &mut Session, frame: Bytes) -> Vec<Bytes> {
    match session.call(frame).1.await {
        Answer::Frame(segments) => segments,
        other => panic!("no answer: {other:?}"),
    }
}
