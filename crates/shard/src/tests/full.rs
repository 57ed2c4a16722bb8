//! A full disk: what takes space is refused, and nothing else is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use klamm_model::Slot;
use klamm_partition::{Command, ProduceError, Reply, SequenceError};
use klamm_store::{EntryKind, Head, Journal, ShardStore, SnapshotError, Snapshots, flatten};

use super::{
    Served, TOPIC, batch, eventually, journal::Gated, memory, merging::Grudging, partition, produce, serve,
};
use crate::{Ack, ShardState, checkpoint::Checkpoint};

/// A store with so many bytes of room.
fn with_room(room: u64) -> (ShardStore, Arc<Grudging>) {
    let (store, grudging) = Grudging::over(memory());
    grudging.room.store(room, Ordering::Relaxed);
    (store, grudging)
}

#[tokio::test]
async fn what_follows_a_batch_that_had_no_room_is_refused_too() {
    let (store, _) = with_room(1000);
    let served = serve(&store, 1 << 30, 1 << 20).await;
    // A producer that may have been forgotten goes on anywhere. Its first batch is too large; its second, if it were taken,
    // would make the first a gap for ever.
    let create = Command::Create { topic: TOPIC, partitions: vec![(0, 0, i64::MAX)], forgotten_below: 2 };
    served.shard.ask(create).await.unwrap();
    let commands = vec![
        produce(0, batch(&"large".repeat(1000), 0, Some((1, 0)))),
        produce(0, batch("small", 0, Some((1, 1)))),
    ];
    let replies = served.shard.submit(commands, Ack::Durable).await.unwrap();
    assert!(
        replies.iter().all(|reply| matches!(reply, Reply::Produced(Err(ProduceError::Full)))),
        "{replies:?}"
    );
    served.send(0, batch("small", 0, Some((1, 0)))).await.unwrap().expect("there is room for it alone");
}

#[tokio::test]
async fn a_new_producers_second_batch_waits_for_its_first() {
    let (store, grudging) = with_room(1000);
    let served = serve(&store, 1 << 30, 1 << 20).await;
    served.create(1).await;
    let large = || batch(&"large".repeat(1000), 0, Some((1, 0)));
    let small = || batch("small", 0, Some((1, 1)));
    // In flight together, but not in one drain.
    assert_eq!(served.send(0, large()).await.unwrap(), Err(ProduceError::Full));
    assert_eq!(served.send(0, small()).await.unwrap().map(|_| 0), out_of_order(0, 1));
    grudging.room.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(served.send(0, small()).await.unwrap().map(|_| 0), out_of_order(0, 1));
    served.send(0, large()).await.unwrap().unwrap();
    served.send(0, small()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_duplicate_is_told_so_on_a_full_disk() {
    let (store, grudging) = with_room(u64::MAX);
    let served = serve(&store, 1 << 30, 1 << 20).await;
    served.create(1).await;
    // Its answer is lost with the connection. The disk is full for what is as large, not for what follows.
    let large = || batch(&"large".repeat(1000), 0, Some((1, 0)));
    let written = served.send(0, large()).await.unwrap().unwrap();
    grudging.room.store(1000, Ordering::Relaxed);
    for next in 1..=4 {
        // Refused, it would fall out of the window while its successors are taken; known, it needs no space.
        assert_eq!(
            served.send(0, large()).await.unwrap().map(|told| told.base_offset),
            Ok(written.base_offset)
        );
        served.send(0, batch("small", 0, Some((1, next)))).await.unwrap().expect("there is room for it");
    }
    let new = batch(&"large".repeat(1000), 0, Some((1, 5)));
    assert_eq!(served.send(0, new).await.unwrap(), Err(ProduceError::Full));
}

fn out_of_order(expected: i32, got: i32) -> Result<i64, ProduceError> {
    Err(ProduceError::Sequence(SequenceError::OutOfOrder { expected, got }))
}

#[tokio::test]
async fn what_is_wrong_is_told_so_on_a_full_disk() {
    let (store, grudging) = with_room(u64::MAX);
    let served = serve(&store, 1 << 30, 1 << 20).await;
    served.create(1).await;
    served.send(0, batch("a", 0, Some((1, 0)))).await.unwrap().unwrap();
    grudging.room.store(0, Ordering::Relaxed);
    let gap = served.send(0, batch("c", 0, Some((1, 2)))).await.unwrap();
    assert_eq!(gap.map(|_| 0), out_of_order(1, 2));
    let elsewhere = served.send(9, batch("b", 0, None)).await.unwrap();
    assert_eq!(elsewhere, Err(ProduceError::UnknownPartition));
    assert_eq!(served.send(0, batch("b", 0, Some((1, 1)))).await.unwrap(), Err(ProduceError::Full));
}

#[tokio::test]
async fn a_roll_without_space_is_asked_for_again_and_costs_nothing() {
    let (store, grudging) = with_room(u64::MAX);
    let served = serve(&store, 4000, 0).await;
    served.create(1).await;
    grudging.no_file.store(true, Ordering::Relaxed);
    let values: Vec<_> = (0..20).map(|number| format!("{number}/{}", "x".repeat(500))).collect();
    for value in &values[..10] {
        served.write(0, value).await;
    }
    assert!(store.segments.active_bytes() > 4000, "a roll is due");
    assert_eq!(served.values(0, 0).await, values[..10], "readers go on");
    // On a disk that has no room at all records can be deleted.
    grudging.room.store(0, Ordering::Relaxed);
    assert_eq!(served.send(0, batch("x", 0, None)).await.unwrap(), Err(ProduceError::Full));
    let deleted = served.shard.ask(Command::MoveLogStart { partition: partition(0), to: Some(5) }).await;
    assert!(matches!(deleted, Ok(Reply::Moved(Ok(5)))), "{deleted:?}");
    grudging.room.store(u64::MAX, Ordering::Relaxed);
    grudging.no_file.store(false, Ordering::Relaxed);
    for value in &values[10..] {
        served.write(0, value).await;
    }
    assert_eq!(served.shard.state(), ShardState::Serving(served.epoch), "it never lost its journal");
    eventually(async || !store.segments.list().await.unwrap().is_empty()).await;
    assert_eq!(served.values(0, 5).await, values[5..]);
}

#[tokio::test]
async fn what_is_owed_leaves_the_last_of_the_reserve_alone() {
    let (store, grudging) = with_room(0);
    grudging.room_owed.store(400, Ordering::Relaxed);
    let served = serve(&store, 1 << 30, 0).await;
    let create = |indexes: std::ops::Range<i32>| Command::Create {
        topic: TOPIC,
        partitions: indexes.map(|index| (index, 0, i64::MAX)).collect(),
        forgotten_below: 0,
    };
    // The first fits; the second does not, nor what comes after it in the same entry.
    let commands = vec![create(0..10), create(10..20), create(20..21)];
    let replies = served.shard.submit(commands, Ack::Durable).await.unwrap();
    assert!(matches!(replies[..], [Reply::Done, Reply::Full, Reply::Full]), "{replies:?}");
    assert_eq!(served.shard.state(), ShardState::Serving(served.epoch));
    assert!(served.partitions.get(partition(9)).is_some() && served.partitions.get(partition(10)).is_none());
    grudging.room_owed.store(u64::MAX, Ordering::Relaxed);
    assert!(matches!(served.shard.ask(create(0..21)).await, Ok(Reply::Done)));
}

/// A store whose head can't be written so often, with a file that is sealed; the head is to move without another.
pub(super) async fn sealed_without_head(refusals: u32) -> (ShardStore, Arc<Gated>, Served) {
    let memory = memory();
    let journal = Arc::new(Gated { trim_refusals: refusals.into(), ..Gated::over(&memory.journal) });
    let store = ShardStore { journal: Arc::clone(&journal) as Arc<dyn Journal>, ..memory };
    let served = serve(&store, 4000, 0).await;
    served.create(1).await;
    for _ in 0..10 {
        served.write(0, &"x".repeat(500)).await;
    }
    eventually(async || journal.trim_refusals.load(Ordering::Relaxed) < refusals).await;
    (store, journal, served)
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_could_not_be_loaded_for_long_is_when_there_is_space() {
    let (store, grudging) = with_room(0);
    grudging.room_owed.store(0, Ordering::Relaxed);
    let journal = Arc::new(Gated::over(&store.journal));
    journal.full.store(true, Ordering::Relaxed);
    let store = ShardStore { journal: Arc::clone(&journal) as Arc<dyn Journal>, ..store };
    let loading = tokio::spawn(async move { serve(&store, 4000, 0).await });
    // It looks when the next load is far off.
    tokio::time::sleep(Duration::from_secs(65)).await;
    let tries = journal.append_refusals.load(Ordering::Relaxed);
    assert!((6..8).contains(&tries), "{tries} tries");
    journal.full.store(false, Ordering::Relaxed);
    grudging.room_owed.store(1000, Ordering::Relaxed);
    let served = tokio::time::timeout(Duration::from_secs(2), loading).await;
    served.expect("there is space").expect("it serves");
}

/// Snapshots with space for so many more chunks.
struct Scarce {
    inner: Arc<dyn Snapshots>,
    left: AtomicU32,
}

#[async_trait::async_trait]
impl Snapshots for Scarce {
    async fn put(&self, name: &str, bytes: bytes::Bytes) -> Result<(), SnapshotError> {
        let fewer = |left: u32| left.checked_sub(1);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer) {
            Ok(_) => self.inner.put(name, bytes).await,
            Err(_) => Err(SnapshotError::Io { name: name.to_owned(), what: "no space".to_owned() }),
        }
    }
    async fn get(&self, name: &str) -> Result<bytes::Bytes, SnapshotError> {
        self.inner.get(name).await
    }
    async fn list(&self) -> Result<Vec<String>, SnapshotError> {
        self.inner.list().await
    }
    async fn delete(&self, name: &str) -> Result<(), SnapshotError> {
        self.inner.delete(name).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_restart_leaves_of_a_snapshot_goes_with_the_next() {
    let memory = memory();
    let snapshots = Arc::new(Scarce { inner: Arc::clone(&memory.snapshots), left: 2.into() });
    let store = ShardStore { snapshots: Arc::clone(&snapshots) as _, ..memory };
    let mut served = serve(&store, 4000, 0).await;
    served.create(2000).await;
    served.write(0, "first").await;
    for _ in 0..5 {
        eventually(async || snapshots.left.load(Ordering::Relaxed) == 0).await;
        assert_eq!(store.snapshots.list().await.unwrap().len(), 2, "what had space");
        served.shard.stop().await;
        snapshots.left.store(2, Ordering::Relaxed);
        served = serve(&store, 4000, 0).await;
    }
    snapshots.left.store(1000, Ordering::Relaxed);
    head_moves(&store).await;
    served.shard.stop().await;
    assert!(store.snapshots.list().await.unwrap().len() > 2, "the snapshot is larger than the space was");
    assert_eq!(serve(&store, 4000, 0).await.values(0, 0).await, ["first"]);
}

/// The first checkpoint on the chain as the head.
async fn first_checkpoint(store: &ShardStore) -> Head {
    let entries = store.journal.read(Slot(0), usize::MAX).await.unwrap();
    let entry =
        entries.iter().find(|entry| entry.header.kind == EntryKind::Checkpoint).expect("there is one");
    let checkpoint = Checkpoint::decode(flatten(entry.payload.clone())).unwrap();
    let at = &entries[checkpoint.slot.0 as usize].header;
    assert_eq!(at.key.slot, checkpoint.slot);
    Head { slot: checkpoint.slot, key_epoch: at.key.epoch, hash: at.hash(), checkpoint: checkpoint.encode() }
}

#[tokio::test(start_paused = true)]
async fn a_replaced_owner_may_make_its_checkpoint_the_head_late() {
    let (store, journal, served) = sealed_without_head(u32::MAX).await;
    served.shard.stop().await;
    let head = first_checkpoint(&store).await;
    let second = serve(&store, 1 << 30, 0).await;
    second.write(0, "more").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    second.shard.stop().await;
    journal.inner.trim(head.clone()).await.unwrap();
    assert_eq!(store.journal.head().await.unwrap(), Some(head));
    assert_eq!(serve(&store, 1 << 30, 0).await.values(0, 0).await.len(), 11);
}

async fn head_moves(store: &ShardStore) {
    eventually(async || store.journal.head().await.unwrap().is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_had_no_space_is_written_later() {
    let (store, journal, served) = sealed_without_head(1).await;
    head_moves(&store).await;
    assert_eq!(journal.trim_refusals.load(Ordering::Relaxed), 0);
    assert_eq!(served.values(0, 0).await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_had_no_space_is_written_after_a_restart() {
    let (store, journal, served) = sealed_without_head(u32::MAX).await;
    served.shard.stop().await;
    assert!(store.journal.head().await.unwrap().is_none());
    journal.trim_refusals.store(0, Ordering::Relaxed);
    let served = serve(&store, 1 << 30, 0).await;
    head_moves(&store).await;
    assert_eq!(served.values(0, 0).await.len(), 10);
    served.write(0, "it goes on").await;
    served.shard.stop().await;
    assert_eq!(serve(&store, 1 << 30, 0).await.values(0, 0).await.len(), 11);
}
