//! Bad input against the running `klamm`: each gets the answer of the table in `reliability.md`, the server serves on,
//! and its memory stays bounded.
#![allow(clippy::disallowed_methods)] // Drives real processes and files from outside; nothing here is simulated.

mod batches;
mod bombs;
mod crowds;
mod frames;
mod fuzz;
mod logs;
mod repeats;
mod sizes;
mod start;
mod stop;
mod waiting;
mod wide;

use klamm_conformance::{Raw, Server, batch, records, unique};

const MIB: u64 = 1 << 20;
/// The allocator takes memory from the system in pieces, some for each thread.
const SLACK_BYTES: u64 = 24 * MIB;

/// A server under attack, and what it was before.
struct Attacked {
    server: Server,
    rss_bytes: u64,
    name: String,
}

impl Attacked {
    fn start(arguments: &[&str]) -> Attacked {
        let server = Server::start(arguments);
        let name = unique("attacked");
        let mut raw = Raw::connect(server.addr());
        raw.create(&name, 1, &[]);
        raw.append(&name, 0, batch(&["before"]));
        assert_eq!(records(&raw.fetch(&name, 0, 0)).len(), 1);
        let rss_bytes = server.rss_bytes();
        Attacked { server, rss_bytes, name }
    }

    fn connect(&self) -> Raw {
        Raw::connect(self.server.addr())
    }

    /// What its memory grew by.
    fn grew_bytes(&self) -> u64 {
        self.server.rss_bytes().saturating_sub(self.rss_bytes)
    }

    /// It serves, it holds what it held, and it needs at most so much more memory than before, and some slack.
    fn survived(&self, grew_bytes_max: u64) {
        let mut raw = self.connect();
        let end = raw.end(&self.name, 0);
        assert_eq!(raw.append(&self.name, 0, batch(&["after"])), end);
        assert_eq!(records(&raw.fetch(&self.name, 0, 0))[0], (0, "before".to_owned()));
        assert_eq!(records(&raw.fetch(&self.name, 0, end)), [(end, "after".to_owned())]);
        let grew = self.grew_bytes();
        assert!(grew <= grew_bytes_max + SLACK_BYTES, "its memory grew by {grew} bytes");
        let log = self.server.whole_log();
        assert!(!log.contains("panicked"), "something panicked:\n{log}");
    }
}
