//! Reading: from the socket to calls.

use std::{
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, ReadBuf};

use super::Driver;
use crate::{
    calls::guard,
    counters::add,
    ending::Ending,
    framer::{PIECE_BYTES, Room},
    limits::{DRAIN_MAX, OUTGOING_BYTES_MAX, OUTGOING_SEGMENTS_MAX},
    service::Session,
};

impl<S: Session> Driver<S> {
    /// What may start now.
    pub(super) fn room(&self) -> Room {
        let limits = &self.shared().limits;
        let open = self.ending.is_none()
            && !self.calls.barred()
            && self.calls.len() < limits.in_flight_max
            && self.outgoing.bytes() <= OUTGOING_BYTES_MAX
            && self.outgoing.segments() <= OUTGOING_SEGMENTS_MAX;
        let bytes = match self.calls.is_empty() {
            true => usize::MAX,
            false => limits
                .in_flight_bytes_max
                .saturating_sub(self.calls.frame_bytes() + self.session.bytes_beside()),
        };
        Room { open, bytes, frame_bytes_max: limits.frame_bytes_max }
    }

    /// Starts the frames that waited, then reads once. Whether anything happened.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ending.is_some() {
            return false;
        }
        if self.framer.has_waiting() && self.room().open && self.feed(&[]) {
            return true;
        }
        if self.ended {
            return false;
        }
        match self.read_frame(cx) {
            Some(Poll::Pending) => false,
            Some(Poll::Ready(read)) => {
                if self.took(read) {
                    self.filled();
                }
                true
            }
            None => self.read_piece(cx),
        }
    }

    /// Reads into the buffer of the frame under way, if it has one.
    fn read_frame(&mut self, cx: &mut Context<'_>) -> Option<Poll<io::Result<usize>>> {
        let mut buffer = self.framer.direct()?;
        let read = pin!(self.stream.read_buf(&mut buffer)).poll(cx);
        Some(read)
    }

    /// Reads a piece: small frames, or the beginning of a large one.
    fn read_piece(&mut self, cx: &mut Context<'_>) -> bool {
        let bytes_max = self.framer.piece_bytes_max();
        if bytes_max == 0 {
            return false;
        }
        let mut piece = [const { MaybeUninit::uninit() }; PIECE_BYTES];
        let mut buffer = ReadBuf::uninit(&mut piece[..bytes_max]);
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, &mut buffer) else { return false };
        if self.took(read.map(|()| buffer.filled().len())) {
            self.feed(buffer.filled());
        }
        true
    }

    /// Notes what a read gave. Whether it gave bytes.
    fn took(&mut self, read: io::Result<usize>) -> bool {
        match read {
            Ok(0) => self.peer_ended(None),
            Err(error) => self.peer_ended(Some(error)),
            Ok(bytes) => {
                add(&self.shared().counters.bytes_in, bytes as u64);
                self.active = self.now;
                return true;
            }
        }
        false
    }

    /// Calls the frames in what waited and `piece`. Whether there was one.
    fn feed(&mut self, piece: &[u8]) -> bool {
        if self.framer.has_waiting() {
            let joined = self.framer.join(piece);
            let mut rest = &joined[..];
            let any = self.cut(&mut rest);
            self.framer.wait(joined.slice_ref(rest));
            any
        } else {
            let mut rest = piece;
            let any = self.cut(&mut rest);
            self.framer.wait(Bytes::copy_from_slice(rest));
            any
        }
    }

    fn cut(&mut self, piece: &mut &[u8]) -> bool {
        let before = piece.len();
        loop {
            match self.framer.cut(piece, self.room()) {
                Ok(Some(frame)) => self.call(frame),
                Ok(None) => return piece.len() < before,
                Err(bad) => {
                    self.end(Ending::BadLength(bad), Some(DRAIN_MAX));
                    *piece = &[];
                    return true;
                }
            }
        }
    }

    /// After a read into the frame's own buffer.
    fn filled(&mut self) {
        if let Some(frame) = self.framer.filled() {
            self.call(frame);
            if let Err(bad) = self.framer.start(self.room()) {
                self.end(Ending::BadLength(bad), Some(DRAIN_MAX));
            }
        }
    }

    fn call(&mut self, frame: Bytes) {
        self.had_frame = true;
        self.frame_since = None;
        add(&self.shared().counters.frames, 1);
        let bytes = frame.len();
        match guard(|| self.session.call(frame)) {
            Ok(call) => self.calls.push(call, bytes, &mut Context::from_waker(&self.calls_waker)),
            Err(panic) => {
                self.panicked(&panic);
                self.end(Ending::Service("a call panicked".into()), Some(DRAIN_MAX));
            }
        }
        self.advance_calls();
    }
}
