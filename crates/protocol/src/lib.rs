//! The Kafka protocol: generated messages and their codec, no I/O
