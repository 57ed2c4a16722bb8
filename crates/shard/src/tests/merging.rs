//! What deletions and retention leave of segments is merged: disk is freed, and nothing else changes.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use klamm_env::{Disk, OpenMode, OsDisk};
use klamm_model::{Offset, PartitionId, Slot, TopicId};
use klamm_partition::{Command, Produce, Reply};
use klamm_records::{RecordIter, batches};
use klamm_store::{
    BatchAt, Extent, Merge, SegmentError, SegmentId, SegmentInfo, Segments, ShardStore, Value, flatten,
};
use klamm_store_file::{FileStore, Opened, Options};
use klamm_testing::TempDir;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use super::{SHARD, Served, batch, eventually, memory, serve};
use crate::{Ack, PartitionView, TimestampQuery};

const FILE_BYTES: u64 = 256 << 10;

async fn open(folder: &TempDir) -> Opened {
    let options = Options { file_bytes: FILE_BYTES, ..Options::default() };
    let fatal = Arc::new(|message| panic!("nothing is fatal here: {message}"));
    FileStore::open(Arc::new(OsDisk::default()), folder.path(), SHARD, options, fatal).await.unwrap()
}

fn id(topic: u8, index: i32) -> PartitionId {
    PartitionId { topic: TopicId([topic; 16]), index }
}

/// What should be there: the log start of each partition, and how many records it ever had.
type Model = BTreeMap<PartitionId, (Offset, Offset)>;

fn value(partition: PartitionId, offset: Offset) -> String {
    let size = 500 + (offset as usize * 131 + partition.index as usize * 37) % 1200;
    format!("{}/{}/{offset}/{}", partition.topic.0[0], partition.index, "x".repeat(size))
}

async fn create(served: &Served, model: &mut Model, topic: u8, partitions: i32) {
    let indexes = (0..partitions).map(|index| (index, 0, i64::MAX)).collect();
    let topic_id = TopicId([topic; 16]);
    served
        .shard
        .ask(Command::Create { topic: topic_id, partitions: indexes, forgotten_below: 0 })
        .await
        .unwrap();
    model.extend((0..partitions).map(|index| (id(topic, index), (0, 0))));
}

async fn drop_topic(served: &Served, model: &mut Model, topic: u8) {
    served.shard.ask(Command::Drop { topic: TopicId([topic; 16]) }).await.unwrap();
    model.retain(|partition, _| partition.topic.0[0] != topic);
}

/// Writes the next record of each of these partitions; gives the bytes of their batches.
async fn write(served: &Served, model: &mut Model, partitions: &[PartitionId]) -> u64 {
    let (mut commands, mut bytes) = (Vec::new(), 0);
    for partition in partitions {
        let next = &mut model.get_mut(partition).unwrap().1;
        let batch = batch(&value(*partition, *next), *next, None);
        bytes += batch.bytes().len() as u64;
        commands.push(Command::Produce(Produce {
            partition: *partition,
            batch,
            append_time: false,
            producer_expiration_ms: i64::MAX,
            foreign_producer: false,
        }));
        *next += 1;
    }
    for reply in served.shard.submit(commands, Ack::Durable).await.unwrap() {
        assert!(matches!(reply, Reply::Produced(Ok(_))), "{reply:?}");
    }
    bytes
}

async fn move_log_start(served: &Served, model: &mut Model, partition: PartitionId, to: Offset) {
    let reply = served.shard.ask(Command::MoveLogStart { partition, to: Some(to) }).await.unwrap();
    assert!(matches!(reply, Reply::Moved(Ok(_))), "{reply:?}");
    model.get_mut(&partition).unwrap().0 = to;
}

async fn values(served: &Served, view: &PartitionView, mut from: Offset) -> Vec<String> {
    let mut values = Vec::new();
    loop {
        let fetched = served.partitions.read(view, from, 64 << 10, true).await.unwrap();
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

/// Everything that should be there is, and nothing else.
async fn check(served: &Served, model: &Model) {
    for (partition, (log_start, end)) in model {
        let view = served.partitions.get(*partition).expect("it is there");
        let marks = view.watermarks();
        assert_eq!((marks.log_start, marks.high_watermark), (*log_start, *end), "{partition}");
        let expected: Vec<_> = (*log_start..*end).map(|offset| value(*partition, offset)).collect();
        assert!(values(served, &view, *log_start).await == expected, "{partition}");
        let middle = (log_start + end) / 2;
        let cap = klamm_records::DecompressCap::default();
        let query = TimestampQuery::AtOrAfter(middle);
        let found = served.partitions.find_by_time(&view, query, cap).await.unwrap();
        assert_eq!(found.map(|(found, _)| found.offset), (middle < *end).then_some(middle), "{partition}");
    }
}

/// Bytes of all segments, and of the batches in them that are needed, counted one by one. None if segments went meanwhile.
async fn measure(store: &ShardStore, model: &Model) -> Option<(u64, u64)> {
    let (mut bytes, mut live) = (0, 0);
    for info in store.segments.list().await.unwrap() {
        bytes += info.bytes;
        for extent in &info.extents {
            let Some((log_start, _)) = model.get(&extent.partition) else { continue };
            match store.segments.index(info.id, extent).await {
                Ok(batches) => {
                    let needed = batches.iter().filter(|batch| batch.last_offset >= *log_start);
                    live += needed.map(|batch| u64::from(batch.bytes)).sum::<u64>();
                }
                Err(SegmentError::Gone(_)) => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }
    Some((bytes, live))
}

/// Waits until nothing is done in the background any more.
async fn quiet(served: &Served, store: &ShardStore) {
    let mut last: (Vec<SegmentInfo>, _) = (Vec::new(), None);
    let mut same = 0;
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = (store.segments.list().await.unwrap(), Some(served.partitions.figures()));
        let idle = store.segments.unsealed().is_empty() && store.segments.replaced().is_empty();
        same = if now == last && idle { same + 1 } else { 0 };
        if same == 10 {
            return;
        }
        last = now;
    }
    panic!("the background does not come to rest");
}

/// A number below `bound`, by a fixed sequence.
fn dice(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % bound
}

#[tokio::test]
async fn mixed_retention_keeps_the_disk_free() {
    let folder = TempDir::fast();
    let opened = open(&folder).await;
    let served = serve(&opened.store, FILE_BYTES, 64 << 10).await;
    let (mut model, mut seed, mut produced) = (Model::new(), 1, 0);
    // 1 stays for ever, 2 for 30 records, 3 for 400; the others come and go.
    for topic in 1..=3 {
        create(&served, &mut model, topic, 3).await;
    }
    let (mut oldest, mut newest) = (10, 10);
    for round in 0..900_u64 {
        if round.is_multiple_of(60) {
            create(&served, &mut model, newest, 2).await;
            newest += 1;
            if newest - oldest > 3 {
                drop_topic(&served, &mut model, oldest).await;
                oldest += 1;
            }
        }
        let known: Vec<_> = model.keys().copied().collect();
        let some: Vec<_> = (0..16).map(|_| known[dice(&mut seed, known.len() as u64) as usize]).collect();
        produced += write(&served, &mut model, &some).await;
        if round.is_multiple_of(5) {
            for (topic, kept) in [(2, 30), (3, 400)] {
                let partition = id(topic, dice(&mut seed, 3) as i32);
                let (log_start, end) = model[&partition];
                if end - kept > log_start {
                    move_log_start(&served, &mut model, partition, end - kept).await;
                }
            }
        }
        if round.is_multiple_of(150) {
            check(&served, &model).await;
        }
    }
    quiet(&served, &opened.store).await;
    let (bytes, live) = measure(&opened.store, &model).await.expect("nothing goes on");
    let figures = served.partitions.figures();
    let (amplification, rewritten) =
        (bytes as f64 / live as f64, figures.merged_bytes as f64 / produced as f64);
    println!(
        "{produced} bytes produced, {bytes} in {} segments, {live} live: space amplification {amplification:.3}, \
         rewritten {rewritten:.3} of what was produced",
        figures.segments
    );
    assert!(produced > 40 * FILE_BYTES && figures.merged_bytes > 0 && live > 8 * FILE_BYTES);
    assert!(amplification < 1.5, "{bytes} bytes for {live}");
    assert!(rewritten < 2.0, "{} of {produced} were rewritten", figures.merged_bytes);
    assert_eq!(figures.bytes, bytes);
    assert!(figures.live_bytes.abs_diff(live) * 20 < live, "an estimate: {figures:?}, {live}");
    check(&served, &model).await;
    for _ in 0..2 {
        served.shard.stop().await;
        opened.files.close().await;
        let opened = open(&folder).await;
        let served = serve(&opened.store, FILE_BYTES, 0).await;
        check(&served, &model).await;
        quiet(&served, &opened.store).await;
        let (bytes, live) = measure(&opened.store, &model).await.expect("nothing goes on");
        assert!(bytes < live * 3 / 2, "{bytes} bytes for {live}");
        write(&served, &mut model, &[id(1, 0), id(3, 2)]).await;
        check(&served, &model).await;
        served.shard.stop().await;
        opened.files.close().await;
    }
}

#[tokio::test]
async fn readers_see_nothing_of_a_merge() {
    let store = memory();
    let served = Arc::new(serve(&store, 20_000, 0).await);
    let mut model = Model::new();
    create(&served, &mut model, 1, 1).await;
    create(&served, &mut model, 2, 1).await;
    let stays = id(1, 0);
    for _ in 0..20 {
        write(&served, &mut model, &[stays]).await;
    }
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let reader = tokio::spawn({
        let served = Arc::clone(&served);
        async move {
            let view = served.partitions.get(stays).unwrap();
            let mut reads = 0;
            while !*stopped.borrow() {
                let read = values(&served, &view, 0).await;
                for (offset, read) in (0..).zip(&read) {
                    assert!(*read == value(stays, offset));
                }
                assert!(read.len() >= 20);
                let cap = klamm_records::DecompressCap::default();
                let found = served.partitions.find_by_time(&view, TimestampQuery::AtOrAfter(10), cap).await;
                assert_eq!(found.unwrap().unwrap().0.offset, 10);
                reads += 1;
                tokio::task::yield_now().await;
            }
            reads
        }
    });
    for round in 0..300 {
        write(&served, &mut model, &[id(2, 0), id(2, 0), stays]).await;
        if round % 10 == 9 {
            let end = model[&id(2, 0)].1;
            move_log_start(&served, &mut model, id(2, 0), end - 1).await;
        }
    }
    eventually(async || served.partitions.figures().merged_bytes > 100_000).await;
    let _ = stop.send(true);
    assert!(reader.await.unwrap() > 10);
    check(&served, &model).await;
}

/// One topic that stays and one that goes, in several sealed segments.
async fn two_topics(served: &Served, store: &ShardStore, model: &mut Model) {
    create(served, model, 1, 1).await;
    create(served, model, 2, 2).await;
    for _ in 0..150 {
        write(served, model, &[id(1, 0), id(2, 0), id(2, 1)]).await;
    }
    quiet(served, store).await;
}

#[tokio::test]
async fn damage_stays_where_it_is() {
    let folder = TempDir::fast();
    let opened = open(&folder).await;
    let served = serve(&opened.store, 32 << 10, 0).await;
    let mut model = Model::new();
    two_topics(&served, &opened.store, &mut model).await;
    let segments = &opened.store.segments;
    let before = segments.list().await.unwrap();
    assert!(before.len() > 6, "{}", before.len());
    let bad = &before[3];
    let extent = bad.extents.iter().find(|extent| extent.partition == id(1, 0)).unwrap();
    let batch = segments.index(bad.id, extent).await.unwrap()[1];
    let klamm_store::Place::Segment { position, .. } = batch.place else { panic!("{batch:?}") };
    let path = folder.file(&format!("journal/{:020}.log", bad.id.first.0));
    let file = Disk::open(&OsDisk::default(), &path, OpenMode::Write).await.unwrap();
    file.write_at(position + 200, &mut [std::io::IoSlice::new(b"?")]).unwrap();

    drop_topic(&served, &mut model, 2).await;
    // Until the last file with the topic that goes is trimmed.
    for _ in 0..60 {
        write(&served, &mut model, &[id(1, 0)]).await;
    }
    quiet(&served, &opened.store).await;
    let after = segments.list().await.unwrap();
    assert!(after.contains(bad), "its other batches are there to be read");
    assert!(
        after.iter().filter(|info| info.id.generation > 0).count() >= 2,
        "those before and behind it are merged"
    );
    let view = served.partitions.get(id(1, 0)).unwrap();
    for offset in 0..model[&id(1, 0)].1 {
        let read = served.partitions.read(&view, offset, 1, true).await;
        assert_eq!(read.is_ok(), offset != batch.base_offset, "offset {offset}: {:?}", read.err());
    }
}

/// Segments with little room, whose merges and deletions fail for a while.
pub(super) struct Grudging {
    inner: Arc<dyn Segments>,
    pub(super) room: AtomicU64,
    pub(super) room_owed: AtomicU64,
    /// There is no space for another file.
    pub(super) no_file: AtomicBool,
    refusals_left: AtomicU32,
    /// The segment that ends at the first slot ends at the second when it is listed next, as if another owner had sealed it.
    pub(super) sealed_further: Mutex<Option<(Slot, Slot)>>,
    /// A list takes a permit before it is made.
    pub(super) lists: Semaphore,
    pub(super) list_asked: Notify,
}

impl Grudging {
    /// The store with such segments, which begrudge nothing at first.
    pub(super) fn over(store: ShardStore) -> (ShardStore, Arc<Self>) {
        let grudging = Arc::new(Self {
            inner: store.segments,
            room: u64::MAX.into(),
            room_owed: u64::MAX.into(),
            no_file: false.into(),
            refusals_left: 0.into(),
            sealed_further: Mutex::new(None),
            lists: Semaphore::new(Semaphore::MAX_PERMITS / 2),
            list_asked: Notify::new(),
        });
        (ShardStore { segments: Arc::clone(&grudging) as Arc<dyn Segments>, ..store }, grudging)
    }

    fn refuse(&self) -> Result<(), SegmentError> {
        let left =
            self.refusals_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_or(Ok(()), |_| Err(SegmentError::Io("no space".to_owned())))
    }
}

#[async_trait::async_trait]
impl Segments for Grudging {
    fn active_bytes(&self) -> u64 {
        self.inner.active_bytes()
    }
    fn room(&self) -> u64 {
        self.inner.room().min(self.room.load(Ordering::Relaxed))
    }
    fn room_owed(&self) -> u64 {
        self.inner.room_owed().min(self.room_owed.load(Ordering::Relaxed))
    }
    async fn roll(&self, at: Slot) -> Result<(), SegmentError> {
        if self.no_file.load(Ordering::Relaxed) {
            return Err(SegmentError::Full("no next file".to_owned()));
        }
        self.inner.roll(at).await
    }
    fn unsealed(&self) -> Vec<Range<Slot>> {
        self.inner.unsealed()
    }
    async fn seal(
        &self,
        slots: Range<Slot>,
        batches: Vec<(PartitionId, BatchAt)>,
    ) -> Result<SegmentInfo, SegmentError> {
        self.inner.seal(slots, batches).await
    }
    async fn list(&self) -> Result<Vec<SegmentInfo>, SegmentError> {
        self.list_asked.notify_one();
        self.lists.acquire().await.expect("never closed").forget();
        let mut list = self.inner.list().await?;
        if let Some((end, told)) = self.sealed_further.lock().take() {
            let info = list.iter_mut().find(|info| info.slots.end == end).expect("a segment ends there");
            info.slots.end = told;
        }
        Ok(list)
    }
    async fn index(&self, id: SegmentId, extent: &Extent) -> Result<Vec<BatchAt>, SegmentError> {
        self.inner.index(id, extent).await
    }
    async fn read(&self, batches: &[BatchAt]) -> Result<Vec<Value>, SegmentError> {
        self.inner.read(batches).await
    }
    async fn merge(&self, merge: &Merge) -> Result<Option<SegmentInfo>, SegmentError> {
        self.refuse()?;
        self.inner.merge(merge).await
    }
    fn replaced(&self) -> Vec<SegmentId> {
        self.inner.replaced()
    }
    async fn delete(&self, id: SegmentId) -> Result<(), SegmentError> {
        self.refuse()?;
        self.inner.delete(id).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again() {
    let (store, grudging) = Grudging::over(memory());
    let served = serve(&store, 32 << 10, 0).await;
    let mut model = Model::new();
    two_topics(&served, &store, &mut model).await;
    let before = store.segments.list().await.unwrap().len();
    grudging.refusals_left.store(5, Ordering::Relaxed);
    drop_topic(&served, &mut model, 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(grudging.refusals_left.load(Ordering::Relaxed), 0);
    let after = store.segments.list().await.unwrap();
    assert!(after.len() < before, "{after:?}");
    assert!(store.segments.replaced().is_empty() && served.partitions.figures().merged_bytes > 0);
    check(&served, &model).await;
}
