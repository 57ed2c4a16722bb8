//! The suite that every carrier passes.
