//! TCP: framing, pipelining, limits, shutdown
