//! Puts get their places in the active file, in the order in which they come, and rolls begin the next one.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use klamm_model::Slot;
use klamm_store::{PutError, SegmentError};
use tokio::sync::oneshot;

use super::{After, Need, Put, Spare, Waiter, Waiting, Writer};
use crate::{
    catalog::JournalFile,
    format::{
        file_header::{FILE_HEADER_BYTES, FileHeader},
        trailer::TRAILER_BYTES,
    },
    keys::Keys,
    shared::Shared,
    staged::Staged,
};

/// Why a roll must wait.
const NO_NEXT_FILE: &str = "the next journal file could not be made";

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
