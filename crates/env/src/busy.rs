//! Work that keeps a processor busy for long: compression, mostly.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does the work here and now. On a runtime of several threads the other tasks of this one go on elsewhere meanwhile; on one of
/// a single thread (the simulator's) they wait.
pub fn busy<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
