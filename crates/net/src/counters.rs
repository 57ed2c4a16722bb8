//! What the server counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the server started.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[$doc])* pub $name: u64,)* }

        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: AtomicU64,)* }

        impl Counters {
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Connections open now.
    open,
    /// Connections accepted, without those refused.
    accepted,
    /// Connections refused because of the limit in all.
    refused_total,
    /// Connections refused because of the limit per address.
    refused_address,
    /// Errors of accepting.
    accept_errors,
    /// Complete frames.
    frames,
    /// Bytes read.
    bytes_in,
    /// Bytes written.
    bytes_out,
    /// Connections closed for a frame length that is not positive or above the limit.
    closed_bad_length,
    /// Connections closed because a frame, or the first one, did not come in time.
    closed_slow,
    /// Connections closed because nothing happened.
    closed_idle,
    /// Connections closed by the service.
    closed_by_service,
    /// Calls that panicked.
    panics,
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}
