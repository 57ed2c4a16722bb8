//! What a request's batches may take beyond the request itself. A few bytes may say a mebibyte, and a batch of few bytes may have
//! thousands of bad records. What a request inflates is bounded by the largest size of a request; and what a connection's
//! requests under way keep beside their frames counts as frames do, so that no more is read meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use klamm_records::{BatchError, Codec, DecompressCap, decompress};

/// Bad records of a request that are told one by one; Kafka tells all.
const RECORDS_TOLD_MAX: usize = 5000;

/// Bytes that a connection's requests under way keep in memory beside their frames.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside(Arc<AtomicUsize>);

impl Beside {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// That of a request that may inflate so many bytes.
    pub(crate) fn allowance(&self, bytes_max: usize) -> Allowance {
        Allowance {
            left_bytes: bytes_max,
            left_records: RECORDS_TOLD_MAX,
            kept_bytes: 0,
            beside: self.clone(),
        }
    }
}

/// What a request may still inflate and tell, and what it keeps until it is answered.
#[derive(Debug)]
pub(crate) struct Allowance {
    left_bytes: usize,
    left_records: usize,
    kept_bytes: usize,
    beside: Beside,
}

impl Allowance {
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

    /// Whether one more bad record is told.
    pub(crate) fn tells(&mut self) -> bool {
        let tells = self.left_records > 0;
        self.left_records -= usize::from(tells);
        tells
    }

    /// Notes bytes that are kept until the request is answered.
    pub(crate) fn keep(&mut self, bytes: usize) {
        self.kept_bytes += bytes;
        self.beside.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        self.beside.0.fetch_sub(self.kept_bytes, Ordering::Relaxed);
    }
}
