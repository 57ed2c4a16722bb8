//! The protocol against the running broker, by our own codec: what real clients send rarely or never. Runs against the
//! broker at `KLAMM_CONFORMANCE_BOOTSTRAP` too, but for tests of `klamm`'s own configuration.
#![allow(clippy::disallowed_methods)] // Drives real processes from outside; nothing here is simulated.

mod addresses;
mod admin;
mod by_id;
mod configs;
mod delete_records;
mod fetching;
mod groups;
mod listing;
mod memory;
mod obeyed;
mod pipelining;
mod producing;
mod restarts;
mod retention;
mod sessions;
mod stored;
mod topics;
mod transactional;
mod versions;

use klamm_conformance::{Broker, Raw};

/// A broker and a connection to it.
fn pair() -> (Broker, Raw) {
    let broker = Broker::start_with(&["-c", "group.initial.rebalance.delay.ms=0"]);
    let mut raw = Raw::connect(broker.addr());
    raw.wait_for_coordinators();
    (broker, raw)
}
