//! Takes puts and gives each its place in the active file, in the order in which they come; `flush` writes them. A put
//! waits in a queue only while the file grows or a roll needs its next file.
//! Invariant: entries lie back to back. The last [`TRAILER_BYTES`] of an unsealed file stay zero, so that no payload is
//! taken for a trailer.

use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;

use klamm_env::File;
use klamm_model::Slot;
use klamm_store::{Key, PutError, SegmentError, Value, Written};
use tokio::sync::oneshot;

use crate::{
    catalog::JournalFile,
    format::{
        file_header::{FILE_HEADER_BYTES, FileHeader},
        trailer::TRAILER_BYTES,
    },
    keys::Keys,
    shared::Shared,
    staged::{STAGED_BYTES, Staged},
};

/// Why a roll must wait.
const NO_NEXT_FILE: &str = "the next journal file could not be made";

/// Where puts go.
pub(crate) struct Writer {
    /// The active file's first slot.
    pub(crate) first: Slot,
    pub(crate) file: Arc<dyn File>,
    /// The same file, opened for appending.
    pub(crate) appender: Arc<dyn File>,
    /// Where the next entry goes.
    pub(crate) end: u64,
    /// Up to here the disk has promised space.
    pub(crate) allocated: u64,
    /// A write broke off on a full disk: there may be garbage after `end`.
    pub(crate) torn: bool,
    /// The file after the active one.
    pub(crate) spare: Option<Spare>,
    pub(crate) queue: VecDeque<Waiting>,
    /// The lowest slot whose put was refused, until it is put again, or one below it. Whoever put it may not know yet, and ask
    /// for a roll that counts on it.
    pub(crate) refused: Option<Slot>,
    /// Counts what was staged; what is synced up to a count is durable.
    pub(crate) written: u64,
    pub(crate) synced: u64,
    /// What is to be written, in order.
    pub(crate) staged: VecDeque<Staged>,
    /// Sorted by ticket.
    pub(crate) waiters: VecDeque<Waiter>,
    /// Why nothing more is written.
    pub(crate) dead: Option<String>,
}

/// An allocated file without a first slot.
pub(crate) struct Spare {
    pub(crate) file: Arc<dyn File>,
    /// The same file, opened for appending.
    pub(crate) appender: Arc<dyn File>,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
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

    /// Stages pieces at `position` of the active file; `key` is the entry that they are, `rename` the name of a new file.
    pub(crate) fn stage(
        &mut self,
        position: u64,
        pieces: Vec<Bytes>,
        entry: Option<(Key, Written)>,
        rename: Option<(PathBuf, PathBuf)>,
    ) {
        self.written += 1;
        let goes_on = |last: &Staged| last.first == self.first && last.bytes < STAGED_BYTES;
        if self.staged.back().is_none_or(|last| !goes_on(last)) {
            self.staged.push_back(Staged {
                first: self.first,
                file: Arc::clone(&self.appender),
                rename,
                position,
                bytes: 0,
                allocated: 0,
                pieces: Vec::new(),
                keys: Vec::new(),
                written: Vec::new(),
                ticket: 0,
            });
        }
        let last = self.staged.back_mut().expect("it was pushed");
        assert_eq!(last.end(), position, "entries lie back to back");
        last.bytes += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        last.pieces.extend(pieces);
        last.allocated = self.allocated;
        last.ticket = self.written;
        if let Some((key, written)) = entry {
            last.keys.push(key);
            last.written.push(written);
        }
    }

    /// Refuses all that waits.
    pub(crate) fn refuse_all(&mut self, why: &str) {
        self.staged.clear();
        for waiter in self.waiters.drain(..) {
            let _ = waiter.done.send(Err(PutError::Refused(why.to_owned())));
        }
        self.refuse_queue(why);
    }

    /// Refuses the queue. What waits behind a put that is refused counts on its slot: a roll after it would begin the
    /// next file in front of the entry that fills the slot later.
    fn refuse_queue(&mut self, why: &str) {
        self.queue.drain(..).for_each(|waiting| waiting.refuse(why));
    }

    /// Puts were refused, or taken back.
    fn note_refused(&mut self, slots: impl Iterator<Item = Slot>) {
        self.refused = self.refused.into_iter().chain(slots).min();
    }
}

impl Waiting {
    fn refuse(self, why: &str) {
        match self {
            Self::Put(put) => drop(put.done.send(Err(PutError::Refused(why.to_owned())))),
            Self::Roll { done, .. } => drop(done.send(Err(SegmentError::Io(why.to_owned())))),
        }
    }
}

impl Shared {
    /// Stages the put now, or queues it behind what waits.
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
        if let Some(put) = self.write(&mut writer, put) {
            writer.queue.push_back(Waiting::Put(put));
            self.work.notify_one();
        }
    }

    /// Begins the next file now, or queues the roll until there is one.
    pub(crate) fn submit_roll(&self, at: Slot, done: oneshot::Sender<Result<(), SegmentError>>) {
        let mut writer = self.writer.lock();
        if let Some(why) = &writer.dead {
            let _ = done.send(Err(SegmentError::Io(why.clone())));
            return;
        }
        let full = self.full.load(Ordering::Relaxed);
        if full && writer.queue.is_empty() && writer.spare.is_none() && at > writer.first {
            // The keeper knows already, and tries again by itself.
            let _ = done.send(Err(SegmentError::Full(NO_NEXT_FILE.to_owned())));
            self.asked.notify_one();
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
            match writer.queue.pop_front() {
                None => return Need::Nothing,
                Some(Waiting::Put(put)) => {
                    if let Some(put) = self.write(&mut writer, put) {
                        let bytes = u64::from(put.bytes);
                        writer.queue.push_front(Waiting::Put(put));
                        return Need::Space(bytes);
                    }
                }
                Some(Waiting::Roll { at, done }) if at <= writer.first => {
                    let what = || format!("slot {at} is below the active file's first, {}", writer.first);
                    let answer = if at == writer.first { Ok(()) } else { Err(SegmentError::Io(what())) };
                    let _ = done.send(answer);
                }
                Some(Waiting::Roll { at, done }) if writer.refused.is_some_and(|slot| slot < at) => {
                    let what = "an entry before the next file was refused, and is not there yet".to_owned();
                    let _ = done.send(Err(SegmentError::Io(what)));
                }
                Some(roll @ Waiting::Roll { .. }) if writer.torn => {
                    writer.queue.push_front(roll);
                    return Need::Space(0);
                }
                Some(Waiting::Roll { at, done }) => match writer.spare.take() {
                    None => {
                        writer.queue.push_front(Waiting::Roll { at, done });
                        return Need::Spare;
                    }
                    Some(spare) => {
                        self.switch(&mut writer, spare, at);
                        let _ = done.send(Ok(()));
                    }
                },
            }
        }
    }

    /// Refuses the queue's first item, whose need can't be met. A refused roll changes nothing for what comes after it.
    pub(crate) fn refuse_next(&self, why: &str) {
        let mut writer = self.writer.lock();
        match writer.queue.pop_front() {
            Some(Waiting::Roll { done, .. }) => drop(done.send(Err(SegmentError::Full(why.to_owned())))),
            Some(Waiting::Put(put)) => {
                writer.note_refused(std::iter::once(put.key.slot));
                Waiting::Put(put).refuse(why);
                writer.refuse_queue(why);
            }
            None => {}
        }
    }

    /// Answers or stages the put; gives it back if the file must grow first.
    fn write(&self, writer: &mut Writer, put: Put) -> Option<Put> {
        if self.taken(put.key) {
            // Exists may be read as "durable" by the writer of the same bytes: it waits for the sync too.
            let waiter = Waiter { ticket: writer.written, done: put.done, after: After::Exists };
            if writer.synced == writer.written {
                waiter.tell();
            } else {
                writer.waiters.push_back(waiter);
            }
            return None;
        }
        if u64::from(put.bytes) > writer.space_left() {
            return Some(put);
        }
        writer.refused = writer.refused.filter(|slot| *slot < put.key.slot);
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
        }
        writer.stage(position, put.value, Some((put.key, put.written)), None);
        writer.waiters.push_back(Waiter { ticket: writer.written, done: put.done, after: After::Written });
        self.publish(writer);
        self.dirty.notify_one();
        None
    }

    /// What was staged is in the file up to `end`.
    pub(crate) fn wrote(&self, first: Slot, end: u64) {
        if let Some(file) = self.catalog.lock().get_mut(first) {
            file.end = end;
        }
    }

    /// The disk was full although it had promised space (some file systems can't): what was to be written is refused, and
    /// so is what came after it. False if that was a file's first write, or if another file was begun meanwhile; then the
    /// shard can't go on: what comes next would lie in a file without a header, or without a name that lasts.
    pub(crate) fn take_back(&self, failed: &Staged, error: &io::Error) -> bool {
        let mut writer = self.writer.lock();
        if failed.first != writer.first || failed.rename.is_some() {
            return false;
        }
        let why = format!("cannot write an entry into {}: {error}", self.path(writer.first).display());
        let later: Vec<Staged> = writer.staged.drain(..).collect();
        let mut keys: Vec<_> =
            std::iter::once(failed).chain(&later).flat_map(|staged| staged.keys.iter().copied()).collect();
        keys.sort_unstable();
        writer.note_refused(keys.iter().map(|key| key.slot));
        {
            let mut catalog = self.catalog.lock();
            let file = catalog.get_mut(writer.first).expect("the active file is in the catalog");
            file.keys.forget(&keys);
            file.end = failed.position; // a sync may have failed after the write
        }
        for waiter in writer.waiters.drain(..) {
            let _ = waiter.done.send(Err(PutError::Refused(why.clone())));
        }
        writer.refuse_queue(&why);
        (writer.end, writer.torn, writer.synced) = (failed.position, true, writer.written);
        self.publish(&writer);
        true
    }

    /// Makes the spare the active file.
    fn switch(&self, writer: &mut Writer, spare: Spare, at: Slot) {
        assert!(at > writer.first, "files follow each other");
        let header = FileHeader { shard: self.shard, first: at }.encode();
        {
            let mut catalog = self.catalog.lock();
            let old = catalog.get_mut(writer.first).expect("the active file is in the catalog");
            old.slots_end = Some(at);
            old.keys.complete();
            let handle = Some(Arc::clone(&spare.file));
            catalog.insert(
                at,
                JournalFile { slots_end: None, end: 0, handle, sealed: None, keys: Keys::default() },
            );
        }
        writer.first = at;
        (writer.file, writer.appender) = (spare.file, spare.appender);
        writer.end = FILE_HEADER_BYTES as u64;
        writer.allocated = spare.bytes;
        writer.torn = false;
        writer.stage(0, vec![Bytes::copy_from_slice(&header)], None, Some((spare.path, self.path(at))));
        self.publish(writer);
        self.dirty.notify_one();
        self.work.notify_one();
    }
}
