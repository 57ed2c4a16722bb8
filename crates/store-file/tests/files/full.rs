//! A disk that is really full: a small tmpfs. Not run where mounting is not allowed.

use std::{path::Path, process::Command};

use klamm_model::Slot;
use klamm_store::{PutError, SegmentId, Segments};
use klamm_store_file::{FileStore, Options};

use crate::temp::{SHARD, Temp, disk, entry, keys, no_fatal, put, put_head};

struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn tmpfs_full_and_freed() {
    let temp = Temp::new();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=5m", "tmpfs"])
        .arg(temp.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        klamm_testing::not_run("a tmpfs can't be mounted");
        return;
    }
    let mount = Mount(temp.path());
    let options = Options { file_bytes: 1 << 20, ..Options::default() };
    let open = || FileStore::open(disk(), temp.path(), SHARD, options.clone(), no_fatal());
    let opened = open().await.unwrap();
    let store = &opened.files;
    // Entries of 100 KiB, a file for each eight, until there is no room.
    let (mut slot, mut rolled) = (0, 0);
    loop {
        if store.active_bytes() > 800 << 10 && store.roll(Slot(slot)).await.is_ok() {
            store.seal(Slot(rolled)..Slot(slot), Vec::new()).await.unwrap();
            rolled = slot;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        if store.room() < 101 << 10 {
            break;
        }
        put(store, &entry(1, slot, &[5; 100 << 10])).await.expect("there was room");
        slot += 1;
        assert!(slot < 100, "the disk is never full");
    }
    assert!(slot > 35, "{slot} entries fit");
    put(store, &entry(1, slot, &[6; 60 << 10])).await.expect("the reserve");
    slot += 1;
    let refused = put(store, &entry(1, slot, &[7; 2 << 20])).await;
    assert!(
        matches!(&refused, Err(PutError::Refused(why)) if why.contains("cannot make the journal file longer"))
    );
    // Free space: the first file goes, and the room comes back by itself.
    put_head(store, rolled).await.unwrap();
    Segments::delete(&**store, SegmentId::sealed(Slot(0))).await.unwrap();
    let mut tries = 0;
    while store.room() < 200 << 10 {
        tries += 1;
        assert!(tries < 60, "room does not come back: {}", store.room());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    put(store, &entry(1, slot, &[8; 100 << 10])).await.unwrap();
    let before = keys(store).await;
    opened.files.close().await;
    let opened = open().await.unwrap();
    let from_head: Vec<_> = before.into_iter().filter(|(_, slot)| *slot >= rolled).collect();
    assert_eq!(keys(&opened.files).await, from_head);
    opened.files.close().await;
    drop(mount);
}
