//! The workloads, as a table. A new one is a row.

/// Who makes the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// librdkafka: records, batched by the client.
    Librdkafka,
    /// Our own: batches built beforehand, so that the load is cheaper than the server.
    Raw,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Produce,
    /// Reading what is in memory (the server's or the page cache), over and over.
    Tail,
    /// Reading once what is in no memory.
    Cold,
}

/// A workload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) by: By,
    pub(crate) kind: Kind,
    pub(crate) record_bytes: usize,
    pub(crate) partitions: i32,
    pub(crate) connections: usize,
    pub(crate) acks: i16,
    /// librdkafka's batch.size, or the size of the batches built.
    pub(crate) batch_bytes: usize,
    /// How long librdkafka waits for a batch to fill.
    pub(crate) linger_ms: u32,
    /// Requests under way on a connection of ours.
    pub(crate) depth: usize,
    /// Records a second; else as many as possible.
    pub(crate) rate: Option<u32>,
    /// 2 ms more for each sync of the disk.
    pub(crate) slow_sync: bool,
    /// Whether it is in `--quick`.
    pub(crate) quick: bool,
    /// Whether the cost counts by request, not by byte.
    pub(crate) by_request: bool,
}

const KIB: usize = 1024;
/// librdkafka's default: in effect, no limit.
const FREE: usize = 1_000_000;

const LIBRDKAFKA: Workload = Workload {
    name: "",
    by: By::Librdkafka,
    kind: Kind::Produce,
    record_bytes: KIB,
    partitions: 64,
    connections: 1,
    acks: -1,
    batch_bytes: FREE,
    linger_ms: 5,
    depth: 5,
    rate: None,
    slow_sync: false,
    quick: false,
    by_request: false,
};

/// Batches of 16 KiB whatever the number of partitions: librdkafka waits until one is full.
const HELD: Workload = Workload { batch_bytes: 16 * KIB, linger_ms: 1000, ..LIBRDKAFKA };

const RAW: Workload = Workload { by: By::Raw, batch_bytes: KIB * KIB - KIB, connections: 4, ..LIBRDKAFKA };

/// One record of 100 bytes in each request.
const SMALL: Workload =
    Workload { record_bytes: 100, batch_bytes: 1, depth: 1, connections: 50, by_request: true, ..RAW };

const PACED: Workload = Workload { rate: Some(2000), linger_ms: 0, by_request: true, ..LIBRDKAFKA };

/// All workloads, in the order of the report.
pub(crate) const WORKLOADS: &[Workload] = &[
    Workload { name: "produce-1k-64p", quick: true, ..LIBRDKAFKA },
    Workload { name: "produce-1k-1p", partitions: 1, ..LIBRDKAFKA },
    Workload { name: "produce-1k-1000p", partitions: 1000, ..LIBRDKAFKA },
    Workload { name: "produce-100b-64p", record_bytes: 100, quick: true, ..LIBRDKAFKA },
    Workload { name: "produce-1k-64p-50c", connections: 50, ..LIBRDKAFKA },
    Workload { name: "produce-1k-64p-acks1", acks: 1, ..LIBRDKAFKA },
    Workload { name: "produce-1k-1p-16k", partitions: 1, ..HELD },
    Workload { name: "produce-1k-64p-16k", ..HELD },
    Workload { name: "produce-1k-1000p-16k", partitions: 1000, quick: true, ..HELD },
    Workload { name: "produce-100b-1000p-16k", record_bytes: 100, partitions: 1000, ..HELD },
    Workload { name: "raw-produce-1m", quick: true, ..RAW },
    Workload { name: "raw-produce-1m-acks1", acks: 1, ..RAW },
    Workload {
        name: "raw-produce-16k-1000p-50c",
        batch_bytes: 16 * KIB,
        partitions: 1000,
        connections: 50,
        ..RAW
    },
    Workload { name: "small-1c", connections: 1, ..SMALL },
    Workload { name: "small-50c", quick: true, ..SMALL },
    Workload { name: "small-50c-acks1", acks: 1, ..SMALL },
    Workload { name: "tail-1k-64p", kind: Kind::Tail, quick: true, ..LIBRDKAFKA },
    Workload { name: "tail-100b-64p", kind: Kind::Tail, record_bytes: 100, ..LIBRDKAFKA },
    Workload { name: "raw-tail-1m", kind: Kind::Tail, quick: true, ..RAW },
    Workload { name: "raw-tail-16k-50c", kind: Kind::Tail, batch_bytes: 16 * KIB, connections: 50, ..RAW },
    Workload { name: "cold-1k-64p", kind: Kind::Cold, ..LIBRDKAFKA },
    Workload { name: "raw-cold-1m", kind: Kind::Cold, quick: true, ..RAW },
    Workload { name: "paced-1k-64p", quick: true, ..PACED },
    Workload { name: "slow-produce-1k-1000p", partitions: 1000, slow_sync: true, ..LIBRDKAFKA },
    Workload { name: "slow-small-50c", slow_sync: true, quick: true, ..SMALL },
    Workload { name: "slow-paced-1k-64p", slow_sync: true, ..PACED },
];

impl Workload {
    /// What it is, in a phrase.
    pub(crate) fn about(&self) -> String {
        let by = match self.by {
            By::Librdkafka => "librdkafka",
            By::Raw => "prebuilt batches",
        };
        let kind = match self.kind {
            Kind::Produce => "produce",
            Kind::Tail => "fetch from memory",
            Kind::Cold => "fetch from disk",
        };
        let mut about = format!(
            "{kind}, {by}: {} B records, {} partitions, {} connections",
            self.record_bytes, self.partitions, self.connections
        );
        if self.kind == Kind::Produce {
            about += if self.acks == 1 { ", acks=1" } else { ", acks=all" };
        }
        about += &match (self.batch_bytes, self.linger_ms) {
            (1, _) => ", one record a request".to_owned(),
            (FREE, _) => ", batches as they come".to_owned(),
            (bytes, _) => format!(", batches of {} KiB", bytes.div_ceil(KIB)),
        };
        if let Some(rate) = self.rate {
            about += &format!(", {rate} records/s, read at once");
        }
        about + if self.slow_sync { ", 2 ms added to each sync" } else { "" }
    }
}
