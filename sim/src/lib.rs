//! The simulator
