//! The simulator: the whole broker in one process on virtual time, under faults, judged by a checker.
//!
//! A seed decides everything: [`run`] twice gives the same log. Code map: `run` is one run, of one or two brokers that know
//! nothing of each other; `host` starts a broker (the library facade) on `env` (clock, randomness, network over turmoil)
//! and `disk`; `producer`, `plain`, `ephemeral`, `reader` and `member` are the clients, on `client` (the real codec); `chaos` is the
//! faults, `promises` what is due within a time; `klamm-checker` judges while the run goes on. `days` is another run: days of retention in accelerated time;
//! `rot` flips bits on the disk; `objects` is one of shards in a simulated object store, which several owners compete for.
//! Not here yet: object stores under a whole broker, brokers that form a cluster.

mod batch;
mod chaos;
mod client;
mod days;
mod dice;
pub mod disk;
mod env;
mod ephemeral;
mod host;
mod log;
mod member;
mod model;
pub mod objects;
mod panics;
mod plain;
mod producer;
mod promises;
mod reader;
mod run;

pub use days::{days, rot};
pub use dice::Dice;
pub use log::{Log, Time};
pub use run::{Counts, LAST_RESTART, Outcome, run};
