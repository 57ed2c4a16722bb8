//! Stories of a partition shard over the memory carrier.

mod competing;
mod durability;
mod entries;
mod full;
mod journal;
mod lifecycle;
mod merging;
mod reading;
mod retention;

use std::sync::Arc;

use klamm_env::Env;
use klamm_model::{Epoch, PartitionId, ShardId, TopicId};
use klamm_partition::{Command, Produce, ProduceError, Produced, Reply};
use klamm_records::{
    BatchBuilder, Codec, Compression, Limits, RecordIter, ValidBatch, batches, single, validate,
};
use klamm_store::{ShardStore, flatten, memory::MemoryStore};

use crate::{Ack, PartitionView, Partitions, Shard, ShardConfig, ShardError};

const SHARD: ShardId = ShardId(1);
const TOPIC: TopicId = TopicId([7; 16]);

/// A shard that is serving.
struct Served {
    shard: Shard<klamm_partition::Partitions>,
    partitions: Arc<Partitions>,
    epoch: Epoch,
}

fn partition(index: i32) -> PartitionId {
    PartitionId { topic: TOPIC, index }
}

fn config(file_bytes: u64) -> ShardConfig {
    ShardConfig { shard: SHARD, broker: 1, file_bytes, epoch_above: Epoch(0) }
}

fn memory() -> ShardStore {
    MemoryStore::open(SHARD)
}

async fn serve(store: &ShardStore, file_bytes: u64, tail_bytes: usize) -> Served {
    let (partitions, view) = Partitions::new(Arc::clone(&store.segments), tail_bytes);
    let shard = Shard::start(Env::os(), store.clone(), config(file_bytes), view);
    let epoch = shard.ready().await.expect("the shard serves");
    Served { shard, partitions, epoch }
}

/// A batch of one record, whose value is `value`.
fn batch(value: &str, timestamp: i64, producer: Option<(i64, i32)>) -> ValidBatch {
    let mut builder = BatchBuilder::new(Compression::of(Codec::None));
    if let Some((id, sequence)) = producer {
        builder = builder.producer(id, 0, sequence);
    }
    builder.push(timestamp, None, Some(value.as_bytes()), &[]);
    validate(single(&builder.build().unwrap()).unwrap(), &Limits::client(1 << 22)).unwrap()
}

fn produce(index: i32, batch: ValidBatch) -> Command {
    Command::Produce(Produce {
        partition: partition(index),
        batch,
        append_time: false,
        producer_expiration_ms: i64::MAX,
        foreign_producer: false,
    })
}

impl Served {
    async fn create(&self, partitions: i32) {
        let partitions = (0..partitions).map(|index| (index, 0, i64::MAX)).collect();
        self.shard.ask(Command::Create { topic: TOPIC, partitions, forgotten_below: 0 }).await.unwrap();
    }

    async fn send(
        &self,
        index: i32,
        batch: ValidBatch,
    ) -> Result<Result<Produced, ProduceError>, ShardError> {
        let mut replies = self.shard.submit(vec![produce(index, batch)], Ack::Durable).await?;
        match replies.pop() {
            Some(Reply::Produced(result)) => Ok(result),
            other => panic!("{other:?}"),
        }
    }

    async fn write(&self, index: i32, value: &str) -> i64 {
        self.send(index, batch(value, 0, None)).await.unwrap().unwrap().base_offset
    }

    fn view(&self, index: i32) -> Arc<PartitionView> {
        self.partitions.get(partition(index)).expect("the partition is published")
    }

    /// All values from an offset on, in fetches of a few batches each.
    async fn values(&self, index: i32, mut from: i64) -> Vec<String> {
        let (view, mut values) = (self.view(index), Vec::new());
        loop {
            let fetched = self.partitions.read(&view, from, 3000, true).await.unwrap();
            if fetched.bytes == 0 {
                return values;
            }
            for raw in batches(&flatten(fetched.pieces)) {
                let raw = raw.unwrap();
                for record in RecordIter::new(&raw.payload(), raw.header().record_count) {
                    values.push(String::from_utf8_lossy(record.unwrap().value.unwrap()).into_owned());
                }
                from = raw.header().next_offset();
            }
        }
    }
}

/// Waits, for a bounded time, until something in the background was done.
async fn eventually(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..2000 {
        if done().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("it did not come about");
}
