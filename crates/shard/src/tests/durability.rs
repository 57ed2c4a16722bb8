//! No reply before its entry is durable; a fenced owner acknowledges nothing more.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::FutureExt as _;
use klamm_env::Env;
use klamm_model::{Epoch, Slot};
use klamm_partition::Command;
use klamm_store::{Claim, Journal, Nonce, ReadError, ShardStore, acquire};
use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::timeout};

use super::{SHARD, TOPIC, config, journal::Gated, memory, produce, serve};
use crate::{Ack, Image, Shard, ShardError, ShardState, tests::batch};

/// A store that says of one entry that it is durable; of others when it is permitted to.
fn gated() -> (ShardStore, Arc<Gated>) {
    gated_after(Duration::ZERO)
}

fn gated_after(write_time: Duration) -> (ShardStore, Arc<Gated>) {
    let store = memory();
    let gate = Arc::new(Gated { appends: Semaphore::new(1), write_time, ..Gated::over(&store.journal) });
    (ShardStore { journal: Arc::clone(&gate) as Arc<dyn Journal>, ..store }, gate)
}

const SOON: Duration = Duration::from_millis(30);

#[tokio::test]
async fn nothing_is_told_or_shown_before_it_is_durable() {
    let (store, gate) = gated();
    let served = serve(&store, 1 << 30, 1 << 20).await;
    served.create(1).await; // takes the one permit

    let first = served.send(0, batch("a", 0, Some((1, 0))));
    tokio::pin!(first);
    assert!(timeout(SOON, &mut first).await.is_err(), "not durable");
    assert_eq!(served.view(0).watermarks().high_watermark, 0, "not shown");
    // A duplicate and a refusal are decided on what is not durable yet: they wait too.
    let duplicate = served.send(0, batch("a", 0, Some((1, 0))));
    let refused = served.send(0, batch("z", 0, Some((1, 9))));
    tokio::pin!(duplicate, refused);
    assert!(timeout(SOON, &mut duplicate).await.is_err());
    assert!(timeout(SOON, &mut refused).await.is_err());
    gate.appends.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap().base_offset, 0);
    assert_eq!(duplicate.await.unwrap().unwrap().base_offset, 0);
    assert!(refused.await.unwrap().is_err());
    assert_eq!(served.view(0).watermarks().high_watermark, 1);
}

#[tokio::test]
async fn written_is_told_before_durable() {
    // Nothing else happens in the shard when the write is done.
    let (store, _gate) = gated_after(SOON);
    let served = serve(&store, 1 << 30, 1 << 20).await;
    served.create(1).await;
    let replies = served.shard.submit(vec![produce(0, batch("a", 0, None))], Ack::Written);
    assert!(
        timeout(Duration::from_secs(5), replies).await.expect("acks=1 does not wait for the sync").is_ok()
    );
    assert_eq!(served.view(0).watermarks().high_watermark, 0, "readers see what is durable only");
}

#[tokio::test]
async fn appends_are_pipelined() {
    let (store, gate) = gated();
    let served = serve(&store, 1 << 30, 1 << 20).await;
    served.create(1).await;
    let sends: Vec<_> = (0..10).map(|i| served.send(0, batch(&format!("{i}"), 0, None))).collect();
    let all = futures_util::future::join_all(sends);
    tokio::pin!(all);
    assert!(timeout(SOON, &mut all).await.is_err());
    gate.appends.add_permits(100);
    let offsets: Vec<_> = all.await.into_iter().map(|sent| sent.unwrap().unwrap().base_offset).collect();
    assert_eq!(offsets, (0..10).collect::<Vec<_>>());
}

/// Another broker takes the shard over.
async fn fence(store: &ShardStore) -> Epoch {
    let nonce = Nonce(Env::os().entropy.bytes16());
    let claim = Claim { shard: SHARD, writer: 2, nonce, time_ms: 0, epoch_above: Epoch(0) };
    acquire(&*store.journal, claim).await.unwrap().epoch
}

#[tokio::test]
async fn a_fenced_owner_acknowledges_nothing_and_loads_again() {
    let store = memory();
    let served = serve(&store, 1 << 30, 1 << 20).await;
    served.create(1).await;
    served.write(0, "mine").await;
    assert_eq!(fence(&store).await, Epoch(2));
    assert_eq!(served.send(0, batch("lost", 0, None)).await, Err(ShardError::NotServing));
    // It takes over in turn, with what was acknowledged and no more.
    super::eventually(async || served.send(0, batch("later", 0, None)).await.is_ok()).await;
    let values = served.values(0, 0).await;
    assert_eq!(values[0], "mine");
    assert!(!values.contains(&"lost".to_owned()));
    assert!(served.view(0).epoch_of(1).unwrap() > Epoch(2));
}

/// What the shard was doing when a waiting request was told.
struct Told {
    shard: Shard<klamm_partition::Partitions>,
    then: Mutex<Option<ShardState>>,
}

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.then.lock().get_or_insert(self.shard.state());
    }
}

/// Else they wait for a shard that serves, find that it does, and miss what it knows once it has loaded again.
#[tokio::test]
async fn who_is_told_that_a_request_is_lost_finds_the_shard_loading() {
    let store = memory();
    let served = serve(&store, 1 << 30, 1 << 20).await;
    served.create(1).await;
    fence(&store).await;
    let told = Arc::new(Told { shard: served.shard.clone(), then: Mutex::new(None) });
    let mut lost = served.send(0, batch("lost", 0, None)).boxed();
    let waker = Waker::from(Arc::clone(&told));
    assert!(lost.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    super::eventually(async || told.then.lock().is_some()).await;
    assert_eq!(*told.then.lock(), Some(ShardState::Loading));
    assert_eq!(lost.poll_unpin(&mut Context::from_waker(&waker)), Poll::Ready(Err(ShardError::NotServing)));
}

#[tokio::test]
async fn an_owner_that_finds_damage_halts_and_says_so() {
    let (store, gate) = gated();
    let served = serve(&store, 1 << 30, 1 << 20).await;
    served.create(1).await;
    fence(&store).await;
    *gate.unreadable.lock() = Some(ReadError::Damaged { slot: Slot(0), what: "a flipped bit".to_owned() });
    assert_eq!(served.send(0, batch("lost", 0, None)).await, Err(ShardError::NotServing));
    let why = timeout(Duration::from_secs(5), served.shard.halted()).await.expect("it tells");
    assert!(why.contains("a flipped bit"), "{why}");
    assert_eq!(served.send(0, batch("later", 0, None)).await, Err(ShardError::NotServing));
    served.shard.stop().await;
}

#[tokio::test]
async fn an_image_keeps_what_it_has_while_its_shard_loads_again() {
    let (store, gate) = gated();
    let (image, view) = Image::<klamm_partition::Partitions>::new();
    let shard = Shard::start(Env::os(), store.clone(), config(1 << 30), view);
    shard.ready().await.unwrap();
    let create =
        |index| Command::Create { topic: TOPIC, partitions: vec![(index, 0, i64::MAX)], forgotten_below: 0 };
    shard.ask(create(0)).await.unwrap(); // takes the one permit
    let partitions = || image.load().iter().count();
    assert_eq!(partitions(), 1);
    fence(&store).await;
    *gate.unreadable.lock() = Some(ReadError::Io("no answer".to_owned()));
    assert_eq!(shard.ask(create(1)).await.err(), Some(ShardError::NotServing));
    super::eventually(async || shard.state() == ShardState::Loading).await;
    tokio::time::sleep(SOON).await;
    assert_eq!(partitions(), 1, "it loads, and readers see what was durable");
    *gate.unreadable.lock() = None;
    gate.appends.add_permits(100);
    super::eventually(async || shard.ask(create(2)).await.is_ok()).await;
    assert_eq!(partitions(), 2);
}
