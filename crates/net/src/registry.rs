//! Who is connected: the limits in all and per address, and the way to reach every connection.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use klamm_env::Clock;
use tokio::sync::Notify;

use crate::{
    counters::{Counters, add},
    limits::Limits,
    quiet::Quiet,
    signals::{Order, Signals},
};

/// What the connections of a server share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counters: Counters,
    pub(crate) bad_frames: Quiet,
    pub(crate) refusals: Quiet,
    open: Mutex<Open>,
    all_closed: Notify,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, Arc<Signals>>,
    addresses: BTreeMap<IpAddr, usize>,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Total,
    Address,
}

impl Shared {
    pub(crate) fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            limits,
            clock,
            counters: Counters::default(),
            bad_frames: Quiet::default(),
            refusals: Quiet::default(),
            open: Mutex::default(),
            all_closed: Notify::new(),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a connection, unless there are too many.
    pub(crate) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Result<Admitted, Refused> {
        let address = peer.ip().to_canonical();
        let mut open = self.open();
        if open.connections.len() >= self.limits.connections_max {
            add(&self.counters.refused_total, 1);
            return Err(Refused::Total);
        }
        let from_address = open.addresses.entry(address).or_default();
        if *from_address >= self.limits.connections_per_address_max {
            add(&self.counters.refused_address, 1);
            return Err(Refused::Address);
        }
        *from_address += 1;
        let id = open.next;
        open.next += 1;
        let signals = Arc::new(Signals::default());
        open.connections.insert(id, Arc::clone(&signals));
        drop(open);
        add(&self.counters.accepted, 1);
        add(&self.counters.open, 1);
        Ok(Admitted { id, address, signals, shared: Arc::clone(self) })
    }

    /// Gives every connection an order.
    pub(crate) fn give(&self, order: Order) {
        self.open().connections.values().for_each(|signals| signals.give(order));
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        loop {
            let closed = self.all_closed.notified();
            if self.open().connections.is_empty() {
                return;
            }
            closed.await;
        }
    }
}

/// A connection's place; given back when dropped.
pub(crate) struct Admitted {
    pub(crate) id: u64,
    pub(crate) signals: Arc<Signals>,
    pub(crate) shared: Arc<Shared>,
    address: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.shared.open();
        open.connections.remove(&self.id);
        let from_address = open.addresses.get_mut(&self.address).expect("an admitted address is counted");
        *from_address -= 1;
        if *from_address == 0 {
            open.addresses.remove(&self.address);
        }
        let empty = open.connections.is_empty();
        drop(open);
        sub(&self.shared.counters.open);
        if empty {
            self.shared.all_closed.notify_waiters();
        }
    }
}

fn sub(counter: &AtomicU64) {
    counter.fetch_sub(1, Relaxed);
}
