//! A journal that waits and fails as a test says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use klamm_model::Slot;
use klamm_store::{AppendError, Entry, EntryKind, Head, Journal, ReadError, Tail, TrimError, Written};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Permits for everybody.
const MANY: usize = Semaphore::MAX_PERMITS / 2;

/// Passes all on, but for what its fields say.
pub(super) struct Gated {
    pub(super) inner: Arc<dyn Journal>,
    /// How long entries with records take to be written.
    pub(super) write_time: Duration,
    /// Entries with records that are written; each takes a permit before it is said to be durable.
    pub(super) appends: Semaphore,
    /// What reading says, if it fails.
    pub(super) unreadable: Mutex<Option<ReadError>>,
    /// A trim takes a permit before it is done.
    pub(super) trims: Semaphore,
    pub(super) trims_asked: AtomicU32,
    /// The next so many trims fail.
    pub(super) trim_refusals: AtomicU32,
    /// So do all appends; they are counted.
    pub(super) full: AtomicBool,
    pub(super) append_refusals: AtomicU32,
}

impl Gated {
    /// All goes through until a field is set.
    pub(super) fn over(inner: &Arc<dyn Journal>) -> Self {
        Self {
            inner: Arc::clone(inner),
            write_time: Duration::ZERO,
            appends: Semaphore::new(MANY),
            unreadable: Mutex::new(None),
            trims: Semaphore::new(MANY),
            trims_asked: AtomicU32::new(0),
            trim_refusals: AtomicU32::new(0),
            full: AtomicBool::new(false),
            append_refusals: AtomicU32::new(0),
        }
    }
}

#[async_trait]
impl Journal for Gated {
    async fn append(&self, entry: Entry, written: Written) -> Result<(), AppendError> {
        if self.full.load(Ordering::Relaxed) {
            self.append_refusals.fetch_add(1, Ordering::Relaxed);
            return Err(AppendError::Io(entry.header.key.slot, "no space".to_owned()));
        }
        let gated = entry.header.kind == EntryKind::Records;
        if gated {
            tokio::time::sleep(self.write_time).await;
        }
        self.inner.append(entry, written).await?;
        if gated {
            self.appends.acquire().await.expect("never closed").forget();
        }
        Ok(())
    }

    async fn read(&self, from: Slot, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        if let Some(error) = self.unreadable.lock().clone() {
            return Err(error);
        }
        self.inner.read(from, bytes_max).await
    }

    async fn tail(&self) -> Result<Tail, ReadError> {
        self.inner.tail().await
    }

    async fn head(&self) -> Result<Option<Head>, ReadError> {
        self.inner.head().await
    }

    async fn trim(&self, head: Head) -> Result<(), TrimError> {
        self.trims_asked.fetch_add(1, Ordering::Relaxed);
        let fewer = |left: u32| left.checked_sub(1);
        if self.trim_refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok() {
            return Err(TrimError("no space".to_owned()));
        }
        self.trims.acquire().await.expect("never closed").forget();
        self.inner.trim(head).await
    }
}
