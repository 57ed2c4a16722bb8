//! The cluster machine: topics, placement, producer ids
