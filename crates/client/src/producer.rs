//! A producer: records go into batches, batches to a task of its own that sends them.
//!
//! Contract: the records of a partition arrive in order, each once if the broker serves idempotence (InitProducerId)
//! and acks is `All`; else a retry may write a batch twice. [`Producer::finish`] says what became of all of them.

use std::{collections::BTreeMap, sync::Arc};

use klamm_protocol::{ApiKey, ErrorCode, InitProducerIdRequest};
use klamm_records::Compression;
use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    Client, Error, Record, Result, TopicPartition,
    accumulator::{Accumulator, Ready},
    partitioner::{self, Sticky},
    sender::{ProducerId, Sender},
};

/// Whose confirmation a record needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// Nobody's: the broker does not answer.
    None,
    /// The leader's.
    Leader,
    /// That of all replicas in sync.
    #[default]
    All,
}

impl Acks {
    pub(crate) fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How a producer behaves.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// Whose confirmation a record needs.
    pub acks: Acks,
    /// How batches are compressed.
    pub compression: Compression,
    /// A batch's size, uncompressed.
    pub batch_bytes_max: usize,
    /// Whether the broker may make the topic.
    pub create: bool,
    /// Whether repeated batches are recognised, where the broker can.
    pub idempotent: bool,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            compression: Compression::default(),
            batch_bytes_max: 512 << 10,
            create: true,
            idempotent: true,
        }
    }
}

/// What became of the records.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Records that the broker took.
    pub records: u64,
    /// Bytes of their batches, compressed.
    pub bytes: u64,
    /// Records that it did not take.
    pub failed: u64,
    /// Why, a line for each kind of failure.
    pub errors: Vec<String>,
}

/// Batches that wait to be sent.
const READY_MAX: usize = 16;
/// Bytes of open batches, all together.
const OPEN_BYTES_MAX: usize = 32 << 20;

/// A producer.
pub struct Producer {
    client: Client,
    options: ProducerOptions,
    counts: BTreeMap<String, usize>,
    sticky: BTreeMap<String, Sticky>,
    open: Accumulator,
    ready: mpsc::Sender<Ready>,
    summary: Arc<Mutex<Summary>>,
    sender: JoinHandle<()>,
}

impl Producer {
    /// Starts a producer.
    pub async fn start(client: Client, options: ProducerOptions) -> Result<Self> {
        let wanted = options.idempotent && options.acks == Acks::All;
        let id = if wanted && client.serves(ApiKey::InitProducerId).await? {
            Some(producer_id(&client).await?)
        } else {
            None
        };
        let (ready, queue) = mpsc::channel(READY_MAX);
        let summary = Arc::<Mutex<Summary>>::default();
        let sender = Sender::new(client.clone(), options.acks, id, Arc::clone(&summary));
        let sender = tokio::spawn(sender.run(queue));
        let open = Accumulator::new(options.compression, options.batch_bytes_max);
        let (counts, sticky) = Default::default();
        Ok(Self { client, options, counts, sticky, open, ready, summary, sender })
    }

    /// Adds a record; waits while too much is under way. Errors are about the topic or the partition, not the record.
    pub async fn send(&mut self, topic: &str, partition: Option<i32>, record: &Record) -> Result<()> {
        let count = self.count(topic).await?;
        let partition = match (partition, &record.key) {
            (Some(partition), _) if usize::try_from(partition).is_ok_and(|partition| partition < count) => {
                partition as usize
            }
            (Some(partition), _) => {
                return Err(Error::NoPartition { topic: topic.to_owned(), partition, count });
            }
            (None, Some(key)) => partitioner::of_key(key, count),
            (None, None) => self.keyless(topic, count, record),
        };
        let of = TopicPartition::new(topic, partition as i32);
        if let Some(full) = self.open.push(&of, record) {
            self.hand_over(full).await?;
        }
        if self.open.bytes() > OPEN_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    fn keyless(&mut self, topic: &str, count: usize, record: &Record) -> usize {
        let env = self.client.env();
        let sticky = self.sticky.entry(topic.to_owned()).or_default();
        let partition = sticky.partition(count, env.entropy.u64());
        if self.open.is_full(&TopicPartition::new(topic, partition as i32), record) {
            sticky.move_on(count, env.entropy.u64());
        }
        // The record still closes the full batch.
        partition
    }

    async fn count(&mut self, topic: &str) -> Result<usize> {
        if let Some(count) = self.counts.get(topic) {
            return Ok(*count);
        }
        let count = self.client.topic(topic, self.options.create).await?.partitions.len();
        self.counts.insert(topic.to_owned(), count);
        Ok(count)
    }

    async fn hand_over(&mut self, full: Ready) -> Result<()> {
        self.ready.send(full).await.map_err(|_| Error::Other("the sending task has ended".to_owned()))
    }

    /// Sends what is open; does not wait for the broker.
    pub async fn flush(&mut self) -> Result<()> {
        for full in self.open.drain() {
            self.hand_over(full).await?;
        }
        Ok(())
    }

    /// Bytes of records that are not yet on their way.
    pub fn open_bytes(&self) -> usize {
        self.open.bytes()
    }

    /// What became of the records so far.
    pub fn so_far(&self) -> Summary {
        self.summary.lock().clone()
    }

    /// Sends everything and waits for it.
    pub async fn finish(mut self) -> Result<Summary> {
        self.flush().await?;
        drop(self.ready);
        self.sender.await.map_err(|error| Error::Other(format!("the sending task failed: {error}")))?;
        Ok(self.summary.lock().clone())
    }
}

async fn producer_id(client: &Client) -> Result<ProducerId> {
    let mut backoff = client.backoff();
    loop {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            ..Default::default()
        };
        let what = "asking for a producer id";
        let tried = async {
            let answer = client.ask_any(&request).await?;
            let answer = answer.get()?;
            Error::check(answer.error_code, None, || what.to_owned())?;
            Ok(ProducerId { id: answer.producer_id, epoch: answer.producer_epoch })
        };
        match tried.await {
            Ok(id) => return Ok(id),
            Err(error @ Error::Connect { .. }) => return Err(error),
            Err(error) if error.code() == Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => return Err(error),
            Err(error) => client.pause(&mut backoff, what, error).await?,
        }
    }
}
