//! A full disk: what takes space is refused, and nothing else is.

use std::sync::{Arc, atomic::Ordering};

use klamm_partition::{Command, ProduceError, Reply, SequenceError};
use klamm_store::{Segments, ShardStore};

use super::{TOPIC, batch, memory, merging::Grudging, produce, serve};
use crate::Ack;

/// A store with so many bytes of room.
fn with_room(room: u64) -> (ShardStore, Arc<Grudging>) {
    let memory = memory();
    let inner = Arc::clone(&memory.segments);
    let grudging = Arc::new(Grudging { inner, room: room.into(), refusals_left: 0.into() });
    (ShardStore { segments: Arc::clone(&grudging) as Arc<dyn Segments>, ..memory }, grudging)
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
