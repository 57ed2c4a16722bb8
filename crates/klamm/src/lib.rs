//! Klamm: a complete Kafka in one binary, and the library to embed it
