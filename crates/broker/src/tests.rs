//! A broker over memory carriers, without sockets: what can't be told from outside.

mod authorization;
mod naming;
mod outbox;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use klamm_cluster::{Cluster, Command, NewTopic, ShardRole};
use klamm_env::Env;
use klamm_group::GroupConfig;
use klamm_model::{Epoch, ShardId, StorageClass, TopicId, TopicName};
use klamm_protocol::{Decode as _, Decoder, Request, decode_response_header, encode_request_frame};
use klamm_shard::{Image, Partitions, Shard, ShardConfig};
use klamm_store::{ShardStore, memory::MemoryStore};

use crate::{
    Answer, Authorizer, Broker, BrokerConfig, GroupShard, LogConfig, PartitionShard, Parts, Session,
};

const TOPIC: TopicId = TopicId([7; 16]);

/// What the shards of a broker are kept in; what a restart finds again.
#[derive(Default)]
struct Stores(BTreeMap<ShardId, ShardStore>);

impl Stores {
    fn of(&mut self, id: ShardId) -> ShardStore {
        self.0.entry(id).or_insert_with(|| MemoryStore::open(id)).clone()
    }

    /// Starts all shards. Those of topics in memory begin with nothing.
    async fn start(&mut self) -> Parts {
        let config = |shard, epoch_above| ShardConfig { shard, broker: 1, file_bytes: 64 << 20, epoch_above };
        let env = Env::os();
        let (image, view) = Image::<Cluster>::new();
        let of_cluster = config(ShardId::CLUSTER, Epoch(0));
        let cluster = Shard::start(env.clone(), self.of(ShardId::CLUSTER), of_cluster, view);
        let epoch = cluster.ready().await.unwrap();
        cluster.ask(Command::Begin { id: [1; 16] }).await.unwrap();
        let (mut shards, mut groups) = (BTreeMap::new(), None);
        for (id, known) in image.load().shards() {
            let in_memory = known.role == ShardRole::Partitions(StorageClass::Memory);
            let store = if in_memory { MemoryStore::open(id) } else { self.of(id) };
            let config = config(id, if in_memory { epoch } else { Epoch(0) });
            if let ShardRole::Partitions(_) = known.role {
                let (view, filler) = Partitions::new(Arc::clone(&store.segments), 1 << 20);
                let shard = Shard::start(env.clone(), store, config, filler);
                shard.ready().await.unwrap();
                shards.insert(id, PartitionShard { shard, view });
            } else {
                let (image, view) = Image::new();
                let shard = Shard::start(env.clone(), store, config, view);
                shard.ready().await.unwrap();
                groups = Some(GroupShard::start(env.clone(), shard, image, GroupConfig::default()));
            }
        }
        Parts { cluster, image, shards, groups: groups.expect("every cluster has a shard of groups") }
    }
}

async fn broker(parts: Parts, authorizer: Arc<dyn Authorizer>) -> Arc<Broker> {
    let config = BrokerConfig {
        id: 1,
        advertised: None,
        auto_create_topics: true,
        partitions_default: 1,
        replication_factor_default: 1,
        log: LogConfig::default(),
        storage_class: StorageClass::Disk,
        producer_expiration_ms: 86_400_000,
        request_bytes_max: 100 << 20,
        fetch_bytes_max: 64 << 20,
        fetch_sessions_max: 16,
        data_folder: String::new(),
        settings: Vec::new(),
    };
    Arc::new(Broker::start(config, Env::os(), authorizer, parts).await)
}

fn new_topic(class: StorageClass, partitions: i32) -> Command {
    let name = TopicName::parse("secret").unwrap();
    Command::CreateTopic(NewTopic { name, id: TOPIC, partitions, class, configs: BTreeMap::new() })
}

/// A request as a session takes it.
fn frame<R: Request>(version: i16, request: &R) -> Bytes {
    Bytes::from(encode_request_frame(version, 1, Some("test"), request).unwrap().concat()).slice(4..)
}

/// What a session's answer says.
fn read<R: Request>(version: i16, frame: &[u8]) -> R::Response<'_> {
    let mut decoder = Decoder::trusting(&frame[4..]);
    decode_response_header(&mut decoder, R::API, version).unwrap();
    R::Response::decode_all(decoder, version).unwrap()
}

/// What a session answers; None if it closes the connection.
async fn ask<R: Request>(broker: &Arc<Broker>, version: i16, request: &R) -> Option<R::Response<'static>> {
    match call(broker, frame(version, request)).await {
        Answer::Frame(segments) => Some(read::<R>(version, segments.concat().leak())),
        Answer::Close(_) => None,
        Answer::Nothing => panic!("no answer"),
    }
}

async fn call(broker: &Arc<Broker>, frame: Bytes) -> Answer {
    let end = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Session::open(Arc::clone(broker), end(9092), end(50_000)).call(frame).1.await
}
