//! The file carrier on a real disk, in temporary folders.
#![allow(clippy::disallowed_methods, reason = "tests look at the files behind the store's back")]

mod crash;
mod faults;
mod folder;
mod full;
mod merge;
mod scarce;
mod seal;
mod suite;
mod temp;
