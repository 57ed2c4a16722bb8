//! Takes puts and writes them into the active file, in the order in which they come. A put is written at once, by the
//! caller, into the page cache; it waits in a queue only while the file grows or a roll needs its next file.
//! Invariant: entries lie back to back; `end` moves only over what was written whole. The last [`TRAILER_BYTES`] of an
//! unsealed file stay zero, so that no payload is taken for a trailer.

use std::{collections::VecDeque, io::IoSlice, path::PathBuf, sync::Arc};

use klamm_env::File;
use klamm_model::Slot;
use klamm_store::{Key, PutError, SegmentError, Value, Written};
use tokio::sync::oneshot;

use crate::{
    catalog::JournalFile,
    error::is_full,
    format::{
        file_header::{FILE_HEADER_BYTES, FileHeader},
        trailer::TRAILER_BYTES,
    },
    keys::Keys,
    shared::Shared,
};

/// Where puts go.
pub(crate) struct Writer {
    /// The active file's first slot.
    pub(crate) first: Slot,
    pub(crate) file: Arc<dyn File>,
    /// Where the next entry goes.
    pub(crate) end: u64,
    /// Up to here the disk has promised space.
    pub(crate) allocated: u64,
    /// A write broke off: there may be garbage after `end`.
    pub(crate) torn: bool,
    /// The file after the active one.
    pub(crate) spare: Option<Spare>,
    pub(crate) queue: VecDeque<Waiting>,
    /// Counts writes; what is synced up to a count is durable.
    pub(crate) written: u64,
    pub(crate) synced: u64,
    /// Files with writes that are not synced, older first.
    pub(crate) dirty: Vec<Dirty>,
    /// Sorted by ticket.
    pub(crate) waiters: VecDeque<Waiter>,
    /// Why nothing more is written.
    pub(crate) dead: Option<String>,
}

/// An allocated file without a first slot.
pub(crate) struct Spare {
    pub(crate) file: Arc<dyn File>,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// A file to sync, and the name that it has earned afterwards.
pub(crate) struct Dirty {
    pub(crate) first: Slot,
    pub(crate) file: Arc<dyn File>,
    pub(crate) rename: Option<(PathBuf, PathBuf)>,
}

/// An entry on its way.
pub(crate) struct Put {
    pub(crate) key: Key,
    pub(crate) value: Value,
    pub(crate) bytes: u32,
    pub(crate) written: Written,
    pub(crate) done: oneshot::Sender<Result<(), PutError>>,
}

/// What waits for the keeper, in order.
pub(crate) enum Waiting {
    Put(Put),
    Roll { at: Slot, done: oneshot::Sender<Result<(), SegmentError>> },
}

/// What to say once all up to a ticket is durable.
pub(crate) enum After {
    Written,
    Exists,
}

/// Who waits for a sync.
pub(crate) struct Waiter {
    pub(crate) ticket: u64,
    pub(crate) done: oneshot::Sender<Result<(), PutError>>,
    pub(crate) after: After,
}

/// What the queue's first item needs.
pub(crate) enum Need {
    Nothing,
    Space(u64),
    Spare,
}

impl Waiter {
    pub(crate) fn tell(self) {
        let _ = self.done.send(match self.after {
            After::Written => Ok(()),
            After::Exists => Err(PutError::Exists),
        });
    }
}

impl Writer {
    /// Bytes that entries may still take in the active file.
    pub(crate) fn space_left(&self) -> u64 {
        if self.torn {
            return 0;
        }
        self.allocated.saturating_sub(self.end + TRAILER_BYTES as u64)
    }

    fn wrote(&mut self, rename: Option<(PathBuf, PathBuf)>) {
        self.written += 1;
        if self.dirty.last().is_none_or(|dirty| dirty.first != self.first) {
            self.dirty.push(Dirty { first: self.first, file: Arc::clone(&self.file), rename });
        }
    }

    /// Refuses all that waits.
    pub(crate) fn refuse_all(&mut self, why: &str) {
        for waiter in self.waiters.drain(..) {
            let _ = waiter.done.send(Err(PutError::Refused(why.to_owned())));
        }
        self.queue.drain(..).for_each(|waiting| waiting.refuse(why));
    }
}

impl Waiting {
    pub(crate) fn refuse(self, why: &str) {
        match self {
            Self::Put(put) => drop(put.done.send(Err(PutError::Refused(why.to_owned())))),
            Self::Roll { done, .. } => drop(done.send(Err(SegmentError::Io(why.to_owned())))),
        }
    }
}

impl Shared {
    /// Writes the put now, or queues it behind what waits.
    pub(crate) fn submit(&self, put: Put) {
        let mut writer = self.writer.lock();
        if let Some(why) = &writer.dead {
            let _ = put.done.send(Err(PutError::Refused(why.clone())));
            return;
        }
        if !writer.queue.is_empty() {
            writer.queue.push_back(Waiting::Put(put));
            return;
        }
        match self.write(&mut writer, put) {
            Ok(None) => {}
            Ok(Some(put)) => {
                writer.queue.push_back(Waiting::Put(put));
                self.work.notify_one();
            }
            Err(message) => {
                drop(writer);
                self.die(message);
            }
        }
    }

    /// Begins the next file now, or queues the roll until there is one.
    pub(crate) fn submit_roll(&self, at: Slot, done: oneshot::Sender<Result<(), SegmentError>>) {
        let mut writer = self.writer.lock();
        if let Some(why) = &writer.dead {
            let _ = done.send(Err(SegmentError::Io(why.clone())));
            return;
        }
        writer.queue.push_back(Waiting::Roll { at, done });
        let alone = writer.queue.len() == 1;
        drop(writer);
        if alone && !matches!(self.serve(), Need::Nothing) {
            self.work.notify_one();
        }
    }

    /// Serves the queue until it is empty or its first item needs something.
    pub(crate) fn serve(&self) -> Need {
        loop {
            let mut writer = self.writer.lock();
            let result = match writer.queue.pop_front() {
                None => return Need::Nothing,
                Some(Waiting::Put(put)) => match self.write(&mut writer, put) {
                    Ok(None) => Ok(()),
                    Ok(Some(put)) => {
                        let bytes = u64::from(put.bytes);
                        writer.queue.push_front(Waiting::Put(put));
                        return Need::Space(bytes);
                    }
                    Err(message) => Err(message),
                },
                Some(Waiting::Roll { at, done }) if at <= writer.first => {
                    let what = || format!("slot {at} is below the active file's first, {}", writer.first);
                    let answer = if at == writer.first { Ok(()) } else { Err(SegmentError::Io(what())) };
                    let _ = done.send(answer);
                    Ok(())
                }
                Some(Waiting::Roll { at, done }) => match writer.spare.take() {
                    None => {
                        writer.queue.push_front(Waiting::Roll { at, done });
                        return Need::Spare;
                    }
                    Some(spare) => self.switch(&mut writer, spare, at).map(|()| {
                        let _ = done.send(Ok(()));
                    }),
                },
            };
            if let Err(message) = result {
                drop(writer);
                self.die(message);
            }
        }
    }

    /// Refuses the queue's first item, whose need can't be met.
    pub(crate) fn refuse_first(&self, why: &str) {
        let first = self.writer.lock().queue.pop_front();
        if let Some(waiting) = first {
            waiting.refuse(why);
        }
    }

    /// Answers or writes the put; gives it back if the file must grow first. An error ends the process.
    fn write(&self, writer: &mut Writer, put: Put) -> Result<Option<Put>, String> {
        if self.taken(put.key) {
            // Exists may be read as "durable" by the writer of the same bytes: it waits for the sync too.
            let waiter = Waiter { ticket: writer.written, done: put.done, after: After::Exists };
            if writer.synced == writer.written {
                waiter.tell();
            } else {
                writer.waiters.push_back(waiter);
            }
            return Ok(None);
        }
        if u64::from(put.bytes) > writer.space_left() {
            return Ok(Some(put));
        }
        let mut slices: Vec<_> = put.value.iter().map(|piece| IoSlice::new(piece)).collect();
        if let Err(error) = writer.file.write_at(writer.end, &mut slices) {
            let what = format!("cannot write an entry into {}: {error}", self.path(writer.first).display());
            let _ = put.done.send(Err(PutError::Refused(what.clone())));
            writer.torn = true;
            self.publish(writer);
            return if is_full(&error) { Ok(None) } else { Err(what) };
        }
        let position = writer.end;
        writer.end += u64::from(put.bytes);
        assert!(
            writer.end + TRAILER_BYTES as u64 <= writer.allocated,
            "entries stay where space is promised"
        );
        {
            let mut catalog = self.catalog.lock();
            let file = catalog.get_mut(writer.first).expect("the active file is in the catalog");
            assert!(file.keys.insert(put.key, position, put.bytes), "the key was free");
            file.end = writer.end;
        }
        writer.wrote(None);
        writer.waiters.push_back(Waiter { ticket: writer.written, done: put.done, after: After::Written });
        self.publish(writer);
        put.written.tell();
        self.dirty.notify_one();
        Ok(None)
    }

    /// Makes the spare the active file. An error ends the process.
    fn switch(&self, writer: &mut Writer, spare: Spare, at: Slot) -> Result<(), String> {
        assert!(at > writer.first, "files follow each other");
        let header = FileHeader { shard: self.shard, first: at }.encode();
        spare
            .file
            .write_at(0, &mut [IoSlice::new(&header)])
            .map_err(|error| format!("cannot write the header of {}: {error}", spare.path.display()))?;
        let end = FILE_HEADER_BYTES as u64;
        {
            let mut catalog = self.catalog.lock();
            let old = catalog.get_mut(writer.first).expect("the active file is in the catalog");
            old.slots_end = Some(at);
            old.keys.complete();
            let handle = Some(Arc::clone(&spare.file));
            catalog.insert(
                at,
                JournalFile { slots_end: None, end, handle, sealed: None, keys: Keys::default() },
            );
        }
        writer.first = at;
        writer.file = spare.file;
        writer.end = end;
        writer.allocated = spare.bytes;
        writer.torn = false;
        writer.wrote(Some((spare.path, self.path(at))));
        self.publish(writer);
        self.dirty.notify_one();
        self.work.notify_one();
        Ok(())
    }
}
