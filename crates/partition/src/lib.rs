//! The partition machine: batches, offsets, idempotent producers
