//! The only doors to the outside: clock, randomness, disk and network.
//! Everything else in the workspace is handed an [`Env`]; the simulator hands it one of its own.
#![allow(clippy::disallowed_methods, reason = "this crate is the adapter that the rule points to")]

mod blocks;
mod busy;
mod clock;
mod disk;
mod entropy;
mod folders;
mod limits;
mod net;
mod os_disk;
mod os_net;

use std::sync::Arc;

pub use blocks::{BLOCK_BYTES, Blocks, Gate};
pub use busy::busy;
pub use clock::{Clock, OsClock};
pub use disk::{Disk, File, FolderLock, OpenMode, Space};
pub use entropy::{Entropy, OsEntropy};
pub use limits::raise_open_files;
pub use net::{Connection, Listener, Net};
pub use os_disk::OsDisk;
pub use os_net::OsNet;

/// The outside, as one broker sees it. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Files and folders.
    pub disk: Arc<dyn Disk>,
    /// TCP.
    pub net: Arc<dyn Net>,
}

impl Env {
    /// The operating system's clock, randomness, disk and network.
    pub fn os() -> Self {
        Self {
            clock: Arc::new(OsClock::new()),
            entropy: Arc::new(OsEntropy),
            disk: Arc::new(OsDisk::default()),
            net: Arc::new(OsNet),
        }
    }
}
