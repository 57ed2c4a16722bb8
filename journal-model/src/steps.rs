//! The steps of the carrier, of an owner and of a candidate.

mod candidate;
mod carrier;
mod owner;
