//! Rolling, sealing, reading back; and crashes in between.

use std::{pin::Pin, sync::Arc};

use futures_util::future::join_all;
use klamm_model::{PartitionId, Slot, TopicId};
use klamm_store::{BatchAt, Place, SegmentError, SegmentId, SegmentInfo, Segments, Snapshots, flatten};
use klamm_store_file::FileStore;

use crate::temp::{Temp, entry, get, key, keys, put, put_head};

type Done = Result<(), String>;
type Batches = Vec<(PartitionId, BatchAt)>;

fn partition(number: u8) -> PartitionId {
    PartitionId { topic: TopicId([number; 16]), index: 1 }
}

/// The bytes of a batch, unlike any other's.
fn batch_bytes(number: u8, offset: i64) -> Vec<u8> {
    format!("<{number}:{offset}>").repeat(1 + offset as usize % 7).into_bytes()
}

/// Puts entries of epoch 1 at these slots, each with a batch of three partitions and something before each.
async fn fill(store: &FileStore, slots: std::ops::Range<u64>) -> Batches {
    let mut batches = Vec::new();
    for slot in slots {
        let mut payload = Vec::new();
        for number in [3, 1, 2] {
            payload.extend_from_slice(b"record header");
            let (at, bytes) = (payload.len() as u32, batch_bytes(number, slot as i64));
            payload.extend_from_slice(&bytes);
            let place = Place::Journal { key: key(1, slot), at };
            let (base_offset, bytes) = (slot as i64, bytes.len() as u32);
            batches.push((
                partition(number),
                BatchAt {
                    base_offset,
                    last_offset: base_offset,
                    max_timestamp: 1000 - base_offset,
                    place,
                    bytes,
                },
            ));
        }
        put(store, &entry(1, slot, &payload)).await.unwrap();
    }
    batches.sort_by_key(|(partition, batch)| (*partition, batch.base_offset));
    batches
}

/// All batches of the partitions in a segment are what was written.
async fn check(store: &FileStore, info: &SegmentInfo) {
    assert_eq!(info.extents.len(), 3);
    for extent in &info.extents {
        let number = extent.partition.topic.0[0];
        let batches = store.index(info.id, extent).await.unwrap();
        assert_eq!(batches.len(), extent.batches as usize);
        assert_eq!(
            (batches[0].base_offset, extent.max_timestamp),
            (extent.base_offset, 1000 - extent.base_offset)
        );
        let values = store.read(&batches).await.unwrap();
        for (batch, value) in batches.iter().zip(values) {
            assert_eq!(batch.segment(), Some(info.id));
            assert_eq!(flatten(value), batch_bytes(number, batch.base_offset));
        }
    }
}

#[tokio::test]
async fn sealed_files_are_read_back() {
    let temp = Temp::new();
    let opened = temp.open().await;
    let store = &opened.files;
    let first = fill(store, 0..100).await;
    let values = store.read(&first.iter().map(|(_, batch)| *batch).collect::<Vec<_>>()).await.unwrap();
    for ((partition, batch), value) in first.iter().zip(values) {
        assert_eq!(
            flatten(value),
            batch_bytes(partition.topic.0[0], batch.base_offset),
            "before it is sealed"
        );
    }
    assert!(store.unsealed().is_empty(), "the active file is not complete");
    let before = store.active_bytes();
    store.roll(Slot(100)).await.unwrap();
    store.roll(Slot(100)).await.unwrap();
    assert!(before > 100 * 96 && store.active_bytes() == 0);
    let second = fill(store, 100..150).await;
    store.roll(Slot(150)).await.unwrap();
    assert_eq!(store.unsealed(), [Slot(0)..Slot(100), Slot(100)..Slot(150)]);
    let wrong = store.seal(Slot(0)..Slot(150), Vec::new()).await;
    assert!(matches!(wrong, Err(SegmentError::Io(_))), "{wrong:?}");
    let mut infos = vec![store.seal(Slot(0)..Slot(100), first).await.unwrap()];
    assert_eq!(store.unsealed(), [Slot(100)..Slot(150)]);
    infos.push(store.seal(Slot(100)..Slot(150), second).await.unwrap());
    for (info, path) in infos.iter().zip(temp.logs()) {
        assert_eq!(info.bytes, path.metadata().unwrap().len(), "the preallocated rest is cut off");
    }
    fill(store, 150..160).await;
    for round in 0..2 {
        let opened = if round == 0 { &opened } else { &temp.open().await };
        assert_eq!(Segments::list(&*opened.files).await.unwrap(), infos);
        for info in &infos {
            check(&opened.files, info).await;
        }
        assert_eq!(keys(&opened.files).await.len(), 160, "the journal needs all until it is trimmed");
        assert_eq!(get(&opened.files, key(1, 99)).await.unwrap().header.key, key(1, 99));
        opened.files.close().await;
    }
}

#[tokio::test]
async fn deleted_only_below_the_head() {
    let temp = Temp::new();
    let opened = temp.open().await;
    let store = &opened.files;
    let batches = fill(store, 0..20).await;
    store.roll(Slot(20)).await.unwrap();
    let info = store.seal(Slot(0)..Slot(20), batches).await.unwrap();
    fill(store, 20..30).await;
    assert!(matches!(Segments::delete(&**store, info.id).await, Err(SegmentError::Io(_))));
    put_head(store, 20).await.unwrap();
    check(store, &info).await;
    let index = store.index(info.id, &info.extents[0]).await.unwrap();
    Segments::delete(&**store, info.id).await.unwrap();
    Segments::delete(&**store, info.id).await.unwrap();
    assert_eq!(store.index(info.id, &info.extents[0]).await, Err(SegmentError::Gone(info.id)));
    assert_eq!(store.read(&index).await, Err(SegmentError::Gone(info.id)));
    let journal = Place::Journal { key: key(1, 3), at: 0 };
    let read = store.read(&[BatchAt { place: journal, ..index[0] }]).await;
    assert_eq!(read, Err(SegmentError::Gone(SegmentId::sealed(Slot(3)))));
    assert_eq!((Segments::list(&**store).await.unwrap().len(), temp.logs().len()), (0, 1));
    opened.files.close().await;
    let opened = temp.open().await;
    assert_eq!(keys(&opened.files).await.len(), 10);
    opened.files.close().await;
    // The marker says which slots are needed: without it, or without a file, the shard does not open.
    let marker = std::fs::read(temp.path().join("head")).unwrap();
    std::fs::remove_file(temp.path().join("head")).unwrap();
    let error = temp.try_open(crate::temp::small()).await.err().unwrap().to_string();
    assert!(error.contains("the slots from 0 on, which are needed, are in no file"), "{error}");
    std::fs::write(temp.path().join("head"), marker).unwrap();
    std::fs::remove_file(&temp.logs()[0]).unwrap();
    let error = temp.try_open(crate::temp::small()).await.err().unwrap().to_string();
    assert!(error.contains("slot 20, the head, is in no file"), "{error}");
}

#[tokio::test]
async fn a_crash_while_sealing_leaves_a_file_to_seal_again() {
    let temp = Temp::fast();
    let opened = temp.open().await;
    let batches = fill(&opened.files, 0..5).await;
    opened.files.roll(Slot(5)).await.unwrap();
    fill(&opened.files, 5..6).await;
    opened.files.close().await;
    let path = temp.logs().remove(0);
    let unsealed = std::fs::read(&path).unwrap();
    let opened = temp.open().await;
    assert_eq!(opened.files.unsealed(), [Slot(0)..Slot(5)], "as it was before the restart");
    let info = opened.files.seal(Slot(0)..Slot(5), batches.clone()).await.unwrap();
    opened.files.close().await;
    let sealed = std::fs::read(&path).unwrap();
    let end = (0..sealed.len()).find(|at| sealed[*at] != unsealed[*at]).unwrap();
    for cut in end..sealed.len() {
        // The footer up to here, then what was preallocated; or the file was cut already.
        let mut longer = unsealed.clone();
        longer[..cut].copy_from_slice(&sealed[..cut]);
        for bytes in [&longer[..], &sealed[..cut]] {
            std::fs::write(&path, bytes).unwrap();
            let opened = temp.open().await;
            assert_eq!(opened.files.unsealed(), [Slot(0)..Slot(5)], "cut at {cut}");
            assert_eq!(keys(&opened.files).await.len(), 6, "cut at {cut}");
            let again = opened.files.seal(Slot(0)..Slot(5), batches.clone()).await.unwrap();
            assert_eq!(again, info);
            opened.files.close().await;
            assert!(std::fs::read(&path).unwrap() == sealed, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn a_damaged_index_is_said() {
    let temp = Temp::new();
    let opened = temp.open().await;
    let batches = fill(&opened.files, 0..5).await;
    opened.files.roll(Slot(5)).await.unwrap();
    let info = opened.files.seal(Slot(0)..Slot(5), batches).await.unwrap();
    opened.files.close().await;
    let path = temp.logs().remove(0);
    let sealed = std::fs::read(&path).unwrap();
    let mut bytes = sealed.clone();
    bytes[info.extents[1].index_at as usize + 40] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let opened = temp.open().await;
    opened.files.index(info.id, &info.extents[0]).await.unwrap();
    let read = opened.files.index(info.id, &info.extents[1]).await;
    assert!(
        matches!(read, Err(SegmentError::Damaged { id: SegmentId { first: Slot(0), generation: 0 }, .. })),
        "{read:?}"
    );
    opened.files.close().await;
    let mut bytes = sealed.clone();
    let at = sealed.len() - 64 - 20;
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let opened = temp.open().await;
    let list = Segments::list(&*opened.files).await;
    assert!(
        matches!(list, Err(SegmentError::Damaged { id: SegmentId { first: Slot(0), generation: 0 }, .. })),
        "{list:?}"
    );
    // A trailer that broke off is written again; one that broke after the trim is damage.
    fill(&opened.files, 5..6).await;
    opened.files.close().await;
    let mut broken = sealed.clone();
    *broken.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &broken).unwrap();
    let opened = temp.open().await;
    assert_eq!(opened.files.unsealed(), [Slot(0)..Slot(5)]);
    put_head(&opened.files, 5).await.unwrap();
    opened.files.close().await;
    let error = temp.try_open(crate::temp::small()).await.err().unwrap().to_string();
    assert!(error.contains("its trailer is not valid, yet the journal was trimmed above it"), "{error}");
}

#[tokio::test]
async fn rolls_and_puts_keep_their_order_without_waiting_for_each_other() {
    let temp = Temp::new();
    let opened = temp.open().await;
    let store = &opened.files;
    // All are polled at once, in this order; the spare is not there for each roll.
    let put_at = |slot| {
        Box::pin(async move { put(store, &entry(1, slot, &[1; 30_000])).await.map_err(|e| e.to_string()) })
    };
    let roll = |at| Box::pin(async move { store.roll(Slot(at)).await.map_err(|e| e.to_string()) });
    let mut all: Vec<Pin<Box<dyn Future<Output = Done>>>> = Vec::new();
    for round in 0..10_u64 {
        for slot in round * 5..round * 5 + 5 {
            all.push(put_at(slot));
        }
        all.push(roll(round * 5 + 5));
    }
    for result in join_all(all).await {
        result.unwrap();
    }
    let ranges: Vec<_> = (0..10).map(|round| Slot(round * 5)..Slot(round * 5 + 5)).collect();
    assert_eq!(store.unsealed(), ranges);
    for slot in 0..50 {
        let (path, ..) = temp.find(key(1, slot)).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(name, format!("{:020}.log", slot / 5 * 5));
    }
    assert!(store.roll(Slot(3)).await.is_err(), "a slot of an earlier file");
    put(store, &entry(1, 50, b"x")).await.unwrap();
    opened.files.close().await;
    let opened = temp.open().await;
    assert_eq!((opened.report.files, opened.report.entries), (11, 51));
    assert_eq!(opened.files.unsealed(), ranges);
    opened.files.close().await;
}

#[tokio::test]
async fn readers_go_on_while_files_grow_roll_and_go() {
    let temp = Temp::new();
    let opened = temp.open().await;
    let store = Arc::clone(&opened.files);
    let reader = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut reads = 0;
            loop {
                for info in Segments::list(&*store).await.unwrap() {
                    for extent in &info.extents {
                        let Ok(batches) = store.index(info.id, extent).await else { continue };
                        match store.read(&batches).await {
                            Ok(values) => {
                                for (batch, value) in batches.iter().zip(values) {
                                    let number = extent.partition.topic.0[0];
                                    assert_eq!(flatten(value), batch_bytes(number, batch.base_offset));
                                }
                                reads += 1;
                            }
                            Err(SegmentError::Gone(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                if store.active_bytes() == 0 && reads > 100 {
                    return reads;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    for round in 0..20_u64 {
        let slots = Slot(round * 10)..Slot(round * 10 + 10);
        let batches = fill(&store, slots.start.0..slots.end.0).await;
        store.roll(slots.end).await.unwrap();
        store.seal(slots.clone(), batches).await.unwrap();
        if round > 2 {
            put_head(&store, round * 10 - 20).await.unwrap();
            Segments::delete(&*store, SegmentId::sealed(Slot(round * 10 - 30))).await.unwrap();
        }
    }
    assert!(reader.await.unwrap() > 100);
    store.close().await;
}

#[tokio::test]
async fn snapshots_come_back_or_are_said_to_be_damaged() {
    let temp = Temp::new();
    let opened = temp.open().await;
    let store: &dyn Snapshots = &*opened.files;
    for name in ["a", "b.c/../d", "0123abcd"] {
        store.put(name, name.repeat(1000).into_bytes().into()).await.unwrap();
        store.put(name, name.repeat(1000).into_bytes().into()).await.unwrap();
    }
    opened.files.close().await;
    let opened = temp.open().await;
    let store: &dyn Snapshots = &*opened.files;
    let mut names = store.list().await.unwrap();
    names.sort();
    assert_eq!(names, ["0123abcd", "a", "b.c/../d"]);
    assert_eq!(store.get("b.c/../d").await.unwrap(), "b.c/../d".repeat(1000));
    store.delete("a").await.unwrap();
    store.delete("a").await.unwrap();
    assert!(store.get("a").await.is_err());
    let path = temp.path().join("snapshots/0123abcd");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[700] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = store.get("0123abcd").await.unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
    opened.files.close().await;
}
