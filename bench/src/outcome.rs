//! What a load says when it is done: one line of JSON. Both loads speak it, ours and librdkafka's; the comparison reads it.

use serde::{Deserialize, Serialize};

/// What was done and what it cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Bytes of record values that were acknowledged or read.
    pub bytes: u64,
    /// Records that were acknowledged or read.
    pub records: u64,
    /// Produce or Fetch requests that were answered.
    pub requests: u64,
    /// Bytes that the load sent (produce) or received (fetch), frames and all.
    pub wire_bytes: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// CPU seconds of the server.
    pub server_cpu_s: f64,
    /// CPU seconds of the load itself; near `seconds`, the load is what limits the throughput.
    pub load_cpu_s: f64,
    /// From handing a record (or a request) over to its answer, in microseconds.
    pub answer_us: Option<Quantiles>,
    /// From handing a record over to its arrival in a consumer, in microseconds.
    pub end_to_end_us: Option<Quantiles>,
}

/// The middle and the tail of some times, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half of the times are below.
    pub p50: u32,
    /// 99 in 100 are below.
    pub p99: u32,
    /// 999 in 1,000 are below.
    pub p999: u32,
}

impl Quantiles {
    /// Of all the times; none if there are none.
    pub fn of(mut times_us: Vec<u32>) -> Option<Self> {
        times_us.sort_unstable();
        let at = |share: f64| times_us.get((times_us.len() as f64 * share) as usize).copied();
        Some(Self { p50: at(0.5)?, p99: at(0.99)?, p999: at(0.999)? })
    }
}
