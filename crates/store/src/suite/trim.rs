//! Rules 6, 7 and 9: checkpoints, head markers, and what a trim may do to scans and takeovers under way.

use std::sync::Arc;

use klamm_model::{Epoch, Slot};

use super::{
    Fate::{LostAfter, LostBefore},
    Harness, Held, Lossy, Op, journal_over, open,
    owner::{Owner, claim, head, key, story},
};
use crate::{
    AppendError, Carrier, Driver, Header, Journal, Listing, Name, PutError, ReadError, Tail, Written,
};

/// More calls than any scan or takeover of these small journals makes.
const CALLS_MAX: usize = 200;

async fn entries<H: Harness>(harness: &H) -> Vec<(u32, u64)> {
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

pub(super) async fn zombie_lands_after_a_trim<H: Harness>(harness: H) {
    // All of the old owner's puts, those that landed before too, come once more after the trim.
    let held = Held::new(harness.handle().await);
    let old = journal_over(&held);
    let mut zombie = Owner::takes(&*old, 1, 0).await;
    held.hold_puts();
    let appends: Vec<_> = ["a", "b", "x", "y"]
        .map(|text| {
            let (journal, entry) = (Arc::clone(&old), zombie.records(text));
            tokio::spawn(async move { journal.append(entry, Written::ignore()).await })
        })
        .into();
    let puts = held.until(4).await;
    held.go(puts[0]).await;
    held.go(puts[1]).await;
    let journal = open(&harness).await;
    let mut owner = Owner::takes(&*journal, 2, 0).await;
    owner.append(&*journal, "c").await;
    owner.trims(&*journal, "k").await;
    assert_eq!(entries(&harness).await, [(0, 0), (1, 3), (2, 5)]);
    for _ in 0..2 {
        for put in &puts {
            held.go(*put).await;
        }
        owner.append(&*journal, "d").await;
        assert_eq!(journal.tail().await.unwrap().hash, owner.previous);
    }
    let mut answers = Vec::new();
    for append in appends {
        answers.push(append.await.unwrap());
    }
    assert_eq!(answers[2], Err(AppendError::Occupied(Slot(3))), "fenced after the trim as before it");
    assert_eq!(story(&*open(&harness).await).await, "@5 [k] d d");
    owner.trims(&*journal, "l").await;
    assert_eq!(
        entries(&harness).await,
        [(0, 0), (1, 3), (2, 8)],
        "what the zombie left goes with the next trim"
    );
}

pub(super) async fn late_takeover_into_a_trimmed_slot<H: Harness>(harness: H) {
    let held = Held::new(harness.handle().await);
    let (one, other) = (open(&harness).await, journal_over(&held));
    let mut old = Owner::takes(&*one, 1, 0).await;
    old.append(&*one, "a").await;
    held.hold_puts();
    let candidate = tokio::spawn({
        let other = Arc::clone(&other);
        async move { Owner::tries(&*other, claim(2, 0)).await }
    });
    held.until(1).await;
    assert_eq!(held.waiting()[0].1, Op::Put(Name::Entry(key(1, 2))), "it saw the tail at slot 2");
    old.append(&*one, "b c").await;
    old.trims(&*one, "k").await;
    held.go(0).await;
    let landed = entries(&harness).await.contains(&(1, 2));
    assert_eq!(
        landed,
        !H::FREED_SLOTS_STAY_TAKEN,
        "whether the takeover landed in the freed slot, answered Ok"
    );
    let again = held.until(1).await[0];
    assert!(!candidate.is_finished(), "and yet its writer does not own the shard [9]");
    old.append(&*one, "d").await;
    held.go(again).await;
    held.go(held.until(1).await[0]).await;
    held.pass();
    let mut new = candidate.await.unwrap().unwrap();
    assert_eq!(new.owned.takeover, Slot(6));
    new.append(&*other, "e").await;
    assert_eq!(old.tries_append(&*one, "zombie").await, Err(AppendError::Occupied(Slot(6))));
    assert_eq!(story(&*open(&harness).await).await, format!("@4 [k] d T{} e", new.owned.epoch));
    new.trims(&*other, "l").await;
    assert_eq!(story(&*open(&harness).await).await, "@8 [l]");
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

/// A journal that the owner goes on with, and what it held at every moment.
struct Busy<D> {
    journal: Arc<Carrier<D>>,
    owner: Owner,
    headers: Vec<Header>,
}

impl<D: Driver> Busy<D> {
    /// Appends, checkpoints, trims all that is older, appends.
    async fn goes_on(&mut self) -> Result<(), AppendError> {
        for text in ["a", "b"] {
            self.headers.push(self.owner.tries_append(&*self.journal, text).await?);
        }
        self.headers.push(self.owner.trims(&*self.journal, "k").await);
        self.headers.push(self.owner.tries_append(&*self.journal, "c").await?);
        Ok(())
    }
}

/// A journal with one owner, which trimmed before or not.
async fn busy<H: Harness>(harness: &H, trimmed: bool) -> Busy<H::Driver> {
    let journal = open(harness).await;
    let mut busy = Busy { owner: Owner::takes(&*journal, 1, 0).await, journal, headers: Vec::new() };
    if trimmed {
        busy.goes_on().await.unwrap();
    }
    busy.headers.push(busy.owner.append(&*busy.journal, "d e").await);
    busy
}

/// The pairs of calls between which the owner works: the first one, and how many later the second.
fn moments() -> impl Iterator<Item = (bool, usize, usize)> {
    [false, true].into_iter().flat_map(|trimmed| {
        (0..CALLS_MAX).flat_map(move |first| [0, 1, 2, 5, 9].map(|second| (trimmed, first, second)))
    })
}

pub(super) async fn scan_during_trims<H: Harness>(_: H) {
    let mut past_the_end = [false; 2];
    for (trimmed, first, second) in moments() {
        if past_the_end[usize::from(trimmed)] {
            continue;
        }
        let harness = H::fresh().await;
        let mut busy = busy(&harness, trimmed).await;
        let held = Held::new(harness.handle().await);
        let reader = journal_over(&held);
        held.hold_after(first);
        let scan = tokio::spawn(async move { reader.tail().await });
        let (earliest, mut stops) = (busy.owner.next.slot, 0);
        while !scan.is_finished() {
            if let Some((call, _)) = held.waiting().pop() {
                stops += 1;
                busy.goes_on().await.unwrap();
                if stops == 1 {
                    held.hold_after(second);
                }
                held.go(call).await;
            }
            tokio::task::yield_now().await;
        }
        past_the_end[usize::from(trimmed)] = stops == 0;
        let tail: Tail = scan.await.unwrap().unwrap_or_else(|error| {
            panic!("a scan stopped at call {first}, then {second} later (trimmed before: {trimmed}): {error}")
        });
        let last = busy.headers.iter().find(|header| header.key.slot.next() == tail.next.slot);
        assert!(tail.next.slot >= earliest, "the scan sees what was durable before it, not {:?}", tail.next);
        assert_eq!(last.map(Header::hash).unwrap_or_default(), tail.hash, "at {:?}", tail.next);
    }
}

pub(super) async fn acquire_during_trims<H: Harness>(_: H) {
    let mut past_the_end = [false; 2];
    for (trimmed, first, second) in moments() {
        if past_the_end[usize::from(trimmed)] {
            continue;
        }
        let harness = H::fresh().await;
        let mut busy = busy(&harness, trimmed).await;
        let held = Held::new(harness.handle().await);
        let other = journal_over(&held);
        held.hold_after(first);
        let candidate = tokio::spawn({
            let other = Arc::clone(&other);
            async move { Owner::tries(&*other, claim(2, 0)).await }
        });
        let (mut stops, mut fenced) = (0, false);
        while !candidate.is_finished() {
            if let Some((call, _)) = held.waiting().pop() {
                stops += 1;
                fenced = fenced || busy.goes_on().await.is_err();
                if stops == 1 {
                    held.hold_after(second);
                }
                held.go(call).await;
            }
            tokio::task::yield_now().await;
        }
        held.pass();
        past_the_end[usize::from(trimmed)] = stops == 0;
        let at = format!("stopped at call {first}, then {second} later (trimmed before: {trimmed})");
        let mut new = candidate.await.unwrap().unwrap_or_else(|error| panic!("{at}: {error}"));
        let zombie = fenced || busy.owner.tries_append(&*busy.journal, "zombie").await.is_err();
        assert!(zombie, "two owners: {at}");
        new.append(&*other, "new").await;
        let told = story(&*open(&harness).await).await;
        assert!(
            told.ends_with(&format!("T{} new", new.owned.epoch)) && !told.contains("zombie"),
            "{at}: {told}"
        );
        let before = told.find(" T2").map_or(&told[..], |end| &told[..end]);
        let acknowledged = busy.headers.iter().filter(|header| header.key.slot < new.owned.takeover).count();
        assert_eq!(acknowledged, busy.headers.len(), "{at}: an acknowledged entry is off the chain {before}");
    }
}

pub(super) async fn trim_during_a_takeover<H: Harness>(_: H) {
    // The old owner's trim stops at every call; meanwhile another takes over, and trims too.
    for first in 0..CALLS_MAX {
        let harness = H::fresh().await;
        let held = Held::new(harness.handle().await);
        let (one, other) = (journal_over(&held), open(&harness).await);
        let mut old = Owner::takes(&*one, 1, 0).await;
        old.append(&*one, "a b").await;
        let checkpoint = old.checkpoint(&*one, "old").await;
        held.hold_after(first);
        let trim = tokio::spawn({
            let one = Arc::clone(&one);
            async move { one.trim(head(&checkpoint, "old")).await }
        });
        while !trim.is_finished() && held.waiting().is_empty() {
            tokio::task::yield_now().await;
        }
        let mut new = Owner::takes(&*other, 2, 0).await;
        new.append(&*other, "c").await;
        new.trims(&*other, "new").await;
        new.append(&*other, "d").await;
        let stopped = held.waiting().pop();
        if let Some((call, _)) = stopped {
            held.go(call).await;
        }
        held.pass();
        trim.await.unwrap().unwrap();
        assert_eq!(story(&*open(&harness).await).await, "@6 [new] d", "stopped at call {first}");
        assert!(entries(&harness).await.starts_with(&[(0, 0), (1, 4)]), "takeovers stay");
        let zombie = Owner { durable: Slot(4), ..old }.tries_append(&*one, "zombie").await;
        assert_eq!(zombie, Err(AppendError::Occupied(Slot(4))));
        let driver = harness.handle().await;
        let head_again = driver.put(Name::Head(Slot(6)), Vec::new(), Written::ignore()).await;
        assert!(matches!(head_again, Err(PutError::Exists)), "the highest marker is never deleted");
        if stopped.is_none() {
            return;
        }
    }
}
