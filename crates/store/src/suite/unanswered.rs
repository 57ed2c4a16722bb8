//! Rule 4: a lost answer is resolved by reading back. Nothing takes effect twice, no slot is skipped.

use std::sync::Arc;

use klamm_model::Slot;

use super::{
    Fate::{self, LostAfter, LostBefore, Refused},
    Harness, Lossy, SHARD, open,
    owner::{Owner, claim, head, key, story},
};
use crate::{AcquireError, AppendError, Carrier, Journal, Written};

type LossyDriver<H> = Lossy<<H as Harness>::Driver>;

/// An owner over a store that will lose answers.
async fn lossy<H: Harness>(harness: &H) -> (Arc<LossyDriver<H>>, Carrier<LossyDriver<H>>, Owner) {
    let driver = Lossy::new(harness.handle().await);
    let journal = Carrier::new(Arc::clone(&driver), SHARD);
    let owner = Owner::takes(&journal, 1, 0).await;
    (driver, journal, owner)
}

async fn appends_over<H: Harness>(harness: &H, fates: &[Fate]) {
    let (driver, journal, mut owner) = lossy(harness).await;
    driver.next_puts(fates.iter().copied());
    owner.append(&journal, "a").await;
    owner.append(&journal, "b").await;
    assert_eq!(story(&journal).await, "T1 a b");
    assert_eq!(story(&*open(harness).await).await, "T1 a b");
}

pub(super) async fn lost_before_it_took_effect<H: Harness>(harness: H) {
    appends_over(&harness, &[LostBefore, LostBefore, LostBefore]).await;
}

pub(super) async fn lost_after_it_took_effect<H: Harness>(harness: H) {
    appends_over(&harness, &[LostAfter, LostAfter]).await;
}

pub(super) async fn lost_takeover<H: Harness>(harness: H) {
    let (driver, journal, mut owner) = lossy(&harness).await;
    owner.append(&journal, "a").await;
    for (life, fates) in [(1, [LostBefore, LostAfter]), (2, [LostAfter, LostBefore])] {
        driver.next_puts(fates);
        owner = Owner::takes(&journal, 1, life).await;
        driver.next_puts([]);
    }
    owner.append(&journal, "b").await;
    assert_eq!(story(&*open(&harness).await).await, "T1 a T2 T3 b");
    driver.next_puts([LostBefore; 1000]);
    let failed = Owner::tries(&journal, claim(1, 3)).await.map(|_| ());
    assert!(matches!(failed, Err(AcquireError::Append(AppendError::Unknown(Slot(5), _)))), "{failed:?}");
}

pub(super) async fn unanswered_to_the_end<H: Harness>(harness: H) {
    let (driver, journal, mut owner) = lossy(&harness).await;
    driver.next_puts([LostBefore; 1000]);
    let entry = owner.records("a");
    let unknown = journal.append(entry.clone(), Written::ignore()).await;
    assert!(matches!(unknown, Err(AppendError::Unknown(Slot(1), _))), "{unknown:?}");
    // It was not acknowledged, so it may land or not. It lands late, and the next owner follows it.
    driver.next_puts([]);
    journal.append(entry, Written::ignore()).await.unwrap();
    let next = open(&harness).await;
    Owner::takes(&*next, 2, 0).await.append(&*next, "b").await;
    assert_eq!(story(&*next).await, "T1 a T2 b");
}

pub(super) async fn unreadable_while_resolving<H: Harness>(harness: H) {
    let (driver, journal, mut owner) = lossy(&harness).await;
    for fates in [[LostAfter], [LostBefore]] {
        driver.next_puts(fates);
        driver.next_gets_fail(2);
        owner.append(&journal, "a").await;
    }
    driver.next_puts([LostAfter]);
    driver.next_gets_fail(1000);
    let unknown = owner.tries_append(&journal, "b").await;
    assert!(matches!(unknown, Err(AppendError::Unknown(Slot(3), _))), "{unknown:?}");
    assert!(journal.tail().await.is_err(), "a scan without answers is no scan");
    driver.next_gets_fail(0);
    assert_eq!(story(&journal).await, "T1 a a b");
}

pub(super) async fn refused_for_good<H: Harness>(harness: H) {
    let (driver, journal, mut owner) = lossy(&harness).await;
    owner.append(&journal, "a").await;
    let checkpoint = owner.checkpoint(&journal, "c").await;
    driver.next_puts([Refused]);
    let refused = owner.tries_append(&journal, "b").await;
    assert!(matches!(refused, Err(AppendError::Io(Slot(3), _))), "{refused:?}");
    driver.next_puts([Refused]);
    assert!(journal.trim(head(&checkpoint, "c")).await.is_err());
    assert_eq!(journal.head().await.unwrap(), None);
    assert_eq!(journal.tail().await.unwrap().next, key(1, 3));
    assert_eq!(story(&*open(&harness).await).await, "T1 a [c]");
}
