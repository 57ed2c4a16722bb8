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
use klamm_store::{Carrier, ShardStore, SnapshotError, Snapshots, memory::MemoryStore};
use tokio::sync::{Notify, Semaphore};

use super::{SHARD, batch, eventually, journal::Gated, merging::Grudging, serve};

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
    let served = serve(&shared(&memory), 1000, 0).await;
    served.create(1).await;
    let journal = shared(&memory).journal;
    eventually(async || {
        served.write(0, &"x".repeat(200)).await;
        journal.head().await.unwrap().is_some()
    })
    .await;
    served.shard.stop().await;
    let snapshots = Watched::new(&memory, 3, 100);
    let store = ShardStore { snapshots: snapshots as _, ..shared(&memory) };
    let again = serve(&store, 1000, 0).await;
    assert_eq!(again.values(0, 0).await.len(), again.view(0).watermarks().high_watermark as usize);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_is_replaced_while_it_is_loaded_is_no_damage() {
    let memory = Arc::new(MemoryStore::default());
    // The first owner makes a checkpoint the head, and a second one whose trim is still to come.
    let inner = shared(&memory).journal;
    let slow = Arc::new(Gated { trims: Semaphore::new(1), ..Gated::over(&inner) });
    let store = ShardStore { journal: Arc::clone(&slow) as _, ..shared(&memory) };
    let first = serve(&store, 1000, 0).await;
    first.create(2).await;
    let mut written = 0;
    eventually(async || {
        first.write(0, &"x".repeat(200)).await;
        written += 1;
        slow.trims_asked.load(Ordering::Relaxed) == 2
    })
    .await;
    let head = inner.head().await.unwrap().expect("the first");
    // The second owner reads the old head, and then its snapshot.
    let snapshots = Watched::new(&memory, 0, 0);
    let store = ShardStore { snapshots: Arc::clone(&snapshots) as _, ..shared(&memory) };
    let loading = tokio::spawn(async move { serve(&store, 1000, 0).await });
    snapshots.asked.notified().await;
    // Meanwhile the first, which does not know better, trims, and sweeps what the old head needs.
    slow.trims.add_permits(100);
    eventually(async || inner.head().await.unwrap().as_ref() != Some(&head)).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    snapshots.may_read.add_permits(1000);
    let second = loading.await.expect("it serves");
    assert_eq!(second.values(0, 0).await.len(), written);
}

#[tokio::test(start_paused = true)]
async fn a_segment_over_the_head_is_of_another_checkpoint() {
    let memory = Arc::new(MemoryStore::default());
    let served = serve(&shared(&memory), 1000, 0).await;
    served.create(1).await;
    let (journal, mut written) = (shared(&memory).journal, 0);
    eventually(async || {
        served.write(0, &"x".repeat(200)).await;
        written += 1;
        journal.head().await.unwrap().is_some()
    })
    .await;
    served.shard.stop().await;
    let (store, segments) = Grudging::over(shared(&memory));
    let head = journal.head().await.unwrap().expect("it is there");
    segments.sealed_further.store(head.slot.0, Ordering::Relaxed);
    let again = serve(&store, 1000, 0).await;
    assert_eq!(segments.sealed_further.load(Ordering::Relaxed), u64::MAX, "it was listed");
    assert_eq!(again.values(0, 0).await.len(), written);
}

#[tokio::test(start_paused = true)]
async fn what_a_successor_wrote_is_not_loaded() {
    let memory = Arc::new(MemoryStore::default());
    let served = serve(&shared(&memory), 1000, 0).await;
    served.create(1).await;
    let (journal, mut written) = (shared(&memory).journal, 0);
    eventually(async || {
        served.write(0, &"x".repeat(200)).await;
        written += 1;
        journal.head().await.unwrap().is_some()
    })
    .await;
    served.shard.stop().await;
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
