//! What the benches and the two programs share. `batch` builds batches, `request` frames around them, `node` a broker
//! in memory without sockets, `cpu` reads what a process has used. See `README.md` for how to run.
#![allow(clippy::disallowed_methods, reason = "a tool beside the broker: it measures time and opens sockets")]

pub mod batch;
pub mod cpu;
pub mod node;
pub mod request;
