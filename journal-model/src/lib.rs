//! The journal's rules as an executable model.
//!
//! `search` visits every run of a few brokers over a hostile carrier, within bounds, and checks the properties in
//! `check`. Each rule can be switched off; the search then shows what goes wrong. The rules and the reasons are
//! in `docs/adr/0002-journal-keys-and-chain.md`. Nothing in the product depends on this crate.
//!
//! | file | holds |
//! |---|---|
//! | `rules` | the switches |
//! | `bounds` | how far a search goes |
//! | `entry` | entries, keys, chains |
//! | `state` | one state and its bytes |
//! | `model`, `steps/` | what can happen next |
//! | `check` | what has to hold |
//! | `search`, `visited` | breadth-first search |
//! | `trace` | a run in words |

pub mod bounds;
pub mod check;
pub mod entry;
pub mod model;
pub mod rules;
pub mod search;
pub mod state;
mod steps;
pub mod trace;
mod visited;

pub use bounds::Bounds;
pub use check::Violation;
pub use rules::{Rule, Rules};
pub use search::{Outcome, Report, search};
