//! The codec's tests, in one binary.

#![allow(missing_docs)]

mod codec;
mod frames;
mod golden;
mod hostile;
mod round_trip;
