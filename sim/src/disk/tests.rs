//! The disk's contract, and what crashes do.
