//! What the benches and the programs share. `batch` builds batches, `request` frames around them, `node` a broker
//! in memory without sockets; `client` is a connection, `raw` a load over some of them, `floor` the server that only moves bytes;
//! `cpu` reads what a process has used, `outcome` is how a load says what it found. See `README.md` for how to run.
#![allow(clippy::disallowed_methods, reason = "a tool beside the broker: it measures time and opens sockets")]

pub mod batch;
pub mod client;
pub mod cpu;
pub mod floor;
pub mod node;
pub mod outcome;
pub mod raw;
pub mod request;
