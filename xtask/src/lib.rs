//! Project tasks as functions, so that tests can call them too.

pub mod coverage;
pub mod emit;
pub mod layers;
pub mod parse;
pub mod protocol;
pub mod schema;
pub mod tidy;
