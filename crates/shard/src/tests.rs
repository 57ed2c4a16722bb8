//! Stories over the memory carrier.
