//! Kafka's APIs: one handler a file, one table for dispatch
