//! Restarts, checkpoints, deletions.

use std::{sync::Arc, time::Duration};

use klamm_env::Env;
use klamm_model::{Epoch, Slot};
use klamm_partition::{Command, ProduceError, SequenceError};
use klamm_store::{
    Claim, Entry, EntryKind, Head, Header, Nonce, ReadError, ShardStore, Written, acquire, entry::crc32c,
};

use super::{SHARD, TOPIC, config, eventually, journal::Gated, memory, partition, serve};
use crate::{Partitions, Shard, checkpoint::Checkpoint, tests::batch};

#[tokio::test]
async fn a_restart_finds_everything_again() {
    let store = memory();
    let mut want = Vec::new();
    for start in 0..5 {
        let served = serve(&store, 3000, 2000).await;
        assert_eq!(served.epoch.0, start + 1, "each owner has a new epoch");
        served.create(1).await;
        for number in 0..30 {
            let value = format!("{start}-{number}-{}", "x".repeat(100));
            assert_eq!(served.write(0, &value).await, want.len() as i64);
            want.push(value);
        }
        assert_eq!(served.values(0, 0).await, want);
        served.shard.stop().await;
    }
    assert!(store.journal.head().await.unwrap().is_some(), "checkpoints were made");
    let served = serve(&store, 3000, 0).await;
    assert_eq!(served.values(0, 0).await, want);
    assert_eq!(served.view(0).watermarks().high_watermark, 150);
    assert_eq!(served.view(0).epoch_of(0).unwrap().0, 1);
    assert_eq!(served.view(0).epoch_of(149).unwrap().0, 5);
}

#[tokio::test]
async fn producers_are_remembered_over_checkpoints_and_restarts() {
    let store = memory();
    let served = serve(&store, 1000, 0).await;
    served.create(1).await;
    for sequence in 0..20 {
        let value = format!("{sequence:0>100}");
        served.send(0, batch(&value, 0, Some((5, sequence)))).await.unwrap().unwrap();
    }
    eventually(async || store.journal.head().await.unwrap().is_some()).await;
    served.shard.stop().await;
    let served = serve(&store, 1000, 0).await;
    let again = served.send(0, batch(&format!("{:0>100}", 18), 0, Some((5, 18)))).await.unwrap();
    assert_eq!(again.unwrap().base_offset, 18);
    let gap = served.send(0, batch("gap", 0, Some((5, 21)))).await.unwrap();
    assert_eq!(gap, Err(ProduceError::Sequence(SequenceError::OutOfOrder { expected: 20, got: 21 })));
    assert_eq!(served.view(0).watermarks().high_watermark, 20);
}

#[tokio::test]
async fn a_dropped_topic_gives_its_files_back() {
    let store = memory();
    let served = serve(&store, 2000, 0).await;
    served.create(1).await;
    for number in 0..200 {
        served.write(0, &format!("{number:0>100}")).await;
    }
    eventually(async || store.segments.list().await.unwrap().len() > 1).await;
    let view = served.view(0);
    served.shard.ask(Command::Drop { topic: TOPIC }).await.unwrap();
    // A file that is being sealed has batches of it, and the next topic has the same id, but in tests alone.
    eventually(async || store.segments.unsealed().is_empty()).await;
    assert!(served.partitions.get(partition(0)).is_none());
    assert_eq!(served.partitions.read(&view, 0, 1, true).await.err(), Some(crate::ReadError::Dropped));
    assert_eq!(served.send(0, batch("v", 0, None)).await.unwrap(), Err(ProduceError::UnknownPartition));
    // What the head has passed goes at once, the rest with the next checkpoints.
    served.create(1).await;
    eventually(async || {
        served.write(0, &"y".repeat(100)).await;
        let live = store.segments.list().await.unwrap();
        live.iter().all(|info| info.extents.iter().all(|extent| extent.last_offset < 200)) && live.len() <= 6
    })
    .await;
    assert_eq!(served.values(0, 0).await.len(), served.view(0).watermarks().high_watermark as usize);
}

/// Snapshots that can't be saved: a file is sealed, and its checkpoint never comes.
struct NoSnapshots;

#[async_trait::async_trait]
impl klamm_store::Snapshots for NoSnapshots {
    async fn put(&self, name: &str, _: bytes::Bytes) -> Result<(), klamm_store::SnapshotError> {
        Err(klamm_store::SnapshotError::Io { name: name.to_owned(), what: "no".to_owned() })
    }
    async fn get(&self, name: &str) -> Result<bytes::Bytes, klamm_store::SnapshotError> {
        Err(klamm_store::SnapshotError::Io { name: name.to_owned(), what: "no".to_owned() })
    }
    async fn list(&self) -> Result<Vec<String>, klamm_store::SnapshotError> {
        Ok(Vec::new())
    }
    async fn delete(&self, _: &str) -> Result<(), klamm_store::SnapshotError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_crash_between_sealing_and_its_checkpoint_costs_nothing() {
    let store = memory();
    let broken = klamm_store::ShardStore { snapshots: std::sync::Arc::new(NoSnapshots), ..store.clone() };
    let served = serve(&broken, 2000, 0).await;
    served.create(1).await;
    let want: Vec<String> = (0..30).map(|number| format!("{number:0>100}")).collect();
    for value in &want {
        served.write(0, value).await;
    }
    eventually(async || store.segments.list().await.unwrap().len() == 1).await;
    served.shard.stop().await;
    assert!(store.journal.head().await.unwrap().is_none());

    let served = serve(&store, 2000, 0).await;
    assert_eq!(served.values(0, 0).await, want);
    for value in &want {
        served.write(0, value).await;
    }
    eventually(async || {
        served.write(0, "more").await;
        store.journal.head().await.unwrap().is_some()
    })
    .await;
    assert_eq!(served.values(0, 0).await[..60], [&want[..], &want[..]].concat());
}

/// A sealed file, and behind it a checkpoint that an owner of this epoch saved, with a chunk that its state does not give.
async fn strange_checkpoint(epoch: Epoch) -> ShardStore {
    let store = memory();
    let broken = ShardStore { snapshots: Arc::new(NoSnapshots), ..store.clone() };
    let served = serve(&broken, 2000, 0).await;
    served.create(1).await;
    for number in 0..30 {
        served.write(0, &format!("{number:0>100}")).await;
    }
    eventually(async || store.segments.list().await.unwrap().len() == 1).await;
    served.shard.stop().await;
    let slot = store.segments.list().await.unwrap()[0].slots.end;
    let claim = Claim { shard: SHARD, writer: 2, nonce: Nonce([9; 16]), time_ms: 0, epoch_above: Epoch(0) };
    let owner = acquire(&*store.journal, claim).await.unwrap();
    let payload = vec![Checkpoint { slot, epoch, chunks: vec![7] }.encode()];
    let header = Header {
        kind: EntryKind::Checkpoint,
        shard: SHARD,
        key: owner.next,
        epoch: owner.epoch,
        writer: 2,
        nonce: owner.nonce,
        previous: owner.hash,
        durable: owner.next.slot,
        time_ms: 0,
        payload_bytes: payload[0].len() as u32,
        payload_crc: crc32c([&payload[0][..]]),
    };
    store.journal.append(Entry { header, payload }, Written::ignore()).await.unwrap();
    store
}

#[tokio::test]
async fn a_checkpoint_that_differs_from_the_replayed_state_halts_the_shard() {
    let store = strange_checkpoint(Epoch(2)).await;
    let (_, view) = Partitions::new(Arc::clone(&store.segments), 0);
    let shard = Shard::start(Env::os(), store, config(2000), view);
    let why = shard.ready().await.expect_err("it halts");
    assert!(why.contains("differs from the state"), "{why}");
    // Of version 1 nothing is known.
    let served = serve(&strange_checkpoint(Epoch(0)).await, 2000, 0).await;
    assert_eq!(served.values(0, 0).await.len(), 30);
}

#[tokio::test]
async fn a_head_that_is_not_its_checkpoints_halts_the_shard() {
    let store = memory();
    let served = serve(&store, 1 << 30, 0).await;
    served.create(1).await;
    served.shard.stop().await;
    let place = store.journal.tail().await.unwrap().next;
    let claim = Claim { shard: SHARD, writer: 2, nonce: Nonce([9; 16]), time_ms: 0, epoch_above: Epoch(0) };
    let hash = acquire(&*store.journal, claim).await.unwrap().hash;
    let checkpoint = Checkpoint { slot: Slot(0), epoch: Epoch(1), chunks: Vec::new() }.encode();
    let head = Head { slot: place.slot, key_epoch: place.epoch, hash, checkpoint };
    store.journal.trim(head).await.unwrap();
    let (_, view) = Partitions::new(Arc::clone(&store.segments), 0);
    let shard = Shard::start(Env::os(), store, config(1 << 30), view);
    let why = shard.ready().await.expect_err("it halts");
    assert!(why.contains("of other slots"), "{why}");
}

/// A shard that fails to load, until its journal can be read.
fn unloadable() -> (Shard<klamm_partition::Partitions>, Arc<Gated>) {
    let store = memory();
    let journal = Arc::new(Gated::over(&store.journal));
    *journal.unreadable.lock() = Some(ReadError::Io("no answer".to_owned()));
    let (_, view) = Partitions::new(Arc::clone(&store.segments), 0);
    let store = ShardStore { journal: Arc::clone(&journal) as _, ..store };
    (Shard::start(Env::os(), store, config(1 << 30), view), journal)
}

#[tokio::test(start_paused = true)]
async fn loads_that_fail_become_rare_and_the_shard_serves_within_a_minute() {
    let (shard, journal) = unloadable();
    tokio::time::sleep(Duration::from_secs(600)).await;
    *journal.unreadable.lock() = None;
    let epoch = tokio::time::timeout(Duration::from_secs(60), shard.ready()).await.expect("soon").unwrap();
    assert!((10..40).contains(&epoch.0), "an epoch each try: {epoch:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_nobody_has_a_handle_of_loads_no_more() {
    let (shard, gated) = unloadable();
    let journal = Arc::downgrade(&gated);
    drop(gated);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(journal.upgrade().is_some(), "it tries again");
    drop(shard);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(journal.upgrade().is_none(), "its store is let go");
}

#[tokio::test]
async fn records_before_the_log_start_are_gone() {
    let store = memory();
    let served = serve(&store, 2000, 0).await;
    served.create(1).await;
    for number in 0..60 {
        served.send(0, batch(&format!("{number:0>100}"), 1000 - number, None)).await.unwrap().unwrap();
    }
    eventually(async || store.segments.list().await.unwrap().len() > 1).await;
    let moved =
        served.shard.ask(Command::MoveLogStart { partition: partition(0), to: Some(50) }).await.unwrap();
    assert!(matches!(moved, klamm_partition::Reply::Moved(Ok(50))));
    let check = async |served: &super::Served| {
        let view = served.view(0);
        assert_eq!((view.watermarks().log_start, view.watermarks().high_watermark), (50, 60));
        let below = served.partitions.read(&view, 49, 100, true).await;
        assert_eq!(below.err(), Some(crate::ReadError::OutOfRange));
        assert_eq!(served.values(0, 50).await.len(), 10);
        let query = crate::TimestampQuery::Max;
        let found =
            served.partitions.find_by_time(&view, query, klamm_records::DecompressCap::default()).await;
        assert_eq!(found.unwrap().unwrap().0.offset, 50);
    };
    check(&served).await;
    eventually(async || {
        let infos = store.segments.list().await.unwrap();
        infos.iter().all(|info| info.extents.iter().all(|extent| extent.last_offset >= 50))
    })
    .await;
    served.shard.stop().await;
    check(&serve(&store, 2000, 0).await).await;
}
