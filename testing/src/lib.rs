//! What the tests and tools of several crates share: `klamm` as a child process, temporary folders, and a word for
//! tests that can't run where they are.
//!
//! Invariant: a process ends with its value, a folder goes with its value.
#![allow(clippy::disallowed_methods, reason = "it drives real processes and makes real folders")]

mod not_run;
mod process;
mod temp;

pub use not_run::not_run;
pub use process::{Process, address_in, command};
pub use rustix::process::Signal;
pub use temp::TempDir;
