//! Answers on their way out: segments in order, written with as few system calls as the kernel allows.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use klamm_env::Connection;

/// The kernel's limit on slices in one call.
const SLICES_MAX: usize = 1024;
/// So many slices need no allocation.
const SLICES_FEW: usize = 16;
/// A queue that grew above this gives its memory back when it is empty.
const KEEP: usize = 16;

/// Segments not yet written.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    segments: VecDeque<Bytes>,
    bytes: usize,
}

impl Outgoing {
    pub(crate) fn push(&mut self, frame: Vec<Bytes>) {
        for segment in frame {
            if !segment.is_empty() {
                self.bytes += segment.len();
                self.segments.push_back(segment);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn segments(&self) -> usize {
        self.segments.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// One write; how many bytes went out. There must be something to write.
    pub(crate) fn poll_write(
        &mut self,
        connection: &mut dyn Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let connection = Pin::new(connection);
        let count = self.segments.len().min(SLICES_MAX);
        let slices = self.segments.iter().map(|segment| IoSlice::new(segment));
        let written = if count == 1 {
            connection.poll_write(cx, &self.segments[0])
        } else if count <= SLICES_FEW {
            let mut few = [IoSlice::new(&[]); SLICES_FEW];
            few.iter_mut().zip(slices).for_each(|(slot, slice)| *slot = slice);
            connection.poll_write_vectored(cx, &few[..count])
        } else {
            connection.poll_write_vectored(cx, &slices.take(count).collect::<Vec<_>>())
        };
        let written = ready!(written)?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while written > 0 {
            let first = self.segments.front_mut().expect("no more is written than was given");
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.segments.pop_front();
        }
        if self.segments.is_empty() && self.segments.capacity() > KEEP {
            self.segments = VecDeque::new();
        }
    }
}
