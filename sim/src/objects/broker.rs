//! A broker: a process with the real shard runtime, partition machine, journal and object driver, one of each a shard. In
//! front of it a plain service instead of Kafka's protocol: the object class is not wired into whole brokers yet.
//!
//! Nothing says who may own a shard but its journal. A [`Gate`] says only when a process tries: at its start and
//! after it was fenced it waits for a permit, as it would wait for the metadata to assign it the shard.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use klamm_env::Env;
use klamm_model::{Epoch, PartitionId, ShardId, Slot};
use klamm_partition::{Command, Partitions as Machine, Reply};
use klamm_shard::{Ack, Partitions, ReadError as Unread, Shard, ShardConfig, ShardState};
use klamm_store::{
    AppendError, Carrier, Entry, EntryKind, Head, Journal, ReadError, ShardStore, Tail, TrimError, Written,
    entry::HEADER_BYTES, flatten,
};
use klamm_store_object::ObjectDriver;
use object_store::{ObjectStore, path::Path};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    DONE,
    files::Files,
    witness::{Truth, Witness},
};

/// What a client asks of a broker.
pub(super) enum Call {
    /// A command for a shard.
    Ask { shard: usize, command: Command, answer: oneshot::Sender<Answer<Reply>> },
    /// Batches of a partition.
    Read { shard: usize, partition: PartitionId, from: i64, answer: oneshot::Sender<Answer<Read>> },
}

/// An answer.
pub(super) struct Answer<T> {
    /// None: the broker does not serve the shard, or stopped serving it with the call under way.
    pub(super) told: Option<T>,
    /// Whether the broker was the last that had taken the shard over, when it answered. An answer of an owner that does not know yet
    /// that it was replaced may be old.
    pub(super) newest: bool,
}

/// What was read.
pub(super) struct Read {
    pub(super) batches: Result<Bytes, Unread>,
    pub(super) log_start: i64,
    pub(super) high_watermark: i64,
}

/// What all brokers of a run have in common.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) shards: usize,
    pub(super) file_bytes: u64,
    pub(super) tail_bytes: usize,
    pub(super) fetch_bytes: usize,
    /// How long a call to the store may take.
    pub(super) deadline: Duration,
}

/// A running broker, from outside.
pub(super) struct Broker {
    pub(super) calls: mpsc::UnboundedSender<Call>,
    /// For each shard: whether it may try to take it over.
    permits: Vec<watch::Sender<bool>>,
    shards: Vec<Shard<Machine>>,
}

struct Served {
    shard: Shard<Machine>,
    partitions: Arc<Partitions>,
}

impl Broker {
    /// Starts it in the runtime that is entered.
    pub(super) fn start(
        id: usize,
        env: &Env,
        store: &Arc<dyn ObjectStore>,
        settings: &Settings,
        truth: &Truth,
    ) -> Self {
        let (calls, asked) = mpsc::unbounded_channel();
        let (mut permits, mut served) = (Vec::new(), Vec::new());
        for number in 0..settings.shards {
            let prefix = Path::from(format!("cluster/shard-{number}"));
            let shard_id = ShardId(1 + number as u32);
            let driver = ObjectDriver::new(Arc::clone(store), prefix.clone());
            let driver = Arc::new(driver.with_deadline(settings.deadline));
            let files = Files::new(Arc::clone(store), Arc::clone(&driver), prefix, settings.deadline);
            let files = Arc::new(files);
            let permit = watch::Sender::new(false);
            permits.push(permit.clone());
            let gate = Gate {
                journal: Carrier::new(driver, shard_id),
                files: Arc::clone(&files),
                shard: number,
                permit,
                passed: AtomicBool::new(false),
                truth: truth.clone(),
            };
            let shard_store = ShardStore {
                journal: Arc::new(gate),
                segments: Arc::clone(&files) as _,
                snapshots: Arc::clone(&files) as _,
            };
            let (partitions, view) = Partitions::new(files, settings.tail_bytes);
            let view = Witness::new(truth.clone(), number, view);
            let config = ShardConfig {
                shard: shard_id,
                broker: id as i32,
                file_bytes: settings.file_bytes,
                epoch_above: Epoch(0),
            };
            let shard = Shard::start(env.clone(), shard_store, config, view);
            served.push(Served { shard, partitions });
        }
        let shards = served.iter().map(|served| served.shard.clone()).collect();
        tokio::spawn(serve(asked, served, truth.clone(), settings.fetch_bytes));
        Self { calls, permits, shards }
    }

    /// It may try to take the shard over.
    pub(super) fn permit(&self, shard: usize) {
        self.permits[shard].send_replace(true);
    }

    /// What it does with the shard.
    pub(super) fn state(&self, shard: usize) -> ShardState {
        self.shards[shard].state()
    }

    /// Whether it serves the shard as the last that took it over, or is about to. One that was replaced, and does not know
    /// since nothing is appended there, may answer for ever.
    pub(super) fn is_at_it(&self, shard: usize, truth: &Truth) -> bool {
        match self.state(shard) {
            ShardState::Serving(epoch) => truth.is_newest(shard, epoch),
            _ => *self.permits[shard].borrow(),
        }
    }
}

/// Takes calls up in their order.
async fn serve(
    mut asked: mpsc::UnboundedReceiver<Call>,
    served: Vec<Served>,
    truth: Truth,
    fetch_bytes: usize,
) {
    let served: Arc<[Served]> = served.into();
    while let Some(call) = asked.recv().await {
        let (served, truth) = (Arc::clone(&served), truth.clone());
        // Tasks begin in the order in which they are spawned.
        tokio::spawn(async move {
            match call {
                Call::Ask { shard, command, answer } => {
                    let told = served[shard].ask(command).await;
                    let newest = told.is_some() && served[shard].is_newest(shard, &truth);
                    let _ = answer.send(Answer { told, newest });
                }
                Call::Read { shard, partition, from, answer } => {
                    let told = served[shard].read(partition, from, fetch_bytes).await;
                    let newest = told.is_some() && served[shard].is_newest(shard, &truth);
                    let _ = answer.send(Answer { told, newest });
                }
            }
        });
    }
}

impl Served {
    fn is_newest(&self, number: usize, truth: &Truth) -> bool {
        matches!(self.shard.state(), ShardState::Serving(epoch) if truth.is_newest(number, epoch))
    }

    async fn ask(&self, command: Command) -> Option<Reply> {
        if !matches!(self.shard.state(), ShardState::Serving(_)) {
            return None;
        }
        let mut replies = self.shard.submit(vec![command], Ack::Durable).await.ok()?;
        replies.pop()
    }

    async fn read(&self, partition: PartitionId, from: i64, bytes_max: usize) -> Option<Read> {
        let ShardState::Serving(epoch) = self.shard.state() else { return None };
        let view = self.partitions.get(partition)?;
        let log_start = view.watermarks().log_start;
        let read = self.partitions.read(&view, from, bytes_max, true).await;
        let high_watermark = view.watermarks().high_watermark;
        // What was read in the midst of a reload is of two states.
        let batches = read.map(|fetched| flatten(fetched.pieces));
        (self.shard.state() == ShardState::Serving(epoch)).then_some(Read {
            batches,
            log_start,
            high_watermark,
        })
    }
}

/// The journal, which a process reads only when it may try to own the shard.
struct Gate {
    journal: Carrier<ObjectDriver>,
    files: Arc<Files>,
    shard: usize,
    permit: watch::Sender<bool>,
    passed: AtomicBool,
    truth: Truth,
}

impl Gate {
    fn count(&self, what: &str) {
        self.truth.log.count(&format!("{DONE}{what}"), 1);
    }
}

#[async_trait]
impl Journal for Gate {
    async fn append(&self, entry: Entry, written: Written) -> Result<(), AppendError> {
        let header = entry.header;
        let result = self.journal.append(entry, written).await;
        let bytes = HEADER_BYTES as u64 + u64::from(header.payload_bytes);
        match (&result, header.kind) {
            (Ok(()), EntryKind::Takeover) => {
                self.count("takeovers");
                let (writer, epoch, slot) = (header.writer, header.epoch, header.key.slot);
                let what =
                    format_args!("shard {}: broker {writer} took over as {epoch} at {slot}", self.shard);
                self.truth.log.note("journal", what);
                self.truth.acquired(self.shard, epoch);
            }
            (Ok(()), EntryKind::Checkpoint) => self.count("checkpoints"),
            (Ok(()), EntryKind::Records) => drop(self.files.active.fetch_add(bytes, Ordering::Relaxed)),
            (Err(AppendError::Occupied(_)), EntryKind::Takeover) => self.count("races for a takeover lost"),
            (Err(AppendError::Occupied(slot)), _) => {
                // Known once for each entry in flight.
                if self.passed.swap(false, Ordering::Relaxed) {
                    self.permit.send_replace(false);
                    self.count("owners fenced");
                    let (writer, epoch) = (header.writer, header.epoch);
                    let what =
                        format_args!("shard {}: broker {writer} ({epoch}) is fenced at {slot}", self.shard);
                    self.truth.log.note("journal", what);
                }
            }
            (Err(AppendError::Unknown(..)), _) => self.count("appends given up"),
            (Err(AppendError::Io(..)), _) => self.truth.log.fault(format!("{result:?}")),
        }
        result
    }

    async fn read(&self, from: Slot, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        self.journal.read(from, bytes_max).await
    }

    async fn tail(&self) -> Result<Tail, ReadError> {
        if !self.passed.load(Ordering::Relaxed) {
            let mut permitted = self.permit.subscribe();
            permitted.wait_for(|may| *may).await.expect("the sender is our own");
            self.passed.store(true, Ordering::Relaxed);
        }
        self.journal.tail().await
    }

    async fn head(&self) -> Result<Option<Head>, ReadError> {
        self.journal.head().await
    }

    async fn trim(&self, head: Head) -> Result<(), TrimError> {
        let result = self.journal.trim(head).await;
        self.count(if result.is_ok() { "trims" } else { "trims that failed" });
        result
    }
}
