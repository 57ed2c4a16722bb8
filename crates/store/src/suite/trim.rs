//! Rule 6: checkpoints, head markers, and what a trim deletes.

use std::sync::Arc;

use klamm_model::{Epoch, Slot};

use super::{
    Fate::{LostAfter, LostBefore},
    Harness, Held, Lossy, Op, journal_over, open,
    owner::{Owner, head, story},
};
use crate::{AppendError, Carrier, Driver, Journal, Listing, Name, ReadError, Written};

pub(super) async fn entries<H: Harness>(harness: &H) -> Vec<(u32, u64)> {
    let names = harness.handle().await.list(Listing::EntriesBelow(Slot(u64::MAX))).await.unwrap();
    names
        .iter()
        .map(|name| if let Name::Entry(key) = name { (key.epoch.0, key.slot.0) } else { panic!() })
        .collect()
}

async fn heads<H: Harness>(harness: &H) -> Vec<Name> {
    harness.handle().await.list(Listing::Heads).await.unwrap()
}

/// A journal that had three owners: `T1 a b T2 c T3 d`.
async fn three_owners<H: Harness>(harness: &H) -> (Arc<Carrier<H::Driver>>, Owner) {
    let journal = open(harness).await;
    Owner::takes(&*journal, 1, 0).await.append(&*journal, "a b").await;
    Owner::takes(&*journal, 2, 0).await.append(&*journal, "c").await;
    let mut owner = Owner::takes(&*journal, 3, 0).await;
    owner.append(&*journal, "d").await;
    (journal, owner)
}

pub(super) async fn keeps_takeovers_only<H: Harness>(harness: H) {
    let (journal, mut owner) = three_owners(&harness).await;
    owner.trims(&*journal, "one").await;
    assert_eq!(
        entries(&harness).await,
        [(0, 0), (1, 3), (2, 5), (3, 7)],
        "takeovers and the checkpoint stay"
    );
    assert_eq!(heads(&harness).await, [Name::Head(Slot(7))]);
    owner.append(&*journal, "e").await;
    assert_eq!(story(&*journal).await, "@7 [one] e");
    // The next owner, which never saw the old takeovers, keeps them too; markers that a higher one replaced go.
    let fresh = open(&harness).await;
    let mut next = Owner::takes(&*fresh, 4, 0).await;
    next.append(&*fresh, "f").await;
    next.trims(&*fresh, "two").await;
    assert_eq!(entries(&harness).await, [(0, 0), (1, 3), (2, 5), (3, 9), (4, 11)]);
    assert_eq!(heads(&harness).await, [Name::Head(Slot(11))]);
    let head = fresh.head().await.unwrap().unwrap();
    assert_eq!((head.slot, head.key_epoch, &head.checkpoint[..]), (Slot(11), Epoch(4), &b"two"[..]));
    drop((journal, fresh));
    harness.restart().await.unwrap();
    assert_eq!(story(&*open(&harness).await).await, "@11 [two]");
}

pub(super) async fn trims_what_it_never_read<H: Harness>(harness: H) {
    // One handle knows nothing of the journal, one knows its first entries only.
    let early = open(&harness).await;
    Owner::takes(&*early, 1, 0).await.append(&*early, "a").await;
    let (journal, mut owner) = three_owners(&harness).await;
    let one = owner.checkpoint(&*journal, "one").await;
    let two = owner.checkpoint(&*journal, "two").await;
    open(&harness).await.trim(head(&one, "one")).await.unwrap();
    early.trim(head(&two, "two")).await.unwrap();
    assert_eq!(entries(&harness).await, [(0, 0), (1, 2), (2, 5), (3, 7), (4, 10)]);
    assert_eq!(story(&*open(&harness).await).await, "@10 [two]");
}

pub(super) async fn leftovers_of_fenced_owners_go<H: Harness>(harness: H) {
    let held = Held::new(harness.handle().await);
    let old = journal_over(&held);
    let mut zombie = Owner::takes(&*old, 1, 0).await;
    held.hold_puts();
    let puts = ["x", "y", "z"].map(|text| {
        let (journal, entry) = (Arc::clone(&old), zombie.records(text));
        tokio::spawn(async move { journal.append(entry, Written::ignore()).await })
    });
    let ids = held.until(3).await;
    let journal = open(&harness).await;
    let mut owner = Owner::takes(&*journal, 2, 0).await;
    held.go(ids[1]).await;
    held.go(ids[2]).await;
    owner.append(&*journal, "a b").await;
    owner.trims(&*journal, "c").await;
    assert_eq!(entries(&harness).await, [(0, 0), (1, 1), (2, 4)], "the leftovers at (1,2) and (1,3) went");
    held.go(ids[0]).await;
    let [x, ..] = puts;
    assert_eq!(x.await.unwrap(), Err(AppendError::Occupied(Slot(1))), "the takeover still fences");
    assert_eq!(story(&*journal).await, "@4 [c]");
}

pub(super) async fn marker_before_deletes<H: Harness>(harness: H) {
    let (_, mut owner) = three_owners(&harness).await;
    let held = Held::new(harness.handle().await);
    let journal = journal_over(&held);
    journal.tail().await.unwrap();
    let checkpoint = owner.checkpoint(&*journal, "c").await;
    let before = entries(&harness).await;
    held.hold(|op| matches!(op, Op::Put(Name::Head(_)) | Op::Delete));
    let trim = tokio::spawn({
        let journal = Arc::clone(&journal);
        async move { journal.trim(head(&checkpoint, "c")).await }
    });
    let marker = held.until(1).await[0];
    assert_eq!(held.waiting()[0].1, Op::Put(Name::Head(Slot(7))), "the marker comes first");
    assert_eq!(entries(&harness).await, before);
    held.go(marker).await;
    let delete = held.until(1).await[0];
    assert_eq!(held.waiting()[0].1, Op::Delete);
    assert_eq!(entries(&harness).await, before, "nothing goes before the marker is there");
    assert_eq!(story(&*open(&harness).await).await, "@7 [c]");
    held.go(delete).await;
    trim.await.unwrap().unwrap();

    // A marker whose answer is lost is there, or put again; one that is not there deletes nothing.
    let lossy = Lossy::new(harness.handle().await);
    let journal = journal_over(&lossy);
    owner.append(&*journal, "e").await;
    for fates in [&[LostBefore, LostBefore][..], &[LostAfter], &[LostBefore, LostAfter]] {
        let checkpoint = owner.checkpoint(&*journal, "c").await;
        lossy.next_puts(fates.iter().copied());
        journal.trim(head(&checkpoint, "c")).await.unwrap();
        lossy.next_puts([]);
        assert_eq!(journal.head().await.unwrap(), Some(head(&checkpoint, "c")));
        assert_eq!(heads(&harness).await.len(), 1);
    }
    let checkpoint = owner.checkpoint(&*journal, "d").await;
    let (before, marker) = (entries(&harness).await, heads(&harness).await);
    lossy.next_puts([LostBefore; 1000]);
    assert!(journal.trim(head(&checkpoint, "d")).await.is_err());
    assert_eq!((entries(&harness).await, heads(&harness).await), (before, marker));
    assert_eq!(story(&*open(&harness).await).await, "@11 [c] [d]");
}

pub(super) async fn cut_in_the_middle<H: Harness>(_: H) {
    for cut in 0..8 {
        let harness = H::fresh().await;
        let (journal, mut owner) = three_owners(&harness).await;
        owner.trims(&*journal, "one").await;
        owner.append(&*journal, "e f").await;
        drop(journal);
        let lossy = Lossy::new(harness.handle().await);
        let journal = journal_over(&lossy);
        journal.tail().await.unwrap();
        let checkpoint = owner.checkpoint(&*journal, "two").await;
        lossy.next_delete_only(cut);
        assert!(journal.trim(head(&checkpoint, "two")).await.is_err(), "it ended after {cut} deletions");
        drop((journal, lossy));
        harness.restart().await.unwrap();
        let journal = open(&harness).await;
        assert_eq!(story(&*journal).await, "@10 [two]");
        let mut next = Owner::takes(&*journal, 4, 0).await;
        next.append(&*journal, "g").await;
        next.trims(&*journal, "three").await;
        assert_eq!(
            entries(&harness).await,
            [(0, 0), (1, 3), (2, 5), (3, 11), (4, 13)],
            "the rest goes later"
        );
        assert_eq!(heads(&harness).await, [Name::Head(Slot(13))]);
        assert_eq!(story(&*journal).await, "@13 [three]");
    }
}

pub(super) async fn marker_below_its_checkpoint<H: Harness>(harness: H) {
    let (journal, mut owner) = three_owners(&harness).await;
    let e = owner.append(&*journal, "e").await;
    owner.append(&*journal, "f").await;
    owner.checkpoint(&*journal, "covers 7").await;
    journal.trim(head(&e, "covers 7")).await.unwrap();
    owner.append(&*journal, "g").await;
    for journal in [journal, open(&harness).await] {
        assert_eq!(story(&*journal).await, "@7 e f [covers 7] g");
        let marker = journal.head().await.unwrap().unwrap();
        assert_eq!((marker.slot, &marker.checkpoint[..]), (Slot(7), &b"covers 7"[..]));
    }
    assert_eq!(entries(&harness).await, [(0, 0), (1, 3), (2, 5), (3, 7), (3, 8), (3, 9), (3, 10)]);
    // A takeover may be the head too: it lives under the epoch before.
    let journal = open(&harness).await;
    let mut next = Owner::takes(&*journal, 4, 0).await;
    let takeover = journal.read(next.owned.takeover, 1).await.unwrap()[0].header;
    next.append(&*journal, "h").await;
    next.checkpoint(&*journal, "c").await;
    journal.trim(head(&takeover, "c")).await.unwrap();
    assert_eq!(story(&*open(&harness).await).await, "@11 T4 h [c]");
}

pub(super) async fn highest_marker_counts<H: Harness>(harness: H) {
    let (journal, mut owner) = three_owners(&harness).await;
    let early = owner.checkpoint(&*journal, "early").await;
    owner.append(&*journal, "e").await;
    let late = owner.trims(&*journal, "late").await;
    // The earlier trim's marker lands after the later one: it neither counts nor deletes.
    let other = open(&harness).await;
    other.tail().await.unwrap();
    other.trim(head(&early, "early")).await.unwrap();
    assert_eq!(journal.head().await.unwrap(), Some(head(&late, "late")));
    assert_eq!(story(&*open(&harness).await).await, "@9 [late]");
    assert_eq!(entries(&harness).await, [(0, 0), (1, 3), (2, 5), (3, 9)]);
    // The same trim once more is fine.
    other.trim(head(&late, "late")).await.unwrap();
    assert_eq!(heads(&harness).await, [Name::Head(Slot(9))]);
    owner.append(&*journal, "f").await;
    assert_eq!(story(&*open(&harness).await).await, "@9 [late] f");
    // A marker stands for ever, so another checkpoint can't have the same one: its writer must not think it has.
    owner.checkpoint(&*journal, "other").await;
    assert!(journal.trim(head(&late, "other")).await.is_err());
    assert_eq!(journal.head().await.unwrap(), Some(head(&late, "late")));
}

pub(super) async fn trimmed_is_said<H: Harness>(harness: H) {
    let (journal, mut owner) = three_owners(&harness).await;
    let stale = open(&harness).await;
    stale.tail().await.unwrap();
    owner.trims(&*journal, "k").await;
    let fresh = open(&harness).await;
    fresh.tail().await.unwrap();
    for (journal, slots) in [(&fresh, 0..7), (&stale, 1..3), (&journal, 1..3)] {
        for slot in slots {
            let read = journal.read(Slot(slot), 1000).await;
            assert_eq!(read, Err(ReadError::Trimmed { asked: Slot(slot), head: Slot(7) }));
        }
    }
}
