//! What was promised to other shards arrives, whoever waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use klamm_cluster::{Command as ClusterCommand, NewTopic, Reply as ClusterReply};
use klamm_model::{PartitionId, ShardId, Slot, StorageClass, TopicId, TopicName};
use klamm_protocol::{CreateTopicsRequest, ErrorCode, create_topics::CreatableTopic};
use klamm_shard::ShardError;
use klamm_store::{
    AppendError, Entry, EntryKind, Head, Journal, ReadError, ShardStore, Tail, TrimError, Written,
    memory::MemoryStore,
};
use tokio::sync::Semaphore;

use super::{Stores, TOPIC, ask, broker, new_topic};
use crate::AllowClients;

const PARTITION: PartitionId = PartitionId { topic: TOPIC, index: 0 };

/// A journal that says that entries are durable only when it is permitted to, and fails when it is told to.
struct Gated {
    inner: Arc<dyn Journal>,
    permits: Semaphore,
    /// The next so many entries with records are not written.
    refused: AtomicU32,
    /// The next so many are written, and nobody hears of it.
    unheard: AtomicU32,
}

impl Gated {
    /// That of a shard, in front of its memory.
    fn of(stores: &mut Stores, shard: ShardId) -> Arc<Self> {
        let store = MemoryStore::open(shard);
        let inner = Arc::clone(&store.journal);
        let (refused, unheard) = Default::default();
        let gate = Arc::new(Self { inner, permits: Semaphore::new(1), refused, unheard });
        stores.0.insert(shard, ShardStore { journal: Arc::clone(&gate) as Arc<dyn Journal>, ..store });
        gate
    }
}

fn take(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

#[async_trait]
impl Journal for Gated {
    async fn append(&self, entry: Entry, written: Written) -> Result<(), AppendError> {
        let (slot, has_records) = (entry.header.key.slot, entry.header.kind == EntryKind::Records);
        if has_records && take(&self.refused) {
            return Err(AppendError::Io(slot, "not now".to_owned()));
        }
        self.inner.append(entry, written).await?;
        if has_records && take(&self.unheard) {
            return Err(AppendError::Unknown(slot, "no answer".to_owned()));
        }
        drop(self.permits.acquire().await.expect("never closed"));
        Ok(())
    }
    async fn read(&self, from: Slot, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        self.inner.read(from, bytes_max).await
    }
    async fn tail(&self) -> Result<Tail, ReadError> {
        self.inner.tail().await
    }
    async fn head(&self) -> Result<Option<Head>, ReadError> {
        self.inner.head().await
    }
    async fn trim(&self, head: Head) -> Result<(), TrimError> {
        self.inner.trim(head).await
    }
}

async fn eventually(mut done: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come about");
}

#[tokio::test]
async fn a_topic_has_its_partitions_though_nobody_waits_for_it_any_more() {
    let mut stores = Stores::default();
    let gate = Gated::of(&mut stores, ShardId::CLUSTER);
    let parts = stores.start().await;
    let broker = broker(parts.clone(), Arc::new(AllowClients)).await;
    let closed = gate.permits.acquire().await.unwrap();
    let create = broker.change(TOPIC, new_topic(StorageClass::Disk, 1));
    tokio::time::timeout(Duration::from_millis(30), create).await.expect_err("it is not durable");
    drop(closed);
    eventually(|| parts.shards.values().any(|shard| shard.view.get(PARTITION).is_some())).await;
    eventually(|| parts.image.load().outbox().next().is_none()).await;
}

/// Whoever asked is told that it failed; what it asked for stands in the metadata.
#[tokio::test]
async fn a_change_that_nobody_heard_of_has_its_effects() {
    let mut stores = Stores::default();
    let gate = Gated::of(&mut stores, ShardId::CLUSTER);
    let parts = stores.start().await;
    let broker = broker(parts.clone(), Arc::new(AllowClients)).await;
    gate.unheard.store(1, Ordering::Relaxed);
    let changed = broker.change(TOPIC, new_topic(StorageClass::Disk, 1)).await;
    assert_eq!(changed, Err(ShardError::NotServing));
    eventually(|| parts.shards.values().any(|shard| shard.view.get(PARTITION).is_some())).await;
    eventually(|| parts.image.load().outbox().next().is_none()).await;
}

#[tokio::test]
async fn an_effect_that_fails_at_first_comes_later() {
    let mut stores = Stores::default();
    let gate = Gated::of(&mut stores, ShardId(1));
    let parts = stores.start().await;
    let broker = broker(parts.clone(), Arc::new(AllowClients)).await;
    gate.refused.store(1, Ordering::Relaxed);
    let topic = CreatableTopic {
        name: "late".into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    let told = ask(&broker, 7, &create).await.unwrap();
    assert_eq!(told.topics[0].error_code, ErrorCode::REQUEST_TIMED_OUT, "made, and not seen in time");
    let id = parts.image.load().topic_named("late").expect("it is made").id;
    let partition = PartitionId { topic: id, index: 0 };
    eventually(|| parts.shards.values().any(|shard| shard.view.get(partition).is_some())).await;
    eventually(|| parts.image.load().outbox().next().is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_does_not_answer_makes_nobody_else_late() {
    let mut stores = Stores::default();
    let gate = Gated::of(&mut stores, ShardId(1));
    let parts = stores.start().await;
    let broker = broker(parts.clone(), Arc::new(AllowClients)).await;
    let closed = gate.permits.acquire().await.unwrap();
    let stuck = broker.change(TOPIC, new_topic(StorageClass::Disk, 1)).await;
    assert_eq!(stuck, Err(ShardError::NotServing));
    let id = TopicId([8; 16]);
    let (name, configs) = (TopicName::parse("other").unwrap(), Default::default());
    let other = NewTopic { name, id, partitions: 1, class: StorageClass::Memory, configs };
    let made = broker.change(id, ClusterCommand::CreateTopic(other)).await;
    assert_eq!(made, Ok(ClusterReply::Created(Ok(()))));
    drop(closed);
    eventually(|| parts.image.load().outbox().next().is_none()).await;
    assert!(parts.shards.values().any(|shard| shard.view.get(PARTITION).is_some()));
}

/// An effect that was delivered, and whose record was lost in a crash, comes again; the topic may be gone by then.
#[tokio::test]
async fn a_topic_that_is_gone_does_not_come_back() {
    let mut stores = Stores::default();
    let parts = stores.start().await;
    parts.cluster.ask(new_topic(StorageClass::Disk, 1)).await.unwrap();
    parts.cluster.ask(ClusterCommand::DeleteTopic(TOPIC)).await.unwrap();
    assert!(parts.image.load().outbox().count() > 1, "made and deleted, and nothing was delivered");
    let _broker = broker(parts.clone(), Arc::new(AllowClients)).await;
    eventually(|| parts.image.load().outbox().next().is_none()).await;
    assert!(parts.shards.values().all(|shard| shard.view.get(PARTITION).is_none()));
}

/// What an earlier process may have used of a topic in memory is not used again.
#[tokio::test]
async fn topics_in_memory_begin_where_nothing_was() {
    let mut stores = Stores::default();
    let parts = stores.start().await;
    parts.cluster.ask(new_topic(StorageClass::Memory, 1)).await.unwrap();
    let reserved = parts.image.load().partition(PARTITION).unwrap().reserved_end;
    assert!(reserved > 0);
    // The effect that makes the partition, from 0 on, stands in the outbox still.
    let parts = stores.start().await;
    let _broker = broker(parts.clone(), Arc::new(AllowClients)).await;
    let shard = &parts.shards[&parts.image.load().partition(PARTITION).unwrap().shard];
    assert_eq!(shard.view.get(PARTITION).unwrap().watermarks().log_start, reserved);
    assert!(parts.image.load().partition(PARTITION).unwrap().reserved_end > reserved);
}
