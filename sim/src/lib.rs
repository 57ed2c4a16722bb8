//! The simulator: the whole broker in one process on virtual time, under faults, judged by a checker.
//!
//! A seed decides everything: [`run`] twice gives the same log. Code map: `run` is one run; `host` starts the broker
//! (the library facade) on `env` (clock, randomness, network over turmoil) and `disk`; `producer` and `reader` are the
//! clients, on `client` (the real codec), and write the `history`; `chaos` crashes the broker; [`checker`] judges.
//! First floor: one broker. Not here yet: disks that fail or are full, bit rot, clock jumps, several brokers.

mod batch;
mod chaos;
pub mod checker;
mod client;
mod dice;
pub mod disk;
mod env;
pub mod history;
mod host;
mod log;
mod model;
mod producer;
mod reader;
mod run;

pub use dice::Dice;
pub use log::{Log, Time};
pub use run::{Counts, Outcome, run};
