//! A disk over the disk that fails, or waits, on request.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    ops::RangeInclusive,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use klamm_env::{Disk, File, FolderLock, OpenMode, OsDisk};
use klamm_model::Slot;
use klamm_store::{Driver, Name, PutError, Segments, Written};
use klamm_store_file::{FileStore, Opened};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::temp::{SHARD, Temp, entry, key, keys, no_fatal, put, small};

#[derive(Default)]
pub(crate) struct Faults {
    sync_error: AtomicBool,
    write_error: AtomicBool,
    /// No allocation succeeds.
    full: AtomicBool,
    /// The next so many allocations fail.
    pub(crate) refusals: AtomicU64,
    /// Allocations wait for permits.
    pub(crate) allocations: Mutex<Option<Arc<Semaphore>>>,
    /// A write stops after so many bytes and says that the disk is full.
    pub(crate) write_full_after: AtomicU64,
    /// The next rename has its effect, and then fails with this number of Linux's.
    pub(crate) rename_error: AtomicI32,
    /// The next sync says that the disk is full.
    pub(crate) sync_full: AtomicBool,
    /// Opening a file for reading fails with this number of Linux's; so do reads of open files with the next.
    pub(crate) open_error: AtomicI32,
    pub(crate) read_error: AtomicI32,
    /// Syncs wait for permits.
    held: Mutex<Option<Arc<Semaphore>>>,
    syncs: AtomicU64,
    /// Files without a name that were made ready, the first one too.
    spares: AtomicU64,
}

/// What the field says.
fn fail(number: &AtomicI32) -> io::Result<()> {
    match number.load(Ordering::Relaxed) {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

struct FaultyDisk(OsDisk, Arc<Faults>);
struct FaultyFile(Arc<dyn File>, Arc<Faults>);

#[async_trait]
impl Disk for FaultyDisk {
    async fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.0.create_folder(path).await
    }
    async fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.0.list(folder).await
    }
    async fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fail(&self.1.open_error)?;
        self.0.read(path).await
    }
    async fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.replace(path, bytes).await
    }
    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to).await?;
        match self.1.rename_error.swap(0, Ordering::Relaxed) {
            0 => Ok(()),
            number => Err(io::Error::from_raw_os_error(number)),
        }
    }
    async fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path).await
    }
    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if mode == OpenMode::Read {
            fail(&self.1.open_error)?;
        }
        // A write that stops in the middle needs the page cache.
        let appends = mode == OpenMode::Append;
        let file = self.0.open(path, if appends { OpenMode::Write } else { mode }).await?;
        if appends && path.extension().is_some_and(|extension| extension == "tmp") {
            self.1.spares.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Arc::new(FaultyFile(file, Arc::clone(&self.1))))
    }
    async fn lock(&self, folder: &Path) -> io::Result<Box<dyn FolderLock>> {
        self.0.lock(folder).await
    }
}

#[async_trait]
impl File for FaultyFile {
    fn write_at(&self, position: u64, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        if self.1.write_error.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let after = self.1.write_full_after.swap(0, Ordering::Relaxed);
        if after > 0 {
            let some: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).take(after as usize).collect();
            self.0.write_at(position, &mut [IoSlice::new(&some)])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write_at(position, slices)
    }
    async fn read_at(&self, position: u64, bytes: usize) -> io::Result<Bytes> {
        fail(&self.1.read_error)?;
        self.0.read_at(position, bytes).await
    }
    async fn sync_data(&self) -> io::Result<()> {
        let held = self.1.held.lock().clone();
        if let Some(held) = held {
            held.acquire().await.unwrap().forget();
        }
        self.1.syncs.fetch_add(1, Ordering::Relaxed);
        if self.1.sync_error.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        if self.1.sync_full.swap(false, Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.sync_data().await
    }
    async fn size(&self) -> io::Result<u64> {
        self.0.size().await
    }
    async fn allocate(&self, bytes: u64) -> io::Result<()> {
        let held = self.1.allocations.lock().clone();
        if let Some(held) = held {
            held.acquire().await.unwrap().forget();
        }
        let refused =
            self.1.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if refused.is_ok() || self.1.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.allocate(bytes).await
    }
    async fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.truncate(bytes).await
    }
}

pub(crate) type Messages = Arc<Mutex<Vec<String>>>;

/// Opens what is there.
pub(crate) async fn open_again(temp: &Temp) -> (Opened, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let disk = Arc::new(FaultyDisk(OsDisk::default(), Arc::clone(&faults)));
    let opened = FileStore::open(disk, temp.path(), SHARD, small(), no_fatal()).await.unwrap();
    (opened, faults)
}

pub(crate) async fn open(temp: &Temp) -> (Opened, Arc<Faults>, Messages) {
    let (faults, messages) = (Arc::new(Faults::default()), Messages::default());
    let fatal = {
        let messages = Arc::clone(&messages);
        Arc::new(move |message| messages.lock().push(message))
    };
    let disk = Arc::new(FaultyDisk(OsDisk::default(), Arc::clone(&faults)));
    let opened = FileStore::open(disk, temp.path(), SHARD, small(), fatal).await.unwrap();
    put(&opened.files, &entry(1, 0, b"first")).await.unwrap();
    (opened, faults, messages)
}

/// Polls once: what the future does before it waits is done.
pub(crate) async fn start<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> Option<T> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Waits until there is that much room.
async fn room_in(store: &FileStore, wanted: RangeInclusive<u64>) -> u64 {
    for _ in 0..2000 {
        if wanted.contains(&store.room()) {
            return store.room();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("room: {} is not in {wanted:?}", store.room())
}

/// Waits until the next file is there, too: the store goes on with it at once, and its making takes nothing more.
pub(crate) async fn spare(faults: &Faults) {
    for _ in 0..2000 {
        if faults.spares.load(Ordering::Relaxed) >= 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the next file is not made");
}

#[tokio::test]
async fn a_sync_error_ends_everything() {
    let temp = Temp::new();
    let (opened, faults, messages) = open(&temp).await;
    let store = &opened.files;
    faults.sync_error.store(true, Ordering::Relaxed);
    let entries: Vec<_> = (1..9).map(|slot| entry(1, slot, b"x")).collect();
    let puts = futures_util::future::join_all(entries.iter().map(|entry| put(store, entry))).await;
    assert!(puts.iter().all(|put| matches!(put, Err(PutError::Refused(_)))), "{puts:?}");
    faults.sync_error.store(false, Ordering::Relaxed);
    let late = put(store, &entry(1, 9, b"late")).await;
    assert!(matches!(late, Err(PutError::Refused(_))), "a sync is never retried: {late:?}");
    let again = put(store, &entries[0]).await;
    assert!(matches!(again, Err(PutError::Refused(_))), "nor is anything believed: {again:?}");
    assert!(store.roll(Slot(9)).await.is_err());
    let messages = messages.lock();
    assert!(
        matches!(&messages[..], [one] if one.contains("cannot make") && one.contains(".log")),
        "{messages:?}"
    );
}

#[tokio::test]
async fn a_write_error_ends_everything() {
    let temp = Temp::new();
    let (opened, faults, messages) = open(&temp).await;
    faults.write_error.store(true, Ordering::Relaxed);
    let refused = put(&opened.files, &entry(1, 1, b"x")).await;
    assert!(matches!(refused, Err(PutError::Refused(_))), "{refused:?}");
    assert_eq!(messages.lock().len(), 1);
    let read = opened.files.get(Name::Entry(key(1, 1))).await;
    assert!(read.is_err(), "what was not written is not made up: {read:?}");
}

#[tokio::test]
async fn many_puts_share_a_sync_and_none_is_answered_before_it() {
    let temp = Temp::new();
    let (opened, faults, _) = open(&temp).await;
    let store = &opened.files;
    spare(&faults).await;
    let gate = Arc::new(Semaphore::new(0));
    *faults.held.lock() = Some(Arc::clone(&gate));
    let before = faults.syncs.load(Ordering::Relaxed);
    let entries: Vec<_> = (1..=64).map(|slot| entry(1, slot, b"x")).collect();
    let mut puts = Vec::new();
    let mut tokens = Vec::new();
    for entry in &entries {
        let (written, told) = Written::channel();
        let mut put = Box::pin(store.put(Name::Entry(entry.header.key), entry.encode(), written));
        assert!(start(&mut put).await.is_none());
        puts.push(put);
        tokens.push(told);
    }
    assert_eq!(keys(store).await.len(), 65, "each has its place");
    for told in tokens {
        let told = tokio::time::timeout(Duration::from_secs(20), told).await;
        told.expect("in time").expect("written, not yet synced");
    }
    for put in &mut puts {
        assert!(start(put).await.is_none(), "not durable yet");
    }
    // The same put again: it exists, but nobody may take that for durable yet.
    let mut again = Box::pin(put(store, &entries[0]));
    assert!(start(&mut again).await.is_none());
    gate.add_permits(100);
    for put in puts {
        put.await.unwrap();
    }
    assert!(matches!(again.await, Err(PutError::Exists)));
    assert!(faults.syncs.load(Ordering::Relaxed) - before <= 2);
}

#[tokio::test]
async fn a_put_whose_future_is_dropped_takes_effect() {
    let temp = Temp::new();
    let (opened, faults, _) = open(&temp).await;
    let store = &opened.files;
    spare(&faults).await;
    let gate = Arc::new(Semaphore::new(0));
    *faults.held.lock() = Some(Arc::clone(&gate));
    let mut dropped = Box::pin(async { put(store, &entry(1, 1, b"x")).await });
    assert!(start(&mut dropped).await.is_none());
    drop(dropped);
    gate.add_permits(100);
    put(store, &entry(1, 2, b"y")).await.unwrap();
    assert_eq!(keys(store).await, [(1, 0), (1, 1), (1, 2)]);
}

#[tokio::test]
async fn a_full_disk_shrinks_the_room_and_space_brings_it_back() {
    let temp = Temp::new();
    let (opened, faults, messages) = open(&temp).await;
    let store = &opened.files;
    spare(&faults).await;
    faults.full.store(true, Ordering::Relaxed);
    store.roll(Slot(1)).await.expect("the spare was there");
    let room = room_in(store, 40 << 10..=50 << 10).await; // a file without the reserve of a quarter
    put(store, &entry(1, 1, &vec![1; room as usize - 96])).await.unwrap();
    assert_eq!(store.room(), 0);
    put(store, &entry(1, 2, &[2; 1000])).await.expect("the reserve is there for those who need it");
    let refused = put(store, &entry(1, 3, &[3; 60_000])).await;
    assert!(matches!(refused, Err(PutError::Refused(_))), "{refused:?}");
    assert!(store.roll(Slot(3)).await.is_err(), "no space for a next file");
    put(store, &entry(1, 3, b"small")).await.expect("a refused roll changes nothing");
    faults.full.store(false, Ordering::Relaxed);
    room_in(store, (64 << 10) + 1..=u64::MAX).await; // it recovers when asked
    put(store, &entry(1, 4, &[3; 100_000])).await.unwrap();
    assert!(messages.lock().is_empty(), "nothing of it is fatal");
    opened.files.close().await;
    let opened = temp.open().await;
    assert_eq!(keys(&opened.files).await.len(), 5);
    opened.files.close().await;
}

#[tokio::test]
async fn a_write_that_breaks_off_leaves_no_garbage() {
    for after in [1, 50, 96, 150] {
        let temp = Temp::new();
        let (opened, faults, messages) = open(&temp).await;
        let store = &opened.files;
        faults.write_full_after.store(after, Ordering::Relaxed);
        let refused = put(store, &entry(1, 1, &[9; 200])).await;
        assert!(matches!(refused, Err(PutError::Refused(_))), "{refused:?}");
        put(store, &entry(1, 1, b"x")).await.unwrap();
        assert!(messages.lock().is_empty());
        opened.files.close().await;
        let opened = temp.open().await;
        assert_eq!((keys(&opened.files).await.len(), opened.report.torn_bytes), (2, 0));
        opened.files.close().await;
    }
}
