//! What the store and its two tasks share. Lock order: writer, catalog, heads; none is held across an await.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use klamm_env::{Disk, File, Gate};
use klamm_model::{ShardId, Slot};
use klamm_store::{Key, SegmentId};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::{
    Fatal, Options,
    catalog::Catalog,
    error::is_scarce,
    format::{file_header::FILE_HEADER_BYTES, head::Heads, name::file_name},
    writer::{After, Waiter, Writer},
};

/// This part of the reserve is for takeovers and checkpoints alone.
const LAST_PARTS: u64 = 4;

/// One shard's state.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) shard: ShardId,
    pub(crate) options: Options,
    pub(crate) fatal: Fatal,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) catalog: Mutex<Catalog>,
    pub(crate) heads: Mutex<Heads>,
    /// Closed when nothing more may be written.
    pub(crate) gate: Gate,
    /// There is something to write.
    pub(crate) dirty: Notify,
    /// The queue has work for the keeper, or the spare was taken.
    pub(crate) work: Notify,
    /// Somebody would like more room while the disk is full.
    pub(crate) asked: Notify,
    /// The last spare could not be allocated.
    pub(crate) full: AtomicBool,
    /// That was logged.
    pub(crate) said_full: AtomicBool,
    pub(crate) active_bytes: AtomicU64,
    pub(crate) room: AtomicU64,
    pub(crate) room_owed: AtomicU64,
    pub(crate) syncs: AtomicU64,
}

impl Shared {
    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// The file that begins with a slot.
    pub(crate) fn path(&self, first: Slot) -> PathBuf {
        self.segment_path(SegmentId::sealed(first))
    }

    /// The file of a segment.
    pub(crate) fn segment_path(&self, id: SegmentId) -> PathBuf {
        self.journal().join(file_name(id))
    }

    /// The handle for reading of a file that is not sealed.
    pub(crate) fn handle_of(&self, first: Slot) -> io::Result<Arc<dyn File>> {
        let handle = self.catalog.lock().get(first).and_then(|file| file.handle.clone());
        handle.ok_or_else(|| io::Error::other("the file is not open"))
    }

    /// The highest head marker's slot: all below it is trimmed.
    pub(crate) fn head_slot(&self) -> Slot {
        self.heads.lock().last_key_value().map_or(Slot(0), |(slot, _)| *slot)
    }

    /// Whether a put of the key comes too late.
    pub(crate) fn taken(&self, key: Key) -> bool {
        key.slot < self.head_slot() || self.catalog.lock().find(key).is_some()
    }

    /// Kept for entries that free space when the disk is full.
    pub(crate) fn reserve_bytes(&self) -> u64 {
        self.options.reserve_bytes.min(self.options.file_bytes / 4)
    }

    /// Publishes what a change of the writer means for readers of the gauges.
    pub(crate) fn publish(&self, writer: &Writer) {
        self.active_bytes.store(writer.end - FILE_HEADER_BYTES as u64, Ordering::Relaxed);
        let left = writer.space_left();
        let full = self.full.load(Ordering::Relaxed) || self.said_full.load(Ordering::Relaxed);
        let (room, owed) = match &writer.spare {
            // The next file is being made, and files grow: what is asked meanwhile waits, however much it is.
            _ if !full => (u64::MAX, u64::MAX),
            Some(spare) => {
                let room = left + spare.bytes - FILE_HEADER_BYTES as u64;
                (room, room)
            }
            None => {
                let reserve = self.reserve_bytes();
                (left.saturating_sub(reserve), left.saturating_sub(reserve / LAST_PARTS))
            }
        };
        self.room.store(room, Ordering::Relaxed);
        self.room_owed.store(owed, Ordering::Relaxed);
    }

    /// Ends the shard: nothing is acknowledged any more, and the process is told to end.
    pub(crate) fn die(&self, message: String) {
        {
            let mut writer = self.writer.lock();
            if writer.dead.is_some() {
                return;
            }
            writer.dead = Some(message.clone());
            writer.refuse_all(&message);
        }
        tracing::error!(shard = self.shard.0, "{message}; the process must end");
        (self.fatal)(message);
    }

    /// Refuses all further work without calling it an error.
    pub(crate) fn close(&self) {
        let mut writer = self.writer.lock();
        let why = "the store is closed".to_owned();
        writer.refuse_all(&why);
        writer.dead.get_or_insert(why);
    }

    /// An error of making space: where none was to be had it is answered, anything else ends the process.
    pub(crate) fn judge(&self, what: &str, error: &io::Error) {
        if !is_scarce(error) {
            self.die(format!("{what} in {}: {error}", self.folder.display()));
        }
    }

    /// Returns once all that was written before the call is durable.
    pub(crate) async fn durable(&self) -> Result<(), String> {
        let (done, answer) = oneshot::channel();
        {
            let mut writer = self.writer.lock();
            if let Some(why) = &writer.dead {
                return Err(why.clone());
            }
            if writer.synced == writer.written {
                return Ok(());
            }
            let ticket = writer.written;
            writer.waiters.push_back(Waiter { ticket, done, after: After::Written });
        }
        self.dirty.notify_one();
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the store is closed".to_owned()),
        }
    }
}
