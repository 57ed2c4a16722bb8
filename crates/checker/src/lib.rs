//! Judges histories of what Kafka clients did and saw. Pure: no I/O, no clock; the simulator and tests of real
//! processes feed it alike.
//!
//! How to use it: give each record a [`Value`] of its own (in its first eight bytes, [`Value::to_bytes`]); tell a
//! [`Checker`] every [`Event`] in the order in which the clients lived it; [`Checker::finish`] after a last read of
//! everything. What it finds is a list of [`Anomaly`]; a correct broker's histories have none, whatever crashes there
//! were. [`jsonl`] writes and reads events, one a line. The rules of recording stand at [`Event`].
//!
//! Left out until transactions are there: aborted reads, torn transactions, the last stable offset, offsets committed
//! without their outputs. Left out for good: `acks=0` and `acks=1`, which promise nothing that could be checked here
//! (record their answers as [`Event::SendInfo`]).
//!
//! Code map: `partition` judges one partition, `life` what else is to be known of one in memory, `group` one group;
//! `numbers` is their memory.

mod anomaly;
mod checker;
mod event;
mod group;
pub mod jsonl;
mod life;
mod numbers;
mod partition;
#[cfg(test)]
mod tests;

pub use anomaly::Anomaly;
pub use checker::{Checker, check};
pub use event::{Event, Part, Poll, Value, Values};
