//! Tests of the running binary with real clients: starts `klamm` (or takes any broker's address), runs clients as child
//! processes with a bounded time, and compares what they say. [`Raw`] speaks the protocol itself.
//!
//! Invariant: every process and folder that a test starts here ends with the value that stands for it.
#![allow(clippy::disallowed_methods)] // Drives real processes and files from outside; nothing here is simulated.

mod ask;
mod broker;
mod client;
mod process;
mod raw;
mod record;
mod server;
mod tools;

pub use ask::{batch, batch_of, records, to_fetch, to_produce};
pub use broker::{Broker, unique};
pub use client::{Client, Refusal};
pub use klamm_testing::{Signal, TempDir, not_run};
pub use process::{Finished, run};
pub use raw::{Raw, Sent};
pub use record::{Read, Record, offsets_from};
pub use server::{Server, run_klamm};
pub use tools::{COMPRESSIONS, CONSOLE_FORMAT, KCAT_FORMAT, Tool, console_line, kcat_line};
