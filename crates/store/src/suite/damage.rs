//! Rule 10: what does not chain, or was durable and is gone, halts the shard. What is lost at the very end, unseen
//! by anyone, is no damage: the next owner goes on from there.

use std::sync::Arc;

use klamm_model::Slot;

use super::{
    Harness, open,
    owner::{Owner, claim, key, story},
};
use crate::{AcquireError, Carrier, Driver, EntryHash, Journal, Name, ReadError, Written};

/// `T1 a b T2 c d`; the last slot is 5.
async fn written<H: Harness>(harness: &H) -> (Arc<Carrier<H::Driver>>, Owner) {
    let journal = open(harness).await;
    Owner::takes(&*journal, 1, 0).await.append(&*journal, "a b").await;
    let mut owner = Owner::takes(&*journal, 2, 0).await;
    owner.append(&*journal, "c d").await;
    (journal, owner)
}

/// The same, then trimmed, with one entry more: `@6 [k] e`.
async fn trimmed<H: Harness>(harness: &H) {
    let (journal, mut owner) = written(harness).await;
    owner.trims(&*journal, "k").await;
    owner.append(&*journal, "e f").await;
}

/// The store comes up again, or says that it is damaged; then nothing is served.
async fn halts<H: Harness>(harness: &H, slot: u64) {
    if harness.restart().await.is_err() {
        return;
    }
    let journal = open(harness).await;
    let tail = journal.tail().await;
    let Err(ReadError::Damaged { slot: at, what }) = tail else { panic!("no damage noticed: {tail:?}") };
    assert_eq!(at, Slot(slot), "{what}");
    let taken = Owner::tries(&*journal, claim(9, 0)).await.map(|_| ());
    assert!(matches!(taken, Err(AcquireError::Read(ReadError::Damaged { .. }))), "{taken:?}");
}

pub(super) async fn broken_chain_halts<H: Harness>(harness: H) {
    let (journal, mut owner) = written(&harness).await;
    owner.previous = EntryHash(4711);
    let entry = owner.records("of another history");
    harness.handle().await.put(Name::Entry(key(2, 6)), entry.encode(), Written::ignore()).await.unwrap();
    let tail = journal.tail().await;
    assert!(matches!(tail, Err(ReadError::Damaged { slot: Slot(6), .. })), "{tail:?}");
    let taken = Owner::tries(&*journal, claim(9, 0)).await.map(|_| ());
    assert!(matches!(taken, Err(AcquireError::Read(ReadError::Damaged { .. }))), "{taken:?}");
    assert!(journal.read(Slot(5), 1 << 20).await.is_err(), "a read does not pass over it either");
}

pub(super) async fn torn_tail<H: Harness>(harness: H) {
    drop(written(&harness).await);
    if !harness.forget(Name::Entry(key(2, 5))).await {
        return;
    }
    harness.restart().await.expect("an entry that nobody saw is no damage");
    let journal = open(&harness).await;
    assert_eq!(story(&*journal).await, "T1 a b T2 c");
    Owner::takes(&*journal, 3, 0).await.append(&*journal, "e").await;
    assert_eq!(story(&*open(&harness).await).await, "T1 a b T2 c T3 e");
}

pub(super) async fn bad_last_entry<H: Harness>(harness: H) {
    drop(written(&harness).await);
    if !harness.damage(Name::Entry(key(2, 5))).await {
        return;
    }
    if !H::CUTS_TORN_TAIL {
        return halts(&harness, 5).await;
    }
    harness.restart().await.expect("a torn end is no damage");
    let journal = open(&harness).await;
    assert_eq!(story(&*journal).await, "T1 a b T2 c");
    Owner::takes(&*journal, 3, 0).await.append(&*journal, "e").await;
    drop(journal);
    harness.restart().await.unwrap();
    assert_eq!(story(&*open(&harness).await).await, "T1 a b T2 c T3 e");
}

pub(super) async fn missing_middle<H: Harness>(_: H) {
    // Slot 4 of the second owner, known by slot 5 to have been durable; slots 1 and 2 of the first.
    for (epoch, slot) in [(2, 4), (1, 1), (1, 2)] {
        let harness = H::fresh().await;
        drop(written(&harness).await);
        if harness.forget(Name::Entry(key(epoch, slot))).await {
            halts(&harness, slot).await;
        }
    }
}

pub(super) async fn bad_middle<H: Harness>(_: H) {
    for (epoch, slot) in [(0, 0), (1, 1), (1, 2), (1, 3), (2, 4)] {
        let harness = H::fresh().await;
        drop(written(&harness).await);
        if harness.damage(Name::Entry(key(epoch, slot))).await {
            halts(&harness, slot).await;
        }
    }
}

pub(super) async fn lost_takeover_of_the_chain<H: Harness>(_: H) {
    for (epoch, slot) in [(0, 0), (1, 3)] {
        let harness = H::fresh().await;
        drop(written(&harness).await);
        if harness.forget(Name::Entry(key(epoch, slot))).await {
            halts(&harness, slot).await;
        }
    }
}

pub(super) async fn lost_head_entry<H: Harness>(harness: H) {
    trimmed(&harness).await;
    if harness.forget(Name::Entry(key(2, 6))).await {
        halts(&harness, 6).await;
    }
}

pub(super) async fn lost_head_marker<H: Harness>(harness: H) {
    trimmed(&harness).await;
    if harness.forget(Name::Head(Slot(6))).await {
        halts(&harness, 1).await;
    }
}

pub(super) async fn bad_head_marker<H: Harness>(harness: H) {
    trimmed(&harness).await;
    if harness.damage(Name::Head(Slot(6))).await {
        halts(&harness, 6).await;
    }
}
