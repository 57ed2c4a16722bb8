//! Merging and what may come between: a crash after any step, a full disk, damage, files of other releases.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use klamm_env::{Disk, File, FolderLock, OpenMode, OsDisk};
use klamm_model::{PartitionId, Slot, TopicId};
use klamm_store::{BatchAt, Merge, Place, SegmentError, SegmentId, SegmentInfo, Segments, flatten};
use klamm_store_file::{FileStore, Opened};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::{
    faults::start,
    temp::{SHARD, Temp, entry, key, no_fatal, put, put_head, small},
};

/// A disk that does so many changes and then none: what a process does before it is killed.
struct Mortal {
    changes_left: AtomicU64,
    full: AtomicBool,
    /// A file takes a permit before it gets another name.
    renames: Semaphore,
    renames_asked: AtomicU64,
    /// Files with writes that were not synced.
    unsynced: Mutex<Vec<PathBuf>>,
}

impl Mortal {
    fn change(&self) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let left =
            self.changes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::Error::from_raw_os_error(5))
    }
}

struct MortalDisk(Arc<Mortal>);
struct MortalFile(Arc<dyn File>, PathBuf, Arc<Mortal>);

#[async_trait]
impl Disk for MortalDisk {
    async fn create_folder(&self, path: &Path) -> io::Result<()> {
        OsDisk::default().create_folder(path).await
    }
    async fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        OsDisk::default().list(folder).await
    }
    async fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsDisk::default().read(path).await
    }
    async fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OsDisk::default().replace(path, bytes).await
    }
    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.change()?;
        assert!(!self.0.unsynced.lock().iter().any(|path| path == from), "named before it is durable");
        self.0.renames_asked.fetch_add(1, Ordering::Relaxed);
        self.0.renames.acquire().await.expect("never closed").forget();
        OsDisk::default().rename(from, to).await
    }
    async fn remove(&self, path: &Path) -> io::Result<()> {
        // Removing frees space.
        if !self.0.full.load(Ordering::Relaxed) {
            self.0.change()?;
        }
        OsDisk::default().remove(path).await
    }
    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if mode == OpenMode::Create {
            self.0.change()?;
        }
        Ok(Arc::new(MortalFile(
            OsDisk::default().open(path, mode).await?,
            path.to_owned(),
            Arc::clone(&self.0),
        )))
    }
    async fn lock(&self, folder: &Path) -> io::Result<Box<dyn FolderLock>> {
        OsDisk::default().lock(folder).await
    }
}

#[async_trait]
impl File for MortalFile {
    fn write_at(&self, position: u64, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.2.change()?;
        self.2.unsynced.lock().push(self.1.clone());
        self.0.write_at(position, slices)
    }
    async fn read_at(&self, position: u64, bytes: usize) -> io::Result<Bytes> {
        self.0.read_at(position, bytes).await
    }
    async fn sync_data(&self) -> io::Result<()> {
        self.2.change()?;
        self.2.unsynced.lock().retain(|path| *path != self.1);
        self.0.sync_data().await
    }
    async fn size(&self) -> io::Result<u64> {
        self.0.size().await
    }
    async fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.2.change()?;
        self.0.allocate(bytes).await
    }
    async fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.2.change()?;
        self.0.truncate(bytes).await
    }
}

fn partition(number: u8) -> PartitionId {
    PartitionId { topic: TopicId([number; 16]), index: 0 }
}

fn value(number: u8, offset: i64) -> Vec<u8> {
    format!("[{number} at {offset}]").repeat(20).into_bytes()
}

fn is_whole(batch: &BatchAt, bytes: &Bytes) -> bool {
    [1, 2].iter().any(|number| value(*number, batch.base_offset) == *bytes)
}

/// Three files of five slots, trimmed, each with a batch of two partitions in each slot; and an active one.
async fn filled(temp: &Temp) -> Vec<SegmentInfo> {
    let opened = temp.open().await;
    let (store, mut infos) = (&opened.files, Vec::new());
    for file in 0..3 {
        let mut batches = Vec::new();
        for slot in file * 5..file * 5 + 5 {
            let mut payload = Vec::new();
            for number in [2, 1] {
                let (at, bytes, offset) = (payload.len() as u32, value(number, slot as i64), slot as i64);
                payload.extend_from_slice(&bytes);
                let place = Place::Journal { key: key(1, slot), at };
                let bytes = bytes.len() as u32;
                let batch =
                    BatchAt { base_offset: offset, last_offset: offset, max_timestamp: 0, place, bytes };
                batches.push((partition(number), batch));
            }
            put(store, &entry(1, slot, &payload)).await.unwrap();
        }
        batches.sort_by_key(|(partition, batch)| (*partition, batch.base_offset));
        store.roll(Slot(file * 5 + 5)).await.unwrap();
        infos.push(store.seal(Slot(file * 5)..Slot(file * 5 + 5), batches).await.unwrap());
    }
    put(store, &entry(1, 15, b"")).await.unwrap();
    put_head(store, 15).await.unwrap();
    opened.files.close().await;
    infos
}

fn merge(infos: &[SegmentInfo]) -> Merge {
    let keep = BTreeMap::from([(partition(1), 3), (partition(2), 12)]);
    Merge { inputs: infos.iter().map(|info| info.id).collect(), keep, check: is_whole }
}

/// What is needed is there, once, and right.
async fn check(store: &FileStore) {
    let list = Segments::list(store).await.unwrap();
    for (number, from) in [(1, 3), (2, 12)] {
        let mut offsets = Vec::new();
        for info in &list {
            for extent in info.extents.iter().filter(|extent| extent.partition == partition(number)) {
                let batches = store.index(info.id, extent).await.unwrap();
                for (batch, bytes) in batches.iter().zip(store.read(&batches).await.unwrap()) {
                    assert_eq!(flatten(bytes), value(number, batch.base_offset));
                    offsets.extend(Some(batch.base_offset).filter(|offset| *offset >= from));
                }
            }
        }
        assert_eq!(offsets, (from..15).collect::<Vec<_>>(), "partition {number}");
    }
}

async fn open(temp: &Temp, changes: u64) -> (Opened, Arc<Mortal>) {
    let mortal = Arc::new(Mortal {
        changes_left: u64::MAX.into(),
        full: false.into(),
        renames: Semaphore::new(Semaphore::MAX_PERMITS / 2),
        renames_asked: 0.into(),
        unsynced: Mutex::default(),
    });
    let disk = Arc::new(MortalDisk(Arc::clone(&mortal)));
    let opened = FileStore::open(disk, temp.path(), SHARD, small(), Arc::new(drop)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await; // the next journal file is made
    mortal.changes_left.store(changes, Ordering::Relaxed);
    (opened, mortal)
}

fn names(temp: &Temp) -> Vec<String> {
    let names = std::fs::read_dir(temp.path().join("journal")).unwrap();
    let mut names: Vec<_> = names.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with("next-"));
    names.sort();
    names
}

#[tokio::test]
async fn a_crash_after_any_step() {
    let (mut merged, mut replaced) = (0, 0);
    for changes in 0.. {
        let temp = Temp::fast();
        let infos = filled(&temp).await;
        let (opened, mortal) = open(&temp, changes).await;
        let result = opened.files.merge(&merge(&infos)).await;
        for id in opened.files.replaced() {
            let _ = Segments::delete(&*opened.files, id).await;
        }
        let done = mortal.changes_left.load(Ordering::Relaxed) > 0;
        opened.files.close().await;
        drop(opened);
        let opened = FileStore::open(Arc::new(OsDisk::default()), temp.path(), SHARD, small(), no_fatal())
            .await
            .unwrap();
        check(&opened.files).await;
        let expected = if result.is_ok() { (1, 1) } else { (0, 4) };
        assert_eq!(
            (opened.report.merged, opened.report.files),
            expected,
            "after {changes} changes: {result:?}"
        );
        assert_eq!(names(&temp).len(), expected.0 + expected.1, "nothing else is left");
        merged += opened.report.merged;
        replaced += opened.report.replaced;
        // And it goes on from there.
        if result.is_err() {
            opened.files.merge(&merge(&infos)).await.unwrap().unwrap();
        }
        check(&opened.files).await;
        opened.files.close().await;
        if done {
            assert!(merged >= 4 && replaced >= 6, "crashes between the steps: {merged}, {replaced}");
            return;
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_answered_and_costs_nothing() {
    let temp = Temp::new();
    let infos = filled(&temp).await;
    let (opened, mortal) = open(&temp, u64::MAX).await;
    let before = names(&temp);
    mortal.full.store(true, Ordering::Relaxed);
    let refused = opened.files.merge(&merge(&infos)).await;
    assert!(matches!(&refused, Err(SegmentError::Io(what)) if what.contains("merge.tmp")), "{refused:?}");
    assert_eq!(names(&temp), before);
    mortal.full.store(false, Ordering::Relaxed);
    // It becomes full while it is written.
    let full_later = {
        let mortal = Arc::clone(&mortal);
        async move {
            while mortal.changes_left.load(Ordering::Relaxed) > u64::MAX - 4 {
                tokio::task::yield_now().await;
            }
            mortal.full.store(true, Ordering::Relaxed);
        }
    };
    let merge = merge(&infos);
    let (refused, ()) = tokio::join!(opened.files.merge(&merge), full_later);
    assert!(matches!(&refused, Err(SegmentError::Io(_))), "{refused:?}");
    assert_eq!(names(&temp), before);
    mortal.full.store(false, Ordering::Relaxed);
    opened.files.merge(&merge).await.unwrap().unwrap();
    check(&opened.files).await;
    opened.files.close().await;
}

#[tokio::test]
async fn a_merge_whose_future_is_dropped_leaves_nothing_wrong() {
    for polls in 0..60 {
        let temp = Temp::fast();
        let infos = filled(&temp).await;
        let (opened, _) = open(&temp, u64::MAX).await;
        let request = merge(&infos);
        let mut merging = Box::pin(opened.files.merge(&request));
        for _ in 0..polls {
            if start(&mut merging).await.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        drop(merging);
        opened.files.close().await;
        let current = Segments::list(&*opened.files).await.unwrap();
        drop(opened);
        let opened = temp.open().await;
        check(&opened.files).await;
        assert_eq!(Segments::list(&*opened.files).await.unwrap(), current, "{polls} polls");
        opened.files.close().await;
    }
}

#[tokio::test]
async fn what_is_listed_stays_though_a_merge_was_dropped_at_its_end() {
    let temp = Temp::fast();
    let infos = filled(&temp).await;
    let (opened, mortal) = open(&temp, u64::MAX).await;
    let permits = mortal.renames.forget_permits(usize::MAX);
    let request = merge(&infos);
    let mut merging = Box::pin(opened.files.merge(&request));
    let renames = mortal.renames_asked.load(Ordering::Relaxed);
    while mortal.renames_asked.load(Ordering::Relaxed) == renames {
        assert!(start(&mut merging).await.is_none(), "it waits for its name");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(merging);
    // Who begins anew lists, and deletes what is replaced.
    let mut listing = Box::pin(Segments::list(&*opened.files));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut listing).await.ok();
    mortal.renames.add_permits(permits);
    let listed = match early {
        Some(listed) => listed,
        None => listing.await,
    }
    .unwrap();
    let replaced = opened.files.replaced();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(names(&temp).contains(&"00000000000000000000-1.seg".to_owned()), "{:?}", names(&temp));
    assert_eq!(opened.files.replaced(), replaced);
    assert_eq!(Segments::list(&*opened.files).await.unwrap(), listed);
    assert!(replaced.iter().all(|id| listed.iter().all(|info| info.id != *id)), "what is listed stays");
    opened.files.close().await;
}

#[tokio::test]
async fn damaged_and_foreign_segments_are_refused() {
    let temp = Temp::new();
    let infos = filled(&temp).await;
    let opened = temp.open().await;
    let info = opened.files.merge(&merge(&infos)).await.unwrap().unwrap();
    opened.files.close().await;
    let path = temp.path().join("journal/00000000000000000000-1.seg");
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(whole.len() as u64, info.bytes);
    let refused = async |text: &str| {
        let error = temp.try_open(small()).await.err().expect("it is refused").to_string();
        assert!(error.contains(text) && error.contains(".seg"), "{error}");
        assert_eq!(names(&temp).len(), 5, "nothing is removed for the sake of a bad segment");
    };
    for cut in [0, 10, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        refused("is damaged").await;
    }
    let mut bytes = whole.clone();
    let at = whole.len() - 64;
    bytes[at + 4] = 2;
    let crc = klamm_store::entry::crc32c([&bytes[at..at + 60]]);
    bytes[at + 60..].copy_from_slice(&crc.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    refused("the trailer has version 2; this release reads up to 1").await;
    std::fs::write(&path, &whole).unwrap();
    let other = path.with_file_name("00000000000000000000-2.seg");
    std::fs::rename(&path, &other).unwrap();
    refused("the segment of another shard or of other slots").await;
    std::fs::rename(&other, &path).unwrap();
    let head = std::fs::read(temp.path().join("head")).unwrap();
    std::fs::remove_file(temp.path().join("head")).unwrap();
    refused("it has slots that were never trimmed").await;
    std::fs::write(temp.path().join("head"), head).unwrap();
    // Damage of batches and of the index is said when they are read; of the directory when segments are listed.
    let id = SegmentId { first: Slot(0), generation: 1 };
    let mut bytes = whole.clone();
    bytes[info.extents[1].index_at as usize + 9] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let opened = temp.open().await;
    assert_eq!((opened.report.replaced, names(&temp).len()), (3, 2));
    let read = opened.files.index(id, &info.extents[1]).await;
    assert!(matches!(&read, Err(SegmentError::Damaged { id: bad, .. }) if *bad == id), "{read:?}");
    opened.files.close().await;
    bytes[at - 10] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let opened = temp.open().await;
    let list = Segments::list(&*opened.files).await;
    assert!(matches!(&list, Err(SegmentError::Damaged { id: bad, .. }) if *bad == id), "{list:?}");
    opened.files.close().await;
}

#[tokio::test]
async fn a_generation_without_a_successor_is_not_merged() {
    let temp = Temp::new();
    let infos = filled(&temp).await;
    let opened = temp.open().await;
    opened.files.merge(&merge(&infos)).await.unwrap().unwrap();
    opened.files.close().await;
    drop(opened);
    let path = temp.path().join("journal/00000000000000000000-1.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 64;
    bytes[at + 52..at + 56].copy_from_slice(&u32::MAX.to_be_bytes());
    let crc = klamm_store::entry::crc32c([&bytes[at..at + 60]]);
    bytes[at + 60..].copy_from_slice(&crc.to_be_bytes());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(path.with_file_name("00000000000000000000-4294967295.seg"), &bytes).unwrap();
    let opened = temp.open().await;
    let forged = Segments::list(&*opened.files).await.unwrap();
    let id = SegmentId { first: Slot(0), generation: u32::MAX };
    assert_eq!(forged[0].id, id);
    let refused = opened.files.merge(&merge(&forged[..1])).await;
    assert!(matches!(&refused, Err(SegmentError::Damaged { id: bad, .. }) if *bad == id), "{refused:?}");
    assert_eq!(Segments::list(&*opened.files).await.unwrap(), forged, "it can be read as before");
    opened.files.close().await;
}
