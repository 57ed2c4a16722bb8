//! What batches inflate to is bounded: a few bytes may say a mebibyte. For each request there is a budget, the largest size of
//! a request; and what a connection's requests under way keep beside their frames counts as frames do, so that no more is
//! read meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use klamm_records::{BatchError, Codec, DecompressCap, decompress};

/// Bytes that a connection's requests under way keep in memory beside their frames.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside(Arc<AtomicUsize>);

impl Beside {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A request that may inflate so many bytes.
    pub(crate) fn inflation(&self, bytes_max: usize) -> Inflation {
        Inflation { left_bytes: bytes_max, kept_bytes: 0, beside: self.clone() }
    }
}

/// What a request may still inflate, and what it keeps of it until it is answered.
#[derive(Debug)]
pub(crate) struct Inflation {
    left_bytes: usize,
    kept_bytes: usize,
    beside: Beside,
}

impl Inflation {
    /// A payload, inflated within what is left.
    pub(crate) fn decompress(&mut self, codec: Codec, payload: &Bytes) -> Result<Bytes, BatchError> {
        if codec == Codec::None {
            return Ok(payload.clone());
        }
        let default = DecompressCap::default();
        let cap = DecompressCap { bytes_max: default.bytes_max.min(self.left_bytes), ..default };
        let plain = decompress(codec, payload, cap);
        // What is refused was work, too.
        self.left_bytes -= plain.as_ref().map_or(cap.limit_bytes(payload.len()), Bytes::len);
        plain
    }

    /// Notes bytes that are kept until the request is answered.
    pub(crate) fn keep(&mut self, bytes: usize) {
        self.kept_bytes += bytes;
        self.beside.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Inflation {
    fn drop(&mut self) {
        self.beside.0.fetch_sub(self.kept_bytes, Ordering::Relaxed);
    }
}
