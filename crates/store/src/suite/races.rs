//! Rules 6, 7 and 9 when they are needed: late puts, scans, takeovers and other trims while a trim is under way.

use std::sync::Arc;

use klamm_model::Slot;

use super::{
    Harness, Held, Op, journal_over, open,
    owner::{Owner, claim, head, key, story},
    trim::entries,
};
use crate::{AppendError, Carrier, Driver, Header, Journal, Name, PutError, Tail, Written};

/// More calls than any scan or takeover of these small journals makes.
const CALLS_MAX: usize = 200;

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

/// How many gets a scan makes at a time.
const GETS_AHEAD: [usize; 2] = [1, 4];

/// Of what a run is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    trimmed: bool,
    gets_ahead: usize,
}

/// The pairs of calls between which the owner works: the first one, and how many later the second.
fn moments() -> impl Iterator<Item = (Case, usize, usize)> {
    let cases = [false, true].map(|trimmed| GETS_AHEAD.map(|gets_ahead| Case { trimmed, gets_ahead }));
    cases.into_iter().flatten().flat_map(|case| {
        (0..CALLS_MAX).flat_map(move |first| [0, 1, 2, 5, 9].map(|second| (case, first, second)))
    })
}

pub(super) async fn scan_during_trims<H: Harness>(_: H) {
    let mut past_the_end = None;
    for (case, first, second) in moments() {
        if past_the_end == Some(case) {
            continue;
        }
        let harness = H::fresh().await;
        let mut busy = busy(&harness, case.trimmed).await;
        let held = Held::ahead(harness.handle().await, case.gets_ahead);
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
        past_the_end = (stops == 0).then_some(case);
        let tail: Tail = scan.await.unwrap().unwrap_or_else(|error| {
            panic!("a scan stopped at call {first}, then {second} later ({case:?}): {error}")
        });
        let last = busy.headers.iter().find(|header| header.key.slot.next() == tail.next.slot);
        assert!(tail.next.slot >= earliest, "the scan sees what was durable before it, not {:?}", tail.next);
        assert_eq!(last.map(Header::hash).unwrap_or_default(), tail.hash, "at {:?}", tail.next);
    }
}

pub(super) async fn acquire_during_trims<H: Harness>(_: H) {
    let mut past_the_end = None;
    for (case, first, second) in moments() {
        if past_the_end == Some(case) {
            continue;
        }
        let harness = H::fresh().await;
        let mut busy = busy(&harness, case.trimmed).await;
        let held = Held::ahead(harness.handle().await, case.gets_ahead);
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
        past_the_end = (stops == 0).then_some(case);
        let at = format!("stopped at call {first}, then {second} later ({case:?})");
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
