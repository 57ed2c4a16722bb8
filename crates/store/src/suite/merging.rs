//! Merging: what is needed is read back equal, what is not is gone, and nobody ever gets other bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use klamm_model::{Epoch, Offset, PartitionId, Slot, TopicId};

use super::{Harness, SHARD};
use crate::{
    BatchAt, Driver, Entry, EntryHash, EntryKind, Header, Key, Listing, Merge, Name, Nonce, Place,
    SegmentError, SegmentId, SegmentInfo, Segments, Written, entry::crc32c, flatten,
};

/// Slots in a file; each has a batch of two offsets of every partition.
const FILE_SLOTS: u64 = 10;
const PARTITIONS: [u8; 4] = [3, 1, 4, 2];

fn partition(number: u8) -> PartitionId {
    PartitionId { topic: TopicId([number; 16]), index: 1 }
}

/// The bytes of a batch, unlike any other's. A few are larger than what is read at once.
fn bytes_of(number: u8, base_offset: Offset) -> Bytes {
    let times = if number == 4 && base_offset == 8 { 30_000 } else { 1 + base_offset as usize % 7 };
    Bytes::from(format!("<{number}:{base_offset}>").repeat(times))
}

fn is_whole(batch: &BatchAt, bytes: &Bytes) -> bool {
    PARTITIONS.iter().any(|number| bytes_of(*number, batch.base_offset) == bytes)
}

fn refuses_offset_24(batch: &BatchAt, bytes: &Bytes) -> bool {
    is_whole(batch, bytes) && batch.base_offset != 24
}

/// A store with sealed files, and those of them that the journal lets go of.
struct Files<H: Harness> {
    harness: H,
    store: Arc<H::Driver>,
    infos: Vec<SegmentInfo>,
}

impl<H: Harness<Driver: Segments>> Files<H> {
    /// `count` files and an active one; the head is in the active one.
    async fn fill(harness: H, count: u64) -> Self {
        let store = harness.handle().await;
        let mut infos = Vec::new();
        for file in 0..count {
            let slots = Slot(file * FILE_SLOTS)..Slot((file + 1) * FILE_SLOTS);
            let mut batches = Vec::new();
            for slot in slots.start.0..slots.end.0 {
                batches.extend(put(&*store, slot).await);
            }
            batches.sort_by_key(|(partition, batch)| (*partition, batch.base_offset));
            store.roll(slots.end).await.unwrap();
            infos.push(store.seal(slots, batches).await.unwrap());
        }
        put(&*store, count * FILE_SLOTS).await;
        Self { harness, store, infos }
    }

    async fn trim(&self, head: u64) {
        let marker = vec![Bytes::from_static(b"marker")];
        Driver::put(&*self.store, Name::Head(Slot(head)), marker, Written::ignore()).await.unwrap();
        let below = Driver::list(&*self.store, Listing::EntriesBelow(Slot(head))).await.unwrap();
        Driver::delete(&*self.store, &below).await.unwrap();
    }

    /// A store that is trimmed up to its active file.
    async fn trimmed(harness: H, count: u64) -> Self {
        let files = Self::fill(harness, count).await;
        files.trim(count * FILE_SLOTS).await;
        files
    }

    fn merge(&self, inputs: &[SegmentId], keep: &[(u8, Offset)]) -> Merge {
        let keep = keep.iter().map(|(number, from)| (partition(*number), *from)).collect::<BTreeMap<_, _>>();
        Merge { inputs: inputs.to_vec(), keep, check: is_whole }
    }

    fn ids(&self, files: Range<usize>) -> Vec<SegmentId> {
        self.infos[files].iter().map(|info| info.id).collect()
    }

    async fn delete_replaced(&self) {
        for id in self.store.replaced() {
            Segments::delete(&*self.store, id).await.unwrap();
        }
        assert_eq!(self.store.replaced(), []);
    }

    /// All processes end, and the store comes up again.
    async fn restart(self) -> Self {
        let Self { harness, store, infos } = self;
        drop(store);
        harness.restart().await.unwrap();
        let store = harness.handle().await;
        Self { harness, store, infos }
    }

    async fn list(&self) -> Vec<SegmentInfo> {
        Segments::list(&*self.store).await.unwrap()
    }

    /// A partition's batches in these segments.
    async fn batches(&self, infos: &[SegmentInfo], number: u8) -> Vec<BatchAt> {
        let mut batches = Vec::new();
        for info in infos {
            for extent in info.extents.iter().filter(|extent| extent.partition == partition(number)) {
                let some = self.store.index(info.id, extent).await.unwrap();
                assert_eq!(some.len(), extent.batches as usize);
                assert_eq!(some.iter().map(|batch| u64::from(batch.bytes)).sum::<u64>(), extent.bytes);
                assert_eq!(
                    (some[0].base_offset, some[some.len() - 1].last_offset),
                    (extent.base_offset, extent.last_offset)
                );
                assert_eq!(some.iter().map(|batch| batch.max_timestamp).max(), Some(extent.max_timestamp));
                assert!(some.iter().all(|batch| batch.segment() == Some(info.id)));
                batches.extend(some);
            }
        }
        batches
    }

    /// The segments have exactly these offsets of a partition, with their bytes.
    async fn check(&self, infos: &[SegmentInfo], number: u8, offsets: Range<Offset>) {
        let batches = self.batches(infos, number).await;
        let bases: Vec<Offset> = batches.iter().map(|batch| batch.base_offset).collect();
        assert_eq!(bases, offsets.clone().step_by(2).collect::<Vec<_>>(), "partition {number}");
        let values = self.store.read(&batches).await.unwrap();
        for (batch, value) in batches.iter().zip(values) {
            assert_eq!(
                (batch.last_offset, batch.max_timestamp),
                (batch.base_offset + 1, 1000 - batch.base_offset)
            );
            assert!(flatten(value) == bytes_of(number, batch.base_offset), "partition {number}, {batch:?}");
        }
    }
}

/// Puts the entry of a slot; gives its batches.
async fn put(store: &impl Driver, slot: u64) -> Vec<(PartitionId, BatchAt)> {
    let (mut payload, mut batches) = (Vec::new(), Vec::new());
    let key = Key { epoch: Epoch(1), slot: Slot(slot) };
    for number in PARTITIONS {
        payload.extend_from_slice(b"record header");
        let base_offset = slot as Offset * 2;
        let bytes = bytes_of(number, base_offset);
        let place = Place::Journal { key, at: payload.len() as u32 };
        payload.extend_from_slice(&bytes);
        let batch = BatchAt {
            base_offset,
            last_offset: base_offset + 1,
            max_timestamp: 1000 - base_offset,
            place,
            bytes: bytes.len() as u32,
        };
        batches.push((partition(number), batch));
    }
    let header = Header {
        kind: EntryKind::Records,
        shard: SHARD,
        key,
        epoch: Epoch(1),
        writer: 1,
        nonce: Nonce([1; 16]),
        previous: EntryHash(0),
        durable: Slot(slot),
        time_ms: 0,
        payload_bytes: payload.len() as u32,
        payload_crc: crc32c([&payload[..]]),
    };
    let entry = Entry { header, payload: vec![payload.into()] };
    store.put(Name::Entry(key), entry.encode(), Written::ignore()).await.unwrap();
    batches
}

pub(super) async fn needed_is_kept_and_the_rest_goes<H: Harness<Driver: Segments>>(harness: H) {
    let mut files = Files::trimmed(harness, 4).await;
    let mut old = Vec::new();
    for number in PARTITIONS {
        old.extend(files.batches(&files.infos, number).await);
    }
    let before = files.store.read(&old).await.unwrap();
    // 1 is whole; the log of 2 begins in the second file, within a batch; 3 begins after all; the topic of 4 is gone.
    let merge = files.merge(&files.ids(0..3), &[(1, 0), (2, 25), (3, 1000)]);
    let info = files.store.merge(&merge).await.unwrap().expect("something is left");
    assert_eq!(info.id, SegmentId { first: Slot(0), generation: 1 });
    assert_eq!(info.slots, Slot(0)..Slot(30));
    let names: Vec<_> = info.extents.iter().map(|extent| extent.partition).collect();
    assert_eq!(names, [partition(1), partition(2)]);
    assert!(info.bytes < files.infos[..3].iter().map(|info| info.bytes).sum::<u64>());
    assert!(files.store.read(&old).await.unwrap() == before, "the inputs are there until they are deleted");
    let last = files.infos[3].clone();
    for round in 0..3 {
        let list = files.list().await;
        assert_eq!(list, [info.clone(), last.clone()]);
        files.check(&list, 1, 0..80).await;
        files.check(&list, 2, 24..80).await;
        files.check(&list, 3, 60..80).await;
        match round {
            0 => {
                assert_eq!(files.store.replaced(), files.ids(0..3));
                files.delete_replaced().await;
                for batch in &old {
                    let gone = batch.segment().filter(|id| *id != last.id);
                    let read = files.store.read(&[*batch]).await;
                    assert_eq!(read.is_ok(), gone.is_none());
                    assert_eq!(read.err(), gone.map(SegmentError::Gone));
                }
                let index = files.store.index(files.infos[0].id, &files.infos[0].extents[0]).await;
                assert_eq!(index, Err(SegmentError::Gone(files.infos[0].id)));
            }
            _ => files = files.restart().await,
        }
    }
    let mut keys = Driver::list(&*files.store, Listing::EntriesBelow(Slot(1000))).await.unwrap();
    assert_eq!(keys.pop(), Some(Name::Entry(Key { epoch: Epoch(1), slot: Slot(40) })), "the journal goes on");
    put(&*files.store, 41).await;
}

pub(super) async fn runs_are_sorted<H: Harness<Driver: Segments>>(harness: H) {
    let files = Files::trimmed(harness, 5).await;
    let keep = PARTITIONS.map(|number| (number, 0));
    let info = files.store.merge(&files.merge(&files.ids(0..5), &keep)).await.unwrap().unwrap();
    let mut last = None;
    for number in [1, 2, 3, 4] {
        files.check(std::slice::from_ref(&info), number, 0..100).await;
        for batch in files.batches(std::slice::from_ref(&info), number).await {
            let Place::Segment { position, .. } = batch.place else { panic!("{batch:?}") };
            assert!(last < Some(position), "by partition, then by offset");
            last = Some(position);
        }
    }
}

pub(super) async fn nothing_left_is_nothing_written<H: Harness<Driver: Segments>>(harness: H) {
    let files = Files::trimmed(harness, 2).await;
    let merge = files.merge(&files.ids(0..2), &[(1, 40), (2, 1000)]);
    assert_eq!(files.store.merge(&merge).await, Ok(None));
    assert_eq!((files.list().await, files.store.replaced()), (files.infos.clone(), vec![]));
}

pub(super) async fn what_the_journal_needs_is_refused<H: Harness<Driver: Segments>>(harness: H) {
    let files = Files::fill(harness, 3).await;
    let merge = files.merge(&files.ids(1..3), &[(1, 0)]);
    for head in [None, Some(10), Some(29)] {
        if let Some(head) = head {
            files.trim(head).await;
        }
        let refused = files.store.merge(&merge).await;
        assert!(matches!(refused, Err(SegmentError::Io(_))), "{refused:?}");
        assert_eq!((files.list().await, files.store.replaced()), (files.infos.clone(), vec![]));
    }
    files.trim(30).await;
    files.store.merge(&merge).await.unwrap().unwrap();
}

pub(super) async fn damage_is_not_copied<H: Harness<Driver: Segments>>(harness: H) {
    let files = Files::trimmed(harness, 3).await;
    let mut merge = files.merge(&files.ids(0..3), &[(1, 0), (2, 0)]);
    merge.check = refuses_offset_24;
    let refused = files.store.merge(&merge).await;
    let Err(SegmentError::Damaged { id, what }) = refused else { panic!("{refused:?}") };
    assert_eq!(id, files.infos[1].id);
    assert!(what.contains("offset 24"), "{what}");
    assert_eq!((files.list().await, files.store.replaced()), (files.infos.clone(), vec![]));
    files.check(&files.infos, 1, 0..60).await;
    // What is not needed is not looked at, nor are others.
    merge.keep = BTreeMap::from([(partition(1), 26)]);
    let info = files.store.merge(&merge).await.unwrap().unwrap();
    files.check(&[info], 1, 26..60).await;
}

pub(super) async fn merged_segments_merge_again<H: Harness<Driver: Segments>>(harness: H) {
    let mut files = Files::trimmed(harness, 5).await;
    let first = files.store.merge(&files.merge(&files.ids(0..2), &[(1, 0), (2, 30)])).await.unwrap().unwrap();
    let second =
        files.store.merge(&files.merge(&files.ids(3..5), &[(1, 0), (2, 30)])).await.unwrap().unwrap();
    assert_eq!(files.list().await, [first.clone(), files.infos[2].clone(), second.clone()]);
    // With what the first two replaced still there.
    let inputs = [first.id, files.infos[2].id, second.id];
    let third = files.store.merge(&files.merge(&inputs, &[(1, 33), (2, 30)])).await.unwrap().unwrap();
    assert_eq!((third.id.generation, third.slots.clone()), (2, Slot(0)..Slot(50)));
    assert_eq!(files.store.replaced().len(), 7);
    for _ in 0..2 {
        assert_eq!(files.list().await, std::slice::from_ref(&third));
        files.check(std::slice::from_ref(&third), 1, 32..100).await;
        files.check(std::slice::from_ref(&third), 2, 30..100).await;
        files = files.restart().await;
        files.delete_replaced().await;
    }
    // Alone, too; and what is dead is deleted as any other.
    let last = files.store.merge(&files.merge(&[third.id], &[(2, 90)])).await.unwrap().unwrap();
    files.delete_replaced().await;
    files.check(std::slice::from_ref(&last), 2, 90..100).await;
    Segments::delete(&*files.store, last.id).await.unwrap();
    Segments::delete(&*files.store, last.id).await.unwrap();
    files = files.restart().await;
    assert_eq!(files.list().await, []);
}

pub(super) async fn over_a_gap<H: Harness<Driver: Segments>>(harness: H) {
    let mut files = Files::trimmed(harness, 4).await;
    for dead in [1, 2] {
        Segments::delete(&*files.store, files.infos[dead].id).await.unwrap();
    }
    let inputs = [files.infos[0].id, files.infos[3].id];
    let info = files.store.merge(&files.merge(&inputs, &[(1, 0)])).await.unwrap().unwrap();
    assert_eq!(info.slots, Slot(0)..Slot(40));
    files.delete_replaced().await;
    files = files.restart().await;
    assert_eq!(files.list().await, std::slice::from_ref(&info));
    let bases: Vec<_> = files.batches(&[info], 1).await.iter().map(|batch| batch.base_offset).collect();
    assert_eq!(bases, (0..20).chain(60..80).step_by(2).collect::<Vec<_>>());
    let lost = files.merge(&[SegmentId::sealed(Slot(10))], &[(1, 0)]);
    assert_eq!(files.store.merge(&lost).await, Err(SegmentError::Gone(SegmentId::sealed(Slot(10)))));
}

pub(super) async fn readers_race_with_merges<H: Harness<Driver: Segments>>(harness: H) {
    let files = Files::trimmed(harness, 8).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, stopped) = (Arc::clone(&files.store), stopped.clone());
            tokio::spawn(async move {
                let (mut whole, mut gone) = (0, 0);
                while !*stopped.borrow() || whole == 0 {
                    for info in Segments::list(&*store).await.unwrap() {
                        for extent in &info.extents {
                            let Ok(batches) = store.index(info.id, extent).await else { continue };
                            tokio::task::yield_now().await;
                            match store.read(&batches).await {
                                Ok(values) => {
                                    for (batch, value) in batches.iter().zip(values) {
                                        let number = extent.partition.topic.0[0];
                                        assert!(flatten(value) == bytes_of(number, batch.base_offset));
                                    }
                                    whole += 1;
                                }
                                Err(SegmentError::Gone(_)) => gone += 1,
                                Err(error) => panic!("{error}"),
                            }
                        }
                    }
                    tokio::task::yield_now().await;
                }
                (whole, gone)
            })
        })
        .collect();
    let keep = PARTITIONS.map(|number| (number, 20));
    for round in 0..6 {
        let list = files.list().await;
        let inputs: Vec<_> = list.iter().take(2).map(|info| info.id).collect();
        let merged = files.store.merge(&files.merge(&inputs, &keep)).await.unwrap();
        assert!(merged.is_some(), "round {round}");
        files.delete_replaced().await;
    }
    let _ = stop.send(true);
    for reader in readers {
        assert!(reader.await.unwrap().0 > 0);
    }
    let list = files.list().await;
    assert_eq!(list.iter().map(|info| info.id).collect::<BTreeSet<_>>().len(), 2);
    for number in PARTITIONS {
        files.check(&list, number, 20..160).await;
    }
}
