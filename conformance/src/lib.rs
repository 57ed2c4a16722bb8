//! Tests of the running binary with real clients and bad input
