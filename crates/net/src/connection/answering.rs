//! Answers: from the calls that are ready, in order, to the socket.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::AsyncWrite as _;
use tracing::error;

use super::Driver;
use crate::{
    calls::Panic,
    counters::add,
    ending::Ending,
    limits::DRAIN_MAX,
    service::{Answer, Session},
};

impl<S: Session> Driver<S> {
    /// Polls the calls that were woken and moves the answers that are ready out.
    pub(super) fn advance_calls(&mut self) -> bool {
        let cx = &mut Context::from_waker(&self.calls_waker);
        if self.admitted.signals.take_called() {
            self.calls.poll(cx);
        }
        let mut progress = false;
        loop {
            let answer = match self.calls.pop(cx) {
                Ok(None) => return progress,
                Ok(Some(answer)) => answer,
                Err(panic) => self.panicked(&panic),
            };
            progress = true;
            self.active = self.now;
            match answer {
                Answer::Frame(frame) if !self.broken => self.outgoing.push(frame),
                Answer::Frame(_) | Answer::Nothing => {}
                Answer::Close(reason) => {
                    self.calls.clear();
                    self.end(Ending::Service(reason), Some(DRAIN_MAX));
                    return true;
                }
            }
        }
    }

    pub(super) fn panicked(&self, panic: &Panic) -> Answer {
        add(&self.shared().counters.panics, 1);
        let (id, peer) = (self.admitted.id, self.peer);
        error!(id, %peer, panic = %panic.0.escape_debug(), "a call panicked; its connection is closed");
        Answer::close("a call panicked")
    }

    /// Writes until all is written or the kernel takes no more. Whether frames that wait may now start.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while !self.outgoing.is_empty() {
            match self.outgoing.poll_write(&mut *self.stream, cx) {
                Poll::Pending => return any && self.framer.has_waiting(),
                Poll::Ready(Ok(bytes)) => {
                    add(&self.shared().counters.bytes_out, bytes as u64);
                    self.active = self.now;
                    (any, self.unflushed) = (true, true);
                }
                Poll::Ready(Err(error)) => self.peer_ended(Some(error)),
            }
        }
        if self.unflushed && !self.broken {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => self.peer_ended(Some(error)),
            }
        }
        any && self.framer.has_waiting()
    }
}
