//! What a driver and a journal do when nothing goes wrong.

use std::sync::Arc;

use bytes::Bytes;
use klamm_model::Slot;

use super::{
    Harness, journal_over, open,
    owner::{Owner, chain, key, story},
};
use crate::{Driver, EntryHash, EntryKind, Journal, Listing, Name, PutError, Tail, Value, Written, flatten};

fn value(text: &str) -> Value {
    vec![Bytes::copy_from_slice(text.as_bytes())]
}

pub(super) async fn empty_journal<H: Harness>(harness: H) {
    let journal = open(&harness).await;
    let empty = Tail { next: key(0, 0), hash: EntryHash::default(), head: None };
    assert_eq!(journal.tail().await.unwrap(), empty);
    assert_eq!(journal.head().await.unwrap(), None);
    assert_eq!(journal.read(Slot(0), 1000).await.unwrap(), []);
}

pub(super) async fn append_read_tail<H: Harness>(harness: H) {
    let journal = open(&harness).await;
    let mut owner = Owner::takes(&*journal, 1, 0).await;
    assert_eq!((owner.owned.takeover, owner.next), (Slot(0), key(1, 1)));
    owner.append(&*journal, "a b c").await;
    let tail = Tail { next: key(1, 4), hash: owner.previous, head: None };
    assert_eq!(journal.tail().await.unwrap(), tail);
    assert_eq!(story(&*journal).await, "T1 a b c");
    let from_two = journal.read(Slot(2), 1 << 20).await.unwrap();
    assert_eq!(from_two.iter().map(|e| e.header.key.slot.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(journal.read(Slot(4), 1 << 20).await.unwrap(), [], "nothing at the tail");
}

pub(super) async fn reads_are_bounded<H: Harness>(harness: H) {
    let journal = open(&harness).await;
    let mut owner = Owner::takes(&*journal, 1, 0).await;
    owner.append(&*journal, "a b c d e").await;
    assert_eq!(journal.read(Slot(1), 0).await.unwrap().len(), 1, "at least one entry");
    assert_eq!(journal.read(Slot(1), 1).await.unwrap().len(), 1);
    assert_eq!(journal.read(Slot(1), 97).await.unwrap().len(), 1, "an entry of one byte has 97");
    assert_eq!(journal.read(Slot(1), 98).await.unwrap().len(), 2, "until the bytes are passed");
    for bytes_max in [0, 98, 250] {
        assert_eq!(chain(&*journal, bytes_max).await.unwrap().1.len(), 6, "in pieces of {bytes_max} bytes");
    }
}

pub(super) async fn large_entries<H: Harness>(harness: H) {
    let journal = open(&harness).await;
    let mut owner = Owner::takes(&*journal, 1, 0).await;
    // Compressible by nothing, aligned to nothing, in pieces; the second one is empty.
    for bytes in [0, 1, 4095, 65_537, 5_000_001] {
        let noise: Vec<u8> =
            (0..bytes).map(|i: u64| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let whole = Bytes::from(noise);
        let middle = whole.len() / 3;
        let pieces = vec![whole.slice(..middle), Bytes::new(), whole.slice(middle..)];
        let entry = owner.entry(EntryKind::Records, pieces);
        let (header, slot) = (entry.header, entry.header.key.slot);
        journal.append(entry, Written::ignore()).await.unwrap();
        let fresh = open(&harness).await;
        fresh.tail().await.unwrap();
        for journal in [&journal, &fresh] {
            let back = journal.read(slot, 1).await.unwrap().remove(0);
            assert_eq!(back.header, header);
            assert!(back.payload.concat() == whole, "{bytes} bytes come back as they were");
        }
    }
}

pub(super) async fn handles_share_one_store<H: Harness>(harness: H) {
    let (one, other) = (open(&harness).await, open(&harness).await);
    let mut owner = Owner::takes(&*one, 1, 0).await;
    for texts in ["a", "b c"] {
        owner.append(&*one, texts).await;
        assert_eq!(other.tail().await.unwrap().hash, owner.previous, "what was appended is seen at once");
    }
    assert_eq!(story(&*other).await, "T1 a b c");
}

pub(super) async fn many_in_flight<H: Harness>(harness: H) {
    let journal = open(&harness).await;
    let mut owner = Owner::takes(&*journal, 1, 0).await;
    let mut appends = Vec::new();
    for number in 0..100 {
        let (journal, entry) = (Arc::clone(&journal), owner.records(&number.to_string()));
        appends.push(tokio::spawn(async move { journal.append(entry, Written::ignore()).await }));
    }
    for append in appends {
        append.await.unwrap().unwrap();
    }
    let texts: Vec<String> = (0..100).map(|number: u32| number.to_string()).collect();
    assert_eq!(story(&*open(&harness).await).await, format!("T1 {}", texts.join(" ")));
}

pub(super) async fn put_if_absent_has_one_winner<H: Harness>(harness: H) {
    // Entries of different owners for one key, as rivals put them; then head markers of one slot.
    let journal = journal_over(&harness.handle().await);
    let owner = Owner::takes(&*journal, 1, 0).await;
    for name in [Name::Entry(key(1, 1)), Name::Head(Slot(0))] {
        let mut puts = Vec::new();
        for writer in 0..16 {
            let (driver, mut rival) =
                (harness.handle().await, Owner { writer, owned: owner.owned.clone(), ..owner });
            let value = rival.records(&format!("of {writer}")).encode();
            let put = tokio::spawn({
                let value = value.clone();
                async move { driver.put(name, value, Written::ignore()).await }
            });
            puts.push((put, value));
        }
        let mut winners = Vec::new();
        for (put, value) in puts {
            match put.await.unwrap() {
                Ok(()) => winners.push(flatten(value)),
                Err(PutError::Exists) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(winners.len(), 1, "one put of {name:?} wins");
        for _ in 0..2 {
            let kept = harness.handle().await.get(name).await.unwrap().map(flatten);
            assert_eq!(kept, Some(winners[0].clone()), "the winner's bytes stay");
            let driver = harness.handle().await;
            let late = driver.put(name, value("late"), Written::ignore()).await;
            assert!(matches!(late, Err(PutError::Exists)), "{late:?}");
        }
    }
}

/// Entries under three key-epochs, as takeovers leave them: (0,0) (1,1) (1,2) (1,3) (2,4) (2,5), and head markers.
async fn three_epochs<H: Harness>(harness: &H) -> Arc<H::Driver> {
    let driver = harness.handle().await;
    let journal = journal_over(&driver);
    let mut first = Owner::takes(&*journal, 1, 0).await;
    first.append(&*journal, "a b").await;
    let mut second = Owner::takes(&*journal, 2, 0).await;
    second.append(&*journal, "c d").await;
    for slot in [300, 2, 17] {
        driver.put(Name::Head(Slot(slot)), value("any"), Written::ignore()).await.unwrap();
    }
    driver
}

pub(super) async fn listings_are_sorted_and_exact<H: Harness>(harness: H) {
    let driver = three_epochs(&harness).await;
    let entries =
        |keys: &[(u32, u64)]| -> Vec<Name> { keys.iter().map(|k| Name::Entry(key(k.0, k.1))).collect() };
    let heads: Vec<Name> = [2, 17, 300].map(|slot| Name::Head(Slot(slot))).to_vec();
    assert_eq!(driver.list(Listing::Heads).await.unwrap(), heads);
    for (slot, keys) in [
        (0, &[][..]),
        (1, &[(0, 0)]),
        (4, &[(0, 0), (1, 1), (1, 2), (1, 3)]),
        (5, &[(0, 0), (1, 1), (1, 2), (1, 3), (2, 4)]),
        (u64::MAX, &[(0, 0), (1, 1), (1, 2), (1, 3), (2, 4), (2, 5)]),
    ] {
        assert_eq!(
            driver.list(Listing::EntriesBelow(Slot(slot))).await.unwrap(),
            entries(keys),
            "below {slot}"
        );
    }
    for ((epoch, slot), keys) in [
        ((0, 0), &[(0, 0), (1, 1), (1, 2), (1, 3), (2, 4), (2, 5)][..]),
        ((0, 1), &[(1, 1), (1, 2), (1, 3), (2, 4), (2, 5)]),
        ((1, 0), &[(1, 1), (1, 2), (1, 3), (2, 4), (2, 5)]),
        ((1, 2), &[(1, 2), (1, 3), (2, 4), (2, 5)]),
        ((1, 300), &[(2, 4), (2, 5)]),
        ((2, 5), &[(2, 5)]),
        ((2, 6), &[]),
        ((9, 0), &[]),
    ] {
        let listing = Listing::EntriesFrom(key(epoch, slot));
        assert_eq!(driver.list(listing).await.unwrap(), entries(keys), "{listing:?}");
    }
}

pub(super) async fn deleted_reads_as_absent<H: Harness>(harness: H) {
    let driver = three_epochs(&harness).await;
    let gone =
        [Name::Entry(key(1, 1)), Name::Entry(key(2, 4)), Name::Head(Slot(17)), Name::Entry(key(5, 77))];
    for _ in 0..2 {
        driver.delete(&gone).await.expect("what is not there is fine");
        for name in gone {
            assert_eq!(harness.handle().await.get(name).await.unwrap(), None);
        }
    }
    let below = driver.list(Listing::EntriesBelow(Slot(5))).await.unwrap();
    assert_eq!(below, [(0, 0), (1, 2), (1, 3)].map(|(epoch, slot)| Name::Entry(key(epoch, slot))));
    assert_eq!(driver.list(Listing::Heads).await.unwrap(), [Name::Head(Slot(2)), Name::Head(Slot(300))]);
    assert!(driver.get(Name::Entry(key(1, 2))).await.unwrap().is_some(), "its neighbour stays");
}

pub(super) async fn written_is_told<H: Harness>(harness: H) {
    let journal = open(&harness).await;
    let mut owner = Owner::takes(&*journal, 1, 0).await;
    let (written, told) = Written::channel();
    journal.append(owner.records("a"), written).await.unwrap();
    // Told, or dropped where written and durable coincide; in no case still open.
    let _ =
        tokio::time::timeout(std::time::Duration::from_secs(5), told).await.expect("the token is used up");
}
