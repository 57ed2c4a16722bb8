//! Rules 1, 2, 3, 5, 8 and 9: who owns, and what becomes of the old owner's entries.

use std::sync::Arc;

use klamm_model::{Epoch, Slot};

use super::{
    Harness, Held, journal_over, open,
    owner::{Owner, claim, key, story},
};
use crate::{
    AcquireError, AppendError, Driver, Entry, Journal, Name, Nonce, PutError, ReadError, Tail, Written,
};

type Append = tokio::task::JoinHandle<Result<(), AppendError>>;

/// Starts an append that others may overtake.
fn start(journal: &Arc<impl Journal>, entry: Entry) -> Append {
    let journal = Arc::clone(journal);
    tokio::spawn(async move { journal.append(entry, Written::ignore()).await })
}

pub(super) async fn occupied_fences<H: Harness>(harness: H) {
    let (one, other) = (open(&harness).await, open(&harness).await);
    let mut old = Owner::takes(&*one, 1, 0).await;
    old.append(&*one, "a").await;
    let mut new = Owner::takes(&*other, 2, 0).await;
    for _ in 0..2 {
        let mut again = Owner { owned: old.owned.clone(), ..old };
        let fenced = again.tries_append(&*one, "zombie").await;
        assert_eq!(fenced, Err(AppendError::Occupied(Slot(2))));
    }
    new.append(&*other, "b").await;
    assert_eq!(story(&*open(&harness).await).await, "T1 a T2 b");
}

pub(super) async fn takeover_follows_the_last_entry<H: Harness>(harness: H) {
    let journal = open(&harness).await;
    let mut expected = Vec::new();
    for (number, epoch) in (0..).zip(1..=4) {
        let owner = Owner::takes(&*journal, epoch, 0).await;
        assert_eq!(owner.owned.epoch, Epoch(number + 1));
        assert_eq!(owner.owned.takeover, Slot(u64::from(number)), "takeovers may follow each other");
        assert_eq!(
            owner.next,
            key(number + 1, u64::from(number) + 1),
            "the chain goes on under the new epoch"
        );
        let name = Name::Entry(key(number, u64::from(number)));
        assert!(harness.handle().await.get(name).await.unwrap().is_some(), "under the old owner's epoch");
        expected.push(format!("T{}", number + 1));
    }
    assert_eq!(story(&*journal).await, expected.join(" "));
}

pub(super) async fn late_puts_of_the_old_owner<H: Harness>(harness: H) {
    let held = Held::new(harness.handle().await);
    let (one, other) = (journal_over(&held), open(&harness).await);
    let mut old = Owner::takes(&*one, 1, 0).await;
    old.append(&*one, "a").await;
    held.hold_puts();
    let appends = ["x", "y", "z"].map(|text| start(&one, old.records(text)));
    let puts = held.until(3).await;
    let mut new = Owner::takes(&*other, 2, 0).await;
    assert_eq!(new.owned.takeover, Slot(2));
    for _ in 0..2 {
        for put in puts.iter().rev() {
            held.go(*put).await;
        }
        new.append(&*other, "b c").await;
        assert_eq!(other.tail().await.unwrap().hash, new.previous);
    }
    let [x, ..] = appends;
    assert_eq!(x.await.unwrap(), Err(AppendError::Occupied(Slot(2))), "the first in line is fenced [3]");
    assert_eq!(story(&*open(&harness).await).await, "T1 a T2 b c b c");
}

pub(super) async fn gap_in_flight<H: Harness>(harness: H) {
    let held = Held::new(harness.handle().await);
    let (one, other) = (journal_over(&held), open(&harness).await);
    let mut old = Owner::takes(&*one, 1, 0).await;
    old.append(&*one, "a").await;
    held.hold_puts();
    let [x, y, z] = ["x", "y", "z"].map(|text| start(&one, old.records(text)));
    let puts = held.until(3).await;
    held.go(puts[2]).await;
    held.go(puts[1]).await;
    assert!(y.await.unwrap().is_ok() && z.await.unwrap().is_ok(), "they are durable, and not acknowledged");
    assert_eq!(other.tail().await.unwrap().next, key(1, 2), "entries over a gap do not count");
    let mut new = Owner::takes(&*other, 2, 0).await;
    new.append(&*other, "b c").await;
    held.go(puts[0]).await;
    assert_eq!(x.await.unwrap(), Err(AppendError::Occupied(Slot(2))));
    new.append(&*other, "d").await;
    assert_eq!(story(&*open(&harness).await).await, "T1 a T2 b c d");
}

pub(super) async fn scan_beside_the_own_takeover<H: Harness>(_: H) {
    // A scan stops at every call while its own carrier takes over; a zombie's entry waits for who reads the old keys.
    for first in 0..20 {
        let harness = H::fresh().await;
        let (one, held) = (open(&harness).await, Held::new(harness.handle().await));
        let journal = journal_over(&held);
        let mut old = Owner::takes(&*one, 1, 0).await;
        old.append(&*one, "a").await;
        old.records("x");
        one.append(old.records("zombie"), Written::ignore()).await.unwrap();
        held.hold_after(first);
        let scan = start_scan(&journal);
        while !scan.is_finished() && held.waiting().is_empty() {
            tokio::task::yield_now().await;
        }
        held.pass();
        let mut new = Owner::takes(&*journal, 2, 0).await;
        let b = new.append(&*journal, "b").await;
        let Some((call, _)) = held.waiting().pop() else { return };
        held.go(call).await;
        scan.await.unwrap().unwrap();
        let read = journal.read(Slot(3), 1).await.unwrap();
        assert_eq!(read[0].header, b, "stopped at call {first}");
    }
}

fn start_scan(journal: &Arc<impl Journal>) -> tokio::task::JoinHandle<Result<Tail, ReadError>> {
    let journal = Arc::clone(journal);
    tokio::spawn(async move { journal.tail().await })
}

pub(super) async fn rival_takeovers_at_one_tail<H: Harness>(harness: H) {
    let (left, right) = (Held::new(harness.handle().await), Held::new(harness.handle().await));
    let candidates = [(&left, 1), (&right, 2)].map(|(held, writer)| {
        held.hold_puts();
        let journal = journal_over(held);
        let task =
            tokio::spawn(async move { Owner::tries(&*journal, claim(writer, 0)).await.map(|o| o.owned) });
        (held, task)
    });
    // Both scanned the empty journal; the right one's put lands first.
    for (held, _) in &candidates {
        held.until(1).await;
    }
    right.go(0).await;
    left.go(0).await;
    left.go(left.until(1).await[0]).await;
    let [(_, loser), (_, winner)] = candidates;
    let (first, second) = (winner.await.unwrap().unwrap(), loser.await.unwrap().unwrap());
    assert_eq!((first.epoch, first.takeover), (Epoch(1), Slot(0)));
    assert_eq!((second.epoch, second.takeover), (Epoch(2), Slot(1)), "the other scanned again [8]");
    assert_ne!(first.nonce, second.nonce);
    assert_eq!(story(&*open(&harness).await).await, "T1 T2");
}

pub(super) async fn two_processes_with_one_id<H: Harness>(harness: H) {
    let (left, right) = (Held::new(harness.handle().await), Held::new(harness.handle().await));
    let claims = [(&left, 1), (&right, 2)].map(|(held, life)| {
        held.hold_puts();
        let journal = journal_over(held);
        tokio::spawn(async move { Owner::tries(&*journal, claim(5, life)).await })
    });
    left.until(1).await;
    right.until(1).await;
    left.go(0).await;
    right.go(0).await;
    left.pass();
    right.pass();
    let [one, other] = claims.map(|claim| async { claim.await.unwrap().expect("in turn") });
    let (mut one, mut other) = (one.await, other.await);
    assert_ne!(one.owned.epoch, other.owned.epoch, "only one of them owns an epoch");
    let fenced = one.tries_append(&*journal_over(&left), "x").await;
    assert_eq!(fenced, Err(AppendError::Occupied(Slot(1))));
    other.append(&*journal_over(&right), "a").await;
    assert_eq!(story(&*open(&harness).await).await, "T1 T2 a");
}

pub(super) async fn mine_means_identical_bytes<H: Harness>(harness: H) {
    let journal = open(&harness).await;
    let mut owner = Owner::takes(&*journal, 1, 0).await;
    let entry = owner.records("a");
    for _ in 0..3 {
        journal.append(entry.clone(), Written::ignore()).await.expect("own bytes are durable [4]");
    }
    let mut nonce = entry.clone();
    nonce.header.nonce = Nonce([77; 16]);
    let mut time = entry.clone();
    time.header.time_ms += 1;
    for other in [nonce, time] {
        let fenced = journal.append(other, Written::ignore()).await;
        assert_eq!(fenced, Err(AppendError::Occupied(Slot(1))));
    }
    assert_eq!(story(&*journal).await, "T1 a");
}

pub(super) async fn candidate_overtaken_by_an_append<H: Harness>(harness: H) {
    let held = Held::new(harness.handle().await);
    let (one, other) = (open(&harness).await, journal_over(&held));
    let mut old = Owner::takes(&*one, 1, 0).await;
    held.hold_puts();
    let candidate = tokio::spawn(async move { Owner::tries(&*other, claim(2, 0)).await });
    for (number, text) in ["a", "b", "c"].into_iter().enumerate() {
        held.until(1).await;
        old.append(&*one, text).await;
        held.go(number).await;
    }
    held.until(1).await;
    held.go(3).await;
    let new = candidate.await.unwrap().unwrap();
    assert_eq!((new.owned.epoch, new.owned.takeover), (Epoch(2), Slot(4)), "it scanned again each time [8]");
    let fenced = old.tries_append(&*one, "zombie").await;
    assert_eq!(fenced, Err(AppendError::Occupied(Slot(4))));
    assert_eq!(story(&*open(&harness).await).await, "T1 a b c T2");

    // A store where others are always faster is given up, not scanned for ever.
    let held = Held::new(harness.handle().await);
    let (one, other) = (open(&harness).await, journal_over(&held));
    let mut owner = Owner::takes(&*one, 1, 1).await;
    held.hold_puts();
    let candidate = tokio::spawn(async move { Owner::tries(&*other, claim(2, 1)).await.map(|_| ()) });
    while !candidate.is_finished() {
        if let Some((put, _)) = held.waiting().pop() {
            owner.append(&*one, "faster").await;
            held.go(put).await;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(candidate.await.unwrap(), Err(AcquireError::Overtaken));
}

pub(super) async fn epoch_is_never_resumed<H: Harness>(harness: H) {
    // The owner ends with a put on its way, and starts again in its second life.
    let held = Held::new(harness.handle().await);
    let first = journal_over(&held);
    let mut old = Owner::takes(&*first, 1, 0).await;
    old.append(&*first, "a").await;
    held.hold_puts();
    let append = start(&first, old.records("early"));
    let late = start(&first, old.records("late"));
    let puts = held.until(2).await;
    append.abort();
    late.abort();
    let second = open(&harness).await;
    let mut new = Owner::takes(&*second, 1, 1).await;
    assert_eq!((new.owned.epoch, new.owned.takeover), (Epoch(2), Slot(2)), "a new epoch [5]");
    new.append(&*second, "b").await;
    for put in puts.into_iter().rev() {
        held.go(put).await;
    }
    new.append(&*second, "c").await;
    assert_eq!(story(&*open(&harness).await).await, "T1 a T2 b c");

    // All processes end; what was acknowledged is there, and the next life has the next epoch.
    drop((first, second, held));
    harness.restart().await.expect("the store comes up again");
    let third = open(&harness).await;
    assert_eq!(story(&*third).await, "T1 a T2 b c");
    let mut owner = Owner::takes(&*third, 1, 2).await;
    assert_eq!((owner.owned.epoch, owner.owned.takeover), (Epoch(3), Slot(5)));
    owner.append(&*third, "d").await;
    drop(third);
    harness.restart().await.expect("the store comes up again");
    assert_eq!(story(&*open(&harness).await).await, "T1 a T2 b c T3 d");
    let driver = harness.handle().await;
    let taken = driver.put(Name::Entry(key(3, 6)), Vec::new(), Written::ignore()).await;
    assert!(matches!(taken, Err(PutError::Exists)), "a name stays taken over a restart: {taken:?}");
}

pub(super) async fn epochs_rise_above_the_claim<H: Harness>(harness: H) {
    let journal = open(&harness).await;
    let above = |epoch| crate::Claim { epoch_above: Epoch(epoch), ..claim(1, 0) };
    let one = Owner::tries(&*journal, above(41)).await.unwrap();
    assert_eq!((one.owned.epoch, one.next), (Epoch(42), key(42, 1)));
    let mut two = Owner::tries(&*journal, above(7)).await.unwrap();
    assert_eq!((two.owned.epoch, two.next), (Epoch(43), key(43, 2)));
    two.append(&*journal, "a").await;
    assert_eq!(story(&*open(&harness).await).await, "T42 T43 a");
}
