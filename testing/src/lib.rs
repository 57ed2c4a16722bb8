//! What the tests and tools of several crates share: `klamm` as a child process, and temporary folders.
//!
//! Invariant: a process ends with its value, a folder goes with its value.
#![allow(clippy::disallowed_methods, reason = "it drives real processes and makes real folders")]

mod process;
mod temp;

pub use process::{Process, address_in, command};
pub use rustix::process::Signal;
pub use temp::TempDir;
