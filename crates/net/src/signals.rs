//! What wakes a connection's task, told apart: a call made progress, or the server stops. A socket that became
//! ready sets neither, so it costs no poll of the calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// What the server wants of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Go on.
    Serve = 0,
    /// Start no further call; close when those under way are answered.
    Drain = 1,
    /// Close now.
    Kill = 2,
}

/// The signals of one connection.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    called: AtomicBool,
    order: AtomicU8,
    task: AtomicWaker,
}

impl Signals {
    /// The connection's task, to be woken from now on. Before the signals are read.
    pub(crate) fn register(&self, task: &Waker) {
        self.task.register(task);
    }

    /// Whether a call was woken since the last time.
    pub(crate) fn take_called(&self) -> bool {
        self.called.load(Ordering::Relaxed) && self.called.swap(false, Ordering::Acquire)
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Serve,
            1 => Order::Drain,
            _ => Order::Kill,
        }
    }

    pub(crate) fn give(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.task.wake();
    }
}

impl Wake for Signals {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.called.swap(true, Ordering::AcqRel) {
            self.task.wake();
        }
    }
}
