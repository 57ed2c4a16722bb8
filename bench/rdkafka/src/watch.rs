//! What librdkafka calls back: its statistics and the deliveries.

use std::{sync::Mutex, time::Instant};

use rdkafka::{
    ClientContext, Statistics, consumer::ConsumerContext, message::DeliveryResult, producer::ProducerContext,
};

/// What one client has seen so far.
pub(crate) struct Watch {
    /// Times are nanoseconds since then; 0 says that a record is not timed.
    began: Instant,
    seen: Mutex<Seen>,
}

/// The counts of a client.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) answered_us: Vec<u32>,
    /// The first delivery that failed.
    pub(crate) failed: Option<String>,
    pub(crate) produce: u64,
    pub(crate) fetch: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
}

impl Watch {
    pub(crate) fn new(began: Instant) -> Self {
        Self { began, seen: Mutex::default() }
    }

    /// Now, as a record's opaque or first bytes carry it.
    pub(crate) fn now(&self) -> usize {
        self.began.elapsed().as_nanos() as usize
    }

    /// Takes what was seen.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().expect("no panic"))
    }

    /// The requests and bytes of a consumer in all its time, as the latest statistics have them.
    pub(crate) fn fetched(&self) -> (u64, u64) {
        let seen = self.seen.lock().expect("no panic");
        (seen.fetch, seen.received_bytes)
    }
}

impl ClientContext for Watch {
    fn stats(&self, statistics: Statistics) {
        let mut seen = self.seen.lock().expect("no panic");
        let requests = |name| {
            let brokers = statistics.brokers.values();
            brokers.filter_map(|broker| broker.req.get(name)).sum::<i64>() as u64
        };
        (seen.produce, seen.fetch) = (requests("Produce"), requests("Fetch"));
        (seen.sent_bytes, seen.received_bytes) = (statistics.tx_bytes as u64, statistics.rx_bytes as u64);
    }
}

impl ConsumerContext for Watch {}

impl ProducerContext for Watch {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: usize) {
        let mut seen = self.seen.lock().expect("no panic");
        match result {
            Ok(message) => {
                seen.records += 1;
                seen.bytes += message.payload_len() as u64;
                if sent > 0 {
                    seen.answered_us.push((self.now().saturating_sub(sent) / 1000) as u32);
                }
            }
            Err((error, _)) => drop(seen.failed.get_or_insert_with(|| error.to_string())),
        }
    }
}
