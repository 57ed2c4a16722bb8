//! A shard on a disk without space for another byte: it stays what it is, can be read, and frees space.

use std::{path::Path, sync::Arc, time::Duration};

use klamm_env::{Env, OsClock, OsEntropy, OsNet};
use klamm_model::{Epoch, PartitionId, ShardId, TopicId};
use klamm_partition::{Command, Produce, ProduceError, Reply};
use klamm_records::{BatchBuilder, Codec, Compression, Limits, single, validate};
use klamm_shard::{Ack, Partitions, Shard, ShardConfig, ShardState};
use klamm_sim::{Dice, Log, Time, disk::SimDisk};
use klamm_store_file::{FileStore, Options};

const SHARD: ShardId = ShardId(1);
const PARTITION: PartitionId = PartitionId { topic: TopicId([7; 16]), index: 0 };
const FILE_BYTES: u64 = 256 << 10;

type PartitionShard = Shard<klamm_partition::Partitions>;

/// Sends a batch of one record of this size.
async fn send(shard: &PartitionShard, bytes: usize) -> Result<i64, ProduceError> {
    let mut builder = BatchBuilder::new(Compression::of(Codec::None));
    builder.push(0, None, Some(&vec![7; bytes]), &[]);
    let batch = validate(single(&builder.build().unwrap()).unwrap(), &Limits::client(1 << 22)).unwrap();
    let produce = Produce {
        partition: PARTITION,
        batch,
        append_time: false,
        producer_expiration_ms: i64::MAX,
        foreign_producer: false,
    };
    match shard.submit(vec![Command::Produce(produce)], Ack::Durable).await.unwrap().pop() {
        Some(Reply::Produced(result)) => result.map(|produced| produced.base_offset),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_goes_on_where_there_is_no_space_for_another_byte() {
    let disk = SimDisk::new("disk", Dice::new(1, "disk"), Log::new(Time::default()));
    let mount = disk.mount();
    let options = Options { file_bytes: FILE_BYTES, ..Options::default() };
    let fatal = Arc::new(|message| panic!("nothing is fatal here: {message}"));
    let opened = FileStore::open(Arc::clone(&mount), Path::new("/data/shard"), SHARD, options, fatal).await;
    let store = opened.unwrap().store;
    let (partitions, view) = Partitions::new(Arc::clone(&store.segments), 0);
    let env = Env {
        clock: Arc::new(OsClock::new()),
        entropy: Arc::new(OsEntropy),
        disk: mount,
        net: Arc::new(OsNet),
    };
    let config = ShardConfig { shard: SHARD, broker: 1, file_bytes: FILE_BYTES, epoch_above: Epoch(0) };
    let shard: PartitionShard = Shard::start(env, store.clone(), config, view);
    let epoch = shard.ready().await.unwrap();
    let create =
        Command::Create { topic: PARTITION.topic, partitions: vec![(0, 0, i64::MAX)], forgotten_below: 0 };
    assert!(matches!(shard.ask(create).await, Ok(Reply::Done)));

    let mut end = 0;
    while store.segments.list().await.unwrap().len() < 3 {
        end = send(&shard, 10_000).await.unwrap() + 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    disk.leave(Some(0));
    // The next file is given up for the active one, which grows by what an entry needs: then the next has no space.
    let refused = loop {
        match send(&shard, 30_000).await {
            Ok(offset) => end = offset + 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, ProduceError::Full);
    assert!(store.segments.active_bytes() > FILE_BYTES, "a roll is due: {}", store.segments.active_bytes());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(send(&shard, 30_000).await, Err(ProduceError::Full));
    assert_eq!(shard.state(), ShardState::Serving(epoch));
    let view = partitions.get(PARTITION).unwrap();
    assert_eq!(view.watermarks().high_watermark, end);
    for offset in 0..end {
        assert!(partitions.read(&view, offset, 1, true).await.unwrap().bytes > 0, "offset {offset}");
    }

    let files = store.segments.list().await.unwrap().len();
    let to = Some(end - 1);
    let moved = shard.ask(Command::MoveLogStart { partition: PARTITION, to }).await;
    assert!(matches!(moved, Ok(Reply::Moved(Ok(start))) if start == end - 1), "{moved:?}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(store.segments.list().await.unwrap().len() < files, "what nobody needs is gone");
    let mut written = Err(ProduceError::Full);
    for _ in 0..5 {
        written = send(&shard, 30_000).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(written.is_ok(), "{written:?}");
    assert!(store.segments.active_bytes() < FILE_BYTES, "the next file was begun");
    assert_eq!(shard.state(), ShardState::Serving(epoch), "it never lost its journal");
}
