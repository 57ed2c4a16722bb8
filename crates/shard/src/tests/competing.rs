//! Two owners on one store that others write to as well: loading goes on whatever a replaced owner still does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use klamm_env::Env;
use klamm_model::Slot;
use klamm_store::{Carrier, Head, Journal as _, ShardStore, SnapshotError, Snapshots, memory::MemoryStore};
use tokio::sync::{Notify, Semaphore};

use super::{
    SHARD, Served, batch, config, eventually, full::sealed_without_head, journal::Gated, merging::Grudging,
    serve,
};
use crate::{Partitions, Shard, ShardState};

type PartitionShard = Shard<klamm_partition::Partitions>;

/// One process's end of a store that several share.
fn shared(store: &Arc<MemoryStore>) -> ShardStore {
    ShardStore {
        journal: Arc::new(Carrier::new(Arc::clone(store), SHARD)),
        segments: Arc::clone(store) as _,
        snapshots: Arc::clone(store) as _,
    }
}

/// Snapshots that call back before each get.
struct Watched {
    inner: Arc<MemoryStore>,
    /// Gets that fail.
    failures: AtomicU32,
    asked: Notify,
    may_read: Semaphore,
}

impl Watched {
    fn new(inner: &Arc<MemoryStore>, failures: u32, may_read: usize) -> Arc<Self> {
        let (failures, may_read) = (failures.into(), Semaphore::new(may_read));
        Arc::new(Self { inner: Arc::clone(inner), failures, asked: Notify::new(), may_read })
    }
}

#[async_trait]
impl Snapshots for Watched {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SnapshotError> {
        self.inner.put(name, bytes).await
    }
    async fn get(&self, name: &str) -> Result<Bytes, SnapshotError> {
        self.asked.notify_one();
        self.may_read.acquire().await.expect("never closed").forget();
        let fail = |left: u32| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fail).is_ok() {
            return Err(SnapshotError::Io { name: name.to_owned(), what: "503".to_owned() });
        }
        Snapshots::get(&*self.inner, name).await
    }
    async fn list(&self) -> Result<Vec<String>, SnapshotError> {
        Snapshots::list(&*self.inner).await
    }
    async fn delete(&self, name: &str) -> Result<(), SnapshotError> {
        Snapshots::delete(&*self.inner, name).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_halts_nothing() {
    let memory = Arc::new(MemoryStore::default());
    let written = with_head(&memory).await;
    let snapshots = Watched::new(&memory, 3, 100);
    let store = ShardStore { snapshots: snapshots as _, ..shared(&memory) };
    let again = serve(&store, 1000, 0).await;
    assert_eq!(again.values(0, 0).await.len(), written);
}

/// An owner that made a checkpoint the head, and a second one whose trim is still to come.
struct TrimToCome {
    _owner: Served,
    journal: Arc<Gated>,
    head: Head,
    /// How many records it wrote.
    written: usize,
}

impl TrimToCome {
    async fn over(memory: &Arc<MemoryStore>) -> Self {
        let inner = shared(memory).journal;
        let journal = Arc::new(Gated { trims: Semaphore::new(1), ..Gated::over(&inner) });
        let store = ShardStore { journal: Arc::clone(&journal) as _, ..shared(memory) };
        let owner = serve(&store, 1000, 0).await;
        owner.create(2).await;
        let mut written = 0;
        eventually(async || {
            owner.write(0, &"x".repeat(200)).await;
            written += 1;
            journal.trims_asked.load(Ordering::Relaxed) == 2
        })
        .await;
        let head = inner.head().await.unwrap().expect("the first checkpoint's");
        Self { _owner: owner, journal, head, written }
    }

    async fn move_head(&self) {
        self.journal.trims.add_permits(100);
        eventually(async || self.journal.head().await.unwrap().as_ref() != Some(&self.head)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_is_replaced_while_it_is_loaded_is_no_damage() {
    let memory = Arc::new(MemoryStore::default());
    let first = TrimToCome::over(&memory).await;
    // The second owner reads the old head, and then its snapshot.
    let snapshots = Watched::new(&memory, 0, 0);
    let store = ShardStore { snapshots: Arc::clone(&snapshots) as _, ..shared(&memory) };
    let loading = tokio::spawn(async move { serve(&store, 1000, 0).await });
    snapshots.asked.notified().await;
    // Meanwhile the first, which does not know better, trims, and sweeps what the old head needs.
    first.move_head().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    snapshots.may_read.add_permits(1000);
    let second = loading.await.expect("it serves");
    assert_eq!(second.values(0, 0).await.len(), first.written);
}

/// A shard with a head and some records; gives how many.
async fn with_head(memory: &Arc<MemoryStore>) -> usize {
    let served = serve(&shared(memory), 1000, 0).await;
    served.create(1).await;
    let (journal, mut written) = (shared(memory).journal, 0);
    eventually(async || {
        served.write(0, &"x".repeat(200)).await;
        written += 1;
        journal.head().await.unwrap().is_some()
    })
    .await;
    served.shard.stop().await;
    written
}

#[tokio::test(start_paused = true)]
async fn a_segment_over_the_head_is_of_another_checkpoint() {
    let memory = Arc::new(MemoryStore::default());
    let first = TrimToCome::over(&memory).await;
    // The second owner has loaded the snapshot of that head; before it lists the segments, the first moves the head.
    let (store, segments) = Grudging::over(shared(&memory));
    segments.lists.forget_permits(Semaphore::MAX_PERMITS);
    *segments.sealed_further.lock() = Some((first.head.slot, first.head.slot.next()));
    let loading = tokio::spawn(async move { serve(&store, 1000, 0).await });
    segments.list_asked.notified().await;
    first.move_head().await;
    segments.lists.add_permits(1000);
    let second = loading.await.expect("it serves");
    assert_eq!(*segments.sealed_further.lock(), None, "it was listed");
    assert_eq!(second.values(0, 0).await.len(), first.written);
}

#[tokio::test(start_paused = true)]
async fn a_segment_over_a_head_that_stays_is_damage() {
    let memory = Arc::new(MemoryStore::default());
    with_head(&memory).await;
    let journal = shared(&memory).journal;
    let head = journal.head().await.unwrap().expect("it is there").slot;
    let next = journal.tail().await.unwrap().next.slot;
    let (store, segments) = Grudging::over(shared(&memory));
    *segments.sealed_further.lock() = Some((head, head.next()));
    let (end, why) = (head.next(), halts(&store).await);
    assert_eq!(
        why,
        format!("segment 0 is damaged: it ends at slot {end}, over the head marker of slot {head}")
    );
    assert_eq!(journal.tail().await.unwrap().next.slot, next.next(), "one Takeover");
}

#[tokio::test(start_paused = true)]
async fn a_segment_of_slots_that_nobody_wrote_is_damage() {
    let (store, _, served) = sealed_without_head(u32::MAX).await;
    served.shard.stop().await;
    let end = store.segments.list().await.unwrap()[0].slots.end;
    let next = store.journal.tail().await.unwrap().next.slot;
    let (store, segments) = Grudging::over(store);
    *segments.sealed_further.lock() = Some((end, Slot(next.0 + 7)));
    let why =
        format!("segment 0 is damaged: it ends at slot {}, but the journal at {}", next.0 + 7, next.next());
    assert_eq!(halts(&store).await, why);
    assert_eq!(store.journal.tail().await.unwrap().next.slot, next.next(), "one Takeover");
}

/// What the shard says that can't be loaded.
async fn halts(store: &ShardStore) -> String {
    let (_, view) = Partitions::new(Arc::clone(&store.segments), 0);
    let shard = PartitionShard::start(Env::os(), store.clone(), config(1000), view);
    let ready = tokio::time::timeout(Duration::from_secs(600), shard.ready()).await;
    assert!(ready.expect("it is told in time").is_err());
    match shard.state() {
        ShardState::Halted(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_successor_wrote_is_not_loaded() {
    let memory = Arc::new(MemoryStore::default());
    let written = with_head(&memory).await;
    // The second owner has its Takeover in place; before it reads the journal, a third has its own, and writes.
    let snapshots = Watched::new(&memory, 0, 0);
    let store = ShardStore { snapshots: Arc::clone(&snapshots) as _, ..shared(&memory) };
    let loading = tokio::spawn(async move { serve(&store, 1 << 20, 0).await });
    snapshots.asked.notified().await;
    let third = serve(&shared(&memory), 1 << 20, 0).await;
    third.write(0, "the third's").await;
    snapshots.may_read.add_permits(1000);
    let second = loading.await.expect("it loads");
    assert!(second.epoch < third.epoch);
    assert_eq!(second.values(0, 0).await.len(), written, "what it took over");
    assert!(second.send(0, batch("lost", 0, None)).await.is_err(), "it is fenced");
    eventually(async || second.send(0, batch("the second's", 0, None)).await.is_ok()).await;
    let values = second.values(0, 0).await;
    assert_eq!(values[written..], ["the third's", "the second's"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_successor_sealed_is_not_loaded() {
    let memory = Arc::new(MemoryStore::default());
    let written = with_head(&memory).await;
    // The second owner has its Takeover in place; before it lists the segments, a third has its own, writes, and seals.
    let (store, segments) = Grudging::over(shared(&memory));
    segments.lists.forget_permits(Semaphore::MAX_PERMITS);
    let loading = tokio::spawn(async move { serve(&store, 1 << 20, 0).await });
    segments.list_asked.notified().await;
    let replaced = shared(&memory).journal.tail().await.unwrap().next.slot;
    let inner = shared(&memory).journal;
    let slow = Arc::new(Gated { trims: Semaphore::new(0), ..Gated::over(&inner) });
    let third = serve(&ShardStore { journal: slow as _, ..shared(&memory) }, 1000, 0).await;
    let (sealed, mut more) = (shared(&memory).segments, 0);
    eventually(async || {
        third.write(0, &"y".repeat(200)).await;
        more += 1;
        sealed.list().await.unwrap().last().is_some_and(|info| info.slots.end > replaced)
    })
    .await;
    segments.lists.add_permits(1000);
    // It is replaced; it takes the shard over again.
    let second = loading.await.expect("it loads");
    assert!(second.epoch > third.epoch);
    assert_eq!(second.values(0, 0).await.len(), written + more);
    assert!(third.send(0, batch("lost", 0, None)).await.is_err(), "it is fenced");
}
