//! Entries in flight: from decided records to an entry, and from a durable entry to its replies.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use klamm_machine::{Machine, Mark, PayloadWriter, Record};
use klamm_store::Key;
use tokio::sync::oneshot;

use crate::{Placed, Served, checkpoint::Checkpoint, handle::Ack};

/// A reply that waits.
pub(crate) struct Waiting<M: Machine> {
    pub(crate) reply: oneshot::Sender<Vec<M::Reply>>,
    pub(crate) replies: Vec<M::Reply>,
    pub(crate) ack: Ack,
}

impl<M: Machine> Waiting<M> {
    pub(crate) fn release(self) {
        // The asker may be gone; that is its own affair.
        let _ = self.reply.send(self.replies);
    }
}

/// What an entry in flight will do once it is durable.
pub(crate) enum Content<M: Machine> {
    Records(Vec<Placed<M::Record>>),
    Checkpoint(Checkpoint),
}

/// An entry in flight.
pub(crate) struct InFlight<M: Machine> {
    pub(crate) key: Key,
    pub(crate) time_ms: i64,
    pub(crate) content: Content<M>,
    pub(crate) waiting: Vec<Waiting<M>>,
    pub(crate) told: Told,
}

/// Whether an entry was handed to the device.
pub(crate) enum Told {
    /// Nobody asks, or it was, and those who ask know.
    Done,
    Waiting(oneshot::Receiver<()>),
    /// It will not be told: the append failed, or will, or is told of as durable only (where a write and its durability
    /// coincide).
    Never,
}

impl<M: Machine> InFlight<M> {
    /// Releases the replies that wait for the write alone, once it is told of. Whether what follows may be told of, too.
    fn poll_written(&mut self, cx: &mut Context<'_>, any: &mut bool) -> bool {
        if let Told::Waiting(told) = &mut self.told {
            match Pin::new(told).poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(Err(_)) => self.told = Told::Never,
                Poll::Ready(Ok(())) => {
                    self.told = Told::Done;
                    *any = true;
                    for waiting in self.waiting.extract_if(.., |waiting| waiting.ack == Ack::Written) {
                        waiting.release();
                    }
                }
            }
        }
        matches!(self.told, Told::Done)
    }
}

/// Releases, in the order of slots, the replies that wait for no more than a write. Ready if there were any.
pub(crate) fn poll_written<M: Machine>(
    in_flight: &mut VecDeque<InFlight<M>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let mut any = false;
    let _ = in_flight.iter_mut().all(|entry| entry.poll_written(cx, &mut any));
    if any { Poll::Ready(()) } else { Poll::Pending }
}

/// The records of an entry in the making.
pub(crate) struct Draft<M: Machine> {
    payload: PayloadWriter,
    records: Vec<(M::Record, usize)>,
    /// Where the records of the request begin that is being decided.
    request: Mark,
}

impl<M: Machine> Draft<M> {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let payload = PayloadWriter::with_capacity(bytes);
        Self { payload, records: Vec::new(), request: Mark::default() }
    }

    /// What is pushed from now on is of another request.
    pub(crate) fn begin_request(&mut self) {
        self.request = self.payload.mark();
    }

    /// Adds a record, unless it takes more than so many bytes. Gives it, and its bytes.
    pub(crate) fn push(&mut self, record: M::Record, bytes_max: usize) -> Option<(&M::Record, usize)> {
        let (mark, at) = (self.payload.mark(), self.payload.len());
        record.encode(&mut self.payload);
        let bytes = self.payload.len() - at;
        if bytes > bytes_max {
            self.payload.rewind(mark);
            return None;
        }
        self.records.push((record, at));
        self.records.last().map(|(record, _)| (record, bytes))
    }

    /// Copies what the records of the request that is being decided share with others.
    pub(crate) fn copy_out(&mut self) {
        self.payload.copy_out(self.request);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.payload.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The payload, and each record with its served bytes, which share the payload's.
    pub(crate) fn finish(self) -> (Vec<Bytes>, Vec<Placed<M::Record>>) {
        let pieces = self.payload.finish();
        let mut cursor = Cursor { pieces: &pieces, piece: 0, start: 0 };
        let place = |(record, start): (M::Record, usize)| {
            let (at, served) = match record.served() {
                Some(range) => (start + range.start, cursor.slice(start + range.start, range.len())),
                None => (start, Served::default()),
            };
            Placed { record, at: u32::try_from(at).expect("payloads are below 4 GiB"), served }
        };
        let placed = self.records.into_iter().map(place).collect();
        (pieces, placed)
    }
}

/// Slices pieces at rising positions.
struct Cursor<'a> {
    pieces: &'a [Bytes],
    piece: usize,
    start: usize,
}

impl Cursor<'_> {
    fn slice(&mut self, at: usize, bytes: usize) -> Served {
        while at - self.start >= self.pieces[self.piece].len() {
            self.start += self.pieces[self.piece].len();
            self.piece += 1;
        }
        let (piece, from) = (&self.pieces[self.piece], at - self.start);
        let first = piece.slice(from..piece.len().min(from + bytes));
        let second = match bytes - first.len() {
            0 => Bytes::new(),
            rest => self.pieces[self.piece + 1].slice(..rest),
        };
        assert_eq!(first.len() + second.len(), bytes, "served bytes lie in at most two pieces");
        Served { first, second }
    }
}
