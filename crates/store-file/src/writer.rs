//! Where puts go: the active file, what waits, what is staged. `placing` gives each put its place, in the order in which
//! they come; `flush` writes them. A put waits in a queue only while the file grows or a roll needs its next file.
//! Invariant: entries lie back to back. The last [`TRAILER_BYTES`] of an unsealed file stay zero, so that no payload is
//! taken for a trailer.

mod placing;

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use bytes::Bytes;

use klamm_env::File;
use klamm_model::Slot;
use klamm_store::{Key, PutError, SegmentError, Value, Written};
use tokio::sync::oneshot;

use crate::{
    format::trailer::TRAILER_BYTES,
    staged::{STAGED_BYTES, Staged},
};

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
