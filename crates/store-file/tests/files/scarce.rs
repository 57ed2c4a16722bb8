//! Space or open files run out at the worst moment: at the first write of a new file, and before a roll that waits.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use klamm_model::Slot;
use klamm_store::{
    Driver, Name, PutError, SegmentError, SegmentId, Segments, SnapshotError, Snapshots, Written,
};
use tokio::sync::Semaphore;

use crate::{
    faults::{open, open_again, spare, start},
    temp::{Temp, entry, get, key, keys, put},
};

/// After a roll whose first write failed: nothing more is acknowledged, and what was is there after a restart.
async fn first_write_fails(arrange: impl FnOnce(&crate::faults::Faults)) {
    let temp = Temp::new();
    let (opened, faults, messages) = open(&temp).await;
    let store = &opened.files;
    spare(&faults).await;
    arrange(&faults);
    store.roll(Slot(1)).await.expect("there was a spare");
    let mut acknowledged = vec![(1, 0)];
    for slot in [1, 2] {
        if put(store, &entry(1, slot, &[7; 500])).await.is_ok() {
            acknowledged.push((1, slot));
        }
    }
    opened.files.close().await;
    let opened = temp.open().await;
    for (epoch, slot) in acknowledged {
        assert!(get(&opened.files, key(epoch, slot)).await.is_some(), "slot {slot} was acknowledged");
    }
    put(&opened.files, &entry(2, 9, b"it goes on")).await.unwrap();
    opened.files.close().await;
    let messages = messages.lock();
    assert!(matches!(&messages[..], [one] if one.contains("cannot make")), "{messages:?}");
}

#[tokio::test]
async fn a_new_file_whose_name_is_not_known_to_be_durable_ends_everything() {
    for number in [23, 24, 28] {
        first_write_fails(|faults| faults.rename_error.store(number, Ordering::Relaxed)).await;
    }
}

#[tokio::test]
async fn a_new_file_whose_header_has_no_space_ends_everything() {
    for bytes in [1, 32, 100] {
        first_write_fails(|faults| faults.write_full_after.store(bytes, Ordering::Relaxed)).await;
    }
}

/// Linux's numbers.
const EIO: i32 = 5;
const EMFILE: i32 = 24;

#[tokio::test]
async fn a_directory_that_cannot_be_read_is_damage() {
    let temp = Temp::new();
    let (opened, ..) = open(&temp).await;
    opened.files.roll(Slot(1)).await.unwrap();
    let info = opened.files.seal(Slot(0)..Slot(1), Vec::new()).await.unwrap();
    opened.files.close().await;
    let (opened, faults) = open_again(&temp).await;
    faults.open_error.store(EMFILE, Ordering::Relaxed);
    let scarce = Segments::list(&*opened.files).await;
    assert!(matches!(&scarce, Err(SegmentError::Io(what)) if what.contains(".log")), "{scarce:?}");
    let is_damage = async || {
        let list = Segments::list(&*opened.files).await;
        let named = |id: &SegmentId, what: &String| *id == info.id && what.contains(".log");
        assert!(matches!(&list, Err(SegmentError::Damaged { id, what }) if named(id, what)), "{list:?}");
    };
    faults.open_error.store(EIO, Ordering::Relaxed);
    is_damage().await;
    faults.open_error.store(0, Ordering::Relaxed);
    faults.read_error.store(EIO, Ordering::Relaxed);
    is_damage().await;
    faults.read_error.store(0, Ordering::Relaxed);
    assert_eq!(Segments::list(&*opened.files).await.unwrap(), [info]);
    opened.files.close().await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_opened_now_is_neither_damaged_nor_missing() {
    let temp = Temp::new();
    let (opened, faults, _) = open(&temp).await;
    let store: &dyn Snapshots = &*opened.files;
    store.put("chunk", "bytes".into()).await.unwrap();
    faults.open_error.store(EMFILE, Ordering::Relaxed);
    let scarce = store.get("chunk").await;
    assert!(matches!(&scarce, Err(SnapshotError::Io { name, .. }) if name == "chunk"), "{scarce:?}");
    faults.open_error.store(EIO, Ordering::Relaxed);
    let damaged = store.get("chunk").await;
    assert!(matches!(&damaged, Err(SnapshotError::Damaged { name, .. }) if name == "chunk"), "{damaged:?}");
    faults.open_error.store(0, Ordering::Relaxed);
    assert_eq!(store.get("chunk").await.unwrap(), "bytes");
    assert_eq!(store.get("other").await, Err(SnapshotError::Missing("other".to_owned())));
    opened.files.close().await;
}

/// Slot 1 was refused, and the roll behind it too: the next entry at slot 1 lies in the file before the roll's.
async fn nothing_is_misfiled(store: &klamm_store_file::FileStore, temp: &Temp, first: u64) {
    let slot = first + 1;
    put(store, &entry(2, slot, b"takeover")).await.unwrap();
    // A store that knows of no space says so at once, and looks for some.
    let rolls = async {
        while let Err(error) = store.roll(Slot(slot + 1)).await {
            assert!(matches!(error, SegmentError::Full(_)), "{error:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), rolls).await.expect("there is space again");
    put(store, &entry(2, slot + 1, b"next")).await.unwrap();
    assert_eq!(store.unsealed().last(), Some(&(Slot(first)..Slot(slot + 1))));
    for (slot, file) in [(slot, first), (slot + 1, slot + 1)] {
        let (path, ..) = temp.find(key(2, slot)).expect("it is written");
        assert!(path.ends_with(format!("{file:020}.log")), "slot {slot} is in {}", path.display());
    }
}

#[tokio::test]
async fn a_roll_behind_a_put_that_found_no_space_is_refused_with_it() {
    let temp = Temp::new();
    let (opened, faults, messages) = open(&temp).await;
    let store = &opened.files;
    spare(&faults).await;
    let (large, behind) = (entry(1, 1, &[1; 100_000]), entry(1, 2, b"behind"));
    // Growth fails, also once the spare was given up for it; then somebody makes space.
    faults.refusals.store(3, Ordering::Relaxed);
    let mut refused = Box::pin(put(store, &large));
    assert!(start(&mut refused).await.is_none());
    let mut roll = Box::pin(store.roll(Slot(2)));
    assert!(start(&mut roll).await.is_none());
    let mut last = Box::pin(put(store, &behind));
    assert!(start(&mut last).await.is_none());
    assert!(matches!(refused.await, Err(PutError::Refused(_))));
    let roll = roll.await;
    assert!(matches!(roll, Err(SegmentError::Io(_))), "{roll:?}");
    assert!(matches!(last.await, Err(PutError::Refused(_))), "its slot would be after a hole");
    nothing_is_misfiled(store, &temp, 0).await;
    assert!(messages.lock().is_empty(), "nothing of it is fatal");
    opened.files.close().await;
    let opened = temp.open().await;
    assert_eq!(keys(&opened.files).await, [(1, 0), (2, 1), (2, 2)]);
    opened.files.close().await;
}

#[tokio::test]
async fn a_roll_behind_a_write_that_broke_off_is_refused_with_it() {
    let temp = Temp::new();
    let (opened, faults, messages) = open(&temp).await;
    let store = &opened.files;
    spare(&faults).await;
    let gate = Arc::new(Semaphore::new(0));
    *faults.allocations.lock() = Some(Arc::clone(&gate));
    store.roll(Slot(1)).await.expect("there was a spare");
    put(store, &entry(1, 1, b"x")).await.unwrap();
    faults.write_full_after.store(50, Ordering::Relaxed);
    let broken = entry(1, 2, &[1; 300]);
    let mut refused = Box::pin(put(store, &broken));
    assert!(start(&mut refused).await.is_none());
    let mut roll = Box::pin(store.roll(Slot(3)));
    assert!(start(&mut roll).await.is_none(), "it waits for the next file");
    assert!(matches!(refused.await, Err(PutError::Refused(_))));
    gate.add_permits(100);
    let roll = roll.await;
    assert!(roll.is_err(), "{roll:?}");
    nothing_is_misfiled(store, &temp, 1).await;
    assert!(messages.lock().is_empty(), "nothing of it is fatal");
    opened.files.close().await;
}

/// Its answer is on its way to whoever asks for the roll.
#[tokio::test]
async fn a_roll_right_after_a_write_that_broke_off_is_refused() {
    let temp = Temp::new();
    let (opened, faults, messages) = open(&temp).await;
    let store = &opened.files;
    spare(&faults).await;
    faults.write_full_after.store(50, Ordering::Relaxed);
    let refused = put(store, &entry(1, 1, &[1; 300])).await;
    assert!(matches!(refused, Err(PutError::Refused(_))), "{refused:?}");
    let roll = store.roll(Slot(4)).await;
    assert!(matches!(roll, Err(SegmentError::Io(_))), "{roll:?}");
    nothing_is_misfiled(store, &temp, 0).await;
    assert!(messages.lock().is_empty(), "nothing of it is fatal");
    opened.files.close().await;
}

#[tokio::test]
async fn a_roll_right_after_a_put_that_found_no_space_is_refused_though_there_is_space_again() {
    let temp = Temp::new();
    let (opened, faults, messages) = open(&temp).await;
    let store = &opened.files;
    spare(&faults).await;
    faults.refusals.store(3, Ordering::Relaxed);
    let refused = put(store, &entry(1, 1, &[1; 100_000])).await;
    assert!(matches!(refused, Err(PutError::Refused(_))), "{refused:?}");
    let rolls = async {
        loop {
            match store.roll(Slot(2)).await {
                Err(SegmentError::Full(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                roll => return roll,
            }
        }
    };
    let roll = tokio::time::timeout(Duration::from_secs(20), rolls).await.expect("there is space again");
    assert!(matches!(roll, Err(SegmentError::Io(_))), "{roll:?}");
    nothing_is_misfiled(store, &temp, 0).await;
    assert!(messages.lock().is_empty(), "nothing of it is fatal");
    opened.files.close().await;
}

#[tokio::test]
async fn entries_end_where_they_did_before_a_sync_that_found_no_space() {
    let temp = Temp::new();
    let (opened, faults, messages) = open(&temp).await;
    let store = &opened.files;
    spare(&faults).await;
    faults.sync_full.store(true, Ordering::Relaxed);
    let (written, told) = Written::channel(); // for that the sync is a step of its own
    let refused =
        Driver::put(&**store, Name::Entry(key(1, 1)), entry(1, 1, &[1; 300]).encode(), written).await;
    assert!(matches!(refused, Err(PutError::Refused(_))), "{refused:?}");
    told.await.expect("it was written");
    store.roll(Slot(1)).await.unwrap();
    store.seal(Slot(0)..Slot(1), Vec::new()).await.unwrap();
    put(store, &entry(2, 1, b"takeover")).await.unwrap();
    assert!(messages.lock().is_empty(), "nothing of it is fatal");
    opened.files.close().await;
    let opened = temp.open().await;
    assert_eq!((&opened.report.gaps, opened.report.torn_bytes), (&vec![], 0));
    assert_eq!(keys(&opened.files).await, [(1, 0), (2, 1)]);
    opened.files.close().await;
}

#[tokio::test]
async fn entries_are_taken_back_while_the_file_grows() {
    let temp = Temp::new();
    let (opened, faults, messages) = open(&temp).await;
    let store = &opened.files;
    spare(&faults).await;
    let gate = Arc::new(Semaphore::new(0));
    *faults.allocations.lock() = Some(Arc::clone(&gate));
    faults.write_full_after.store(50, Ordering::Relaxed);
    let (broken, large) = (entry(1, 1, &[1; 300]), entry(1, 2, &[2; 100_000]));
    let mut refused = Box::pin(put(store, &broken));
    assert!(start(&mut refused).await.is_none());
    let mut behind = Box::pin(put(store, &large));
    assert!(start(&mut behind).await.is_none(), "it waits for a longer file");
    assert!(matches!(refused.await, Err(PutError::Refused(_))));
    assert!(matches!(behind.await, Err(PutError::Refused(_))), "its slot would be after a hole");
    let mut roll = Box::pin(store.roll(Slot(1)));
    assert!(start(&mut roll).await.is_none(), "the file is in work");
    gate.add_permits(100);
    roll.await.unwrap();
    put(store, &entry(1, 1, b"x")).await.unwrap();
    assert!(messages.lock().is_empty(), "nothing of it is fatal");
    opened.files.close().await;
    let opened = temp.open().await;
    assert_eq!((keys(&opened.files).await.len(), opened.report.torn_bytes), (2, 0));
    opened.files.close().await;
}
