//! The shard runtime over the memory carrier: from `submit` to the reply, and reading the tail.
//! Memory keeps every entry until a checkpoint trims it, as a broker does.

use std::sync::Arc;

use divan::{AllocProfiler, Bencher, counter::BytesCount};
use futures_util::future::join_all;
use klamm_bench::{batch, node};
use klamm_broker::PartitionShard;
use klamm_env::Env;
use klamm_model::{PartitionId, ShardId, TopicId};
use klamm_partition::{Command, Produce};
use klamm_records::ValidBatch;
use klamm_shard::Ack;
use klamm_store::memory::MemoryStore;
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const ID: PartitionId = PartitionId { topic: TopicId([7; 16]), index: 0 };

fn main() {
    divan::main();
}

fn serving() -> (Runtime, PartitionShard) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let shard = runtime.block_on(async {
        let shard = node::partition_shard(&Env::os(), ShardId(1), &MemoryStore::open(ShardId(1))).await;
        let create =
            Command::Create { topic: ID.topic, partitions: vec![(0, 0, i64::MAX)], forgotten_below: 0 };
        shard.shard.ask(create).await.unwrap();
        shard
    });
    (runtime, shard)
}

fn produce(batch: &ValidBatch) -> Command {
    Command::Produce(Produce {
        partition: ID,
        batch: batch.clone(),
        append_time: false,
        producer_expiration_ms: 86_400_000,
        foreign_producer: false,
    })
}

/// (requests under way, bytes of each batch)
#[divan::bench(args = [(1, 1 << 10), (64, 1 << 10), (1, 16 << 10), (64, 16 << 10)], sample_count = 50)]
fn submit_to_reply(bencher: Bencher<'_, '_>, (requests, bytes): (usize, usize)) {
    let (runtime, shard) = serving();
    let batch = batch::valid(batch::build(bytes, None));
    bencher.counter(BytesCount::new(requests * batch.bytes().len())).bench_local(|| {
        let submit = |_| shard.shard.submit(vec![produce(&batch)], Ack::Durable);
        runtime.block_on(join_all((0..requests).map(submit)))
    });
}

/// (batches, bytes of each) in one read of 1 MiB from the tail.
#[divan::bench(args = [(1, 1 << 20), (64, 16 << 10)])]
fn read_tail(bencher: Bencher<'_, '_>, (batches, bytes): (usize, usize)) {
    let (runtime, shard) = serving();
    let batch = batch::valid(batch::build(bytes, None));
    let commands = (0..batches).map(|_| produce(&batch)).collect();
    runtime.block_on(shard.shard.submit(commands, Ack::Durable)).unwrap();
    let view = shard.view.get(ID).unwrap();
    let all = Arc::clone(&shard.view);
    bencher.counter(BytesCount::new(batches * batch.bytes().len())).bench_local(|| {
        let fetched = runtime.block_on(all.read(&view, 0, 2 << 20, true)).unwrap();
        assert_eq!(fetched.bytes, batches * batch.bytes().len());
        fetched
    });
}
