//! A shard's store: its parts, its options, its end.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use klamm_env::{Disk, Gate};
use klamm_model::ShardId;
use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinHandle};

use crate::{
    catalog::Catalog, flush, format::head::Heads, keeper, read::Reader, shared::Shared, writer::Writer,
};

/// Told why the process must end, before anything is answered.
pub type Fatal = Arc<dyn Fn(String) + Send + Sync>;

/// How a shard's files are kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long journal files are made in advance. Files may grow beyond it.
    pub file_bytes: u64,
    /// Kept for entries that free space when the disk is full; at most a quarter of `file_bytes`.
    pub reserve_bytes: u64,
    /// How many sealed files are kept open.
    pub handles_max: usize,
    /// The cache of index blocks of sealed files.
    pub index_cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { file_bytes: 64 << 20, reserve_bytes: 256 << 10, handles_max: 64, index_cache_bytes: 8 << 20 }
    }
}

/// One shard's folder. Its two tasks end when it is dropped.
pub struct FileStore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) reader: Reader,
    pub(crate) head_turn: tokio::sync::Mutex<()>,
    pub(crate) seal_turn: tokio::sync::Mutex<()>,
    pub(crate) snapshot_turn: tokio::sync::Mutex<()>,
    pub(crate) merge_turn: Arc<tokio::sync::Mutex<()>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What `open` found out.
pub(crate) struct Parts {
    pub(crate) catalog: Catalog,
    pub(crate) writer: Writer,
    pub(crate) heads: Heads,
}

impl FileStore {
    pub(crate) fn start(
        disk: Arc<dyn Disk>,
        folder: &Path,
        shard: ShardId,
        options: Options,
        fatal: Fatal,
        parts: Parts,
    ) -> Self {
        let reader = Reader::new(&options);
        let shared = Arc::new(Shared {
            disk,
            folder: folder.to_owned(),
            shard,
            options,
            fatal,
            writer: Mutex::new(parts.writer),
            catalog: Mutex::new(parts.catalog),
            heads: Mutex::new(parts.heads),
            gate: Gate::default(),
            dirty: Notify::new(),
            work: Notify::new(),
            asked: Notify::new(),
            full: AtomicBool::new(false),
            said_full: AtomicBool::new(false),
            active_bytes: AtomicU64::new(0),
            room: AtomicU64::new(0),
            room_owed: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        });
        shared.publish(&shared.writer.lock());
        shared.dirty.notify_one();
        let tasks = vec![
            tokio::spawn(flush::run(Arc::clone(&shared))),
            tokio::spawn(keeper::run(Arc::clone(&shared))),
        ];
        Self {
            shared,
            reader,
            head_turn: tokio::sync::Mutex::default(),
            seal_turn: tokio::sync::Mutex::default(),
            snapshot_turn: tokio::sync::Mutex::default(),
            merge_turn: Arc::default(),
            tasks: Mutex::new(tasks),
        }
    }

    /// How many times the journal was synced since it was opened.
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// Ends the tasks and refuses all that waits; what was answered Ok is durable anyway. Await it before the same
    /// folder is opened again in this process.
    pub async fn close(&self) {
        self.shared.close();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        drop(self.merge_turn.lock().await); // a merge that is being completed
        self.shared.gate.close();
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.tasks.get_mut().iter().for_each(JoinHandle::abort);
        self.shared.gate.close();
    }
}
