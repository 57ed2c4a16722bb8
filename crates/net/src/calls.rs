//! The calls under way in a connection, in order of arrival. Invariants: answers are taken in order; only the last
//! call may be one that runs alone, and it is polled only while it is also the first; a call is polled before the
//! next one is pushed, unless it must wait for its turn.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use crate::service::{Answer, AnswerFuture, Call};

/// A queue that grew above this gives its memory back when it is empty.
const KEEP: usize = 16;

/// Calls under way.
#[derive(Default)]
pub(crate) struct Calls {
    slots: VecDeque<Slot>,
    frame_bytes: usize,
}

struct Slot {
    alone: bool,
    started: bool,
    frame_bytes: usize,
    state: State,
}

enum State {
    Pending(AnswerFuture),
    Ready(Answer),
    Panicked(Panic),
}

/// What a panic said.
pub(crate) struct Panic(pub(crate) String);

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of the frames of these calls.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// Whether the last call runs alone, so that none may follow yet.
    pub(crate) fn barred(&self) -> bool {
        self.slots.back().is_some_and(|slot| slot.alone)
    }

    /// Forgets all calls.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds a call and polls it if it is its turn.
    pub(crate) fn push(&mut self, call: Call, frame_bytes: usize, cx: &mut Context<'_>) {
        assert!(!self.barred(), "a call that runs alone is the last");
        self.frame_bytes += frame_bytes;
        let turn = call.overlaps || self.slots.is_empty();
        let state = State::Pending(call.answer);
        let mut slot = Slot { alone: !call.overlaps, started: false, frame_bytes, state };
        if turn {
            slot.poll(cx);
        }
        self.slots.push_back(slot);
    }

    /// Polls every call whose turn it is.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if !slot.alone || index == 0 {
                slot.poll(cx);
            }
        }
    }

    /// The first call's answer, if it is ready; an error if that call panicked. Starts a call whose turn has come.
    pub(crate) fn pop(&mut self, cx: &mut Context<'_>) -> Result<Option<Answer>, Panic> {
        if let Some(slot) = self.slots.front_mut().filter(|slot| !slot.started) {
            slot.poll(cx);
        }
        let done = |slot: &mut Slot| !matches!(slot.state, State::Pending(_));
        let Some(slot) = self.slots.pop_front_if(done) else { return Ok(None) };
        self.frame_bytes -= slot.frame_bytes;
        if self.slots.is_empty() && self.slots.capacity() > KEEP {
            self.slots = VecDeque::new();
        }
        match slot.state {
            State::Ready(answer) => Ok(Some(answer)),
            State::Panicked(panic) => Err(panic),
            State::Pending(_) => unreachable!("taken only when done"),
        }
    }
}

impl Slot {
    /// Polls the call once, unless it is finished.
    fn poll(&mut self, cx: &mut Context<'_>) {
        let State::Pending(future) = &mut self.state else { return };
        self.started = true;
        match guard(|| future.as_mut().poll(cx)) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(answer)) => self.state = State::Ready(answer),
            Err(panic) => self.state = State::Panicked(panic),
        }
    }
}

/// Runs foreign code; its panic becomes an error.
pub(crate) fn guard<T>(run: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| Panic(message(payload.as_ref())))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
