//! The broker under test: a `klamm` of the test's own, or any broker whose address is given.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, process};

use crate::Server;

/// The broker under test.
#[derive(Debug)]
pub enum Broker {
    /// A `klamm` of this test's own.
    Klamm(Server),
    /// The broker at `KLAMM_CONFORMANCE_BOOTSTRAP`, e.g. Apache Kafka.
    External(String),
}

impl Broker {
    /// The broker at `KLAMM_CONFORMANCE_BOOTSTRAP` if that is set, else a new `klamm`.
    pub fn start() -> Broker {
        Broker::start_with(&[])
    }

    /// The same; a new `klamm` gets these arguments.
    pub fn start_with(arguments: &[&str]) -> Broker {
        match env::var("KLAMM_CONFORMANCE_BOOTSTRAP") {
            Ok(address) => Broker::External(address),
            Err(_) => Broker::Klamm(Server::start(arguments)),
        }
    }

    /// Where clients reach it, `HOST:PORT`.
    pub fn addr(&self) -> &str {
        match self {
            Broker::Klamm(server) => server.addr(),
            Broker::External(address) => address,
        }
    }
}

/// A topic name that no other test and no earlier run used.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let second = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    format!("{name}-{second}-{}-{number}", process::id())
}
