//! A store far away, which fails now and then: how long a scan and a load take, and that they get to their end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use klamm_model::{Epoch, Slot};
use klamm_store::{Carrier, Claim, EntryKind, Journal, Nonce, Written, acquire};
use klamm_store_object::ObjectDriver;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use tokio::time::Instant;

use super::{SHARD, WRITER, entry_of};

/// How long a get takes.
const ROUND_TRIP: Duration = Duration::from_millis(80);

/// A store in memory, far away.
#[derive(Debug, Default)]
struct Far {
    store: InMemory,
    gets: AtomicUsize,
    under_way: AtomicUsize,
    under_way_max: AtomicUsize,
    /// One get in so many fails, and the put after it; 0: none.
    fails_one_in: AtomicUsize,
    put_fails: AtomicBool,
}

impl std::fmt::Display for Far {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("far away")
    }
}

/// Counts a call until it ends, or is given up.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn busy() -> Error {
    Error::Generic { store: "far away", source: "503 Slow Down".into() }
}

#[async_trait]
impl ObjectStore for Far {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.put_fails.swap(false, Ordering::Relaxed) {
            return Err(busy());
        }
        self.store.put_opts(location, payload, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let number = 1 + self.gets.fetch_add(1, Ordering::Relaxed);
        self.under_way_max.fetch_max(1 + self.under_way.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let _under_way = UnderWay(&self.under_way);
        tokio::time::sleep(ROUND_TRIP).await;
        let one_in = self.fails_one_in.load(Ordering::Relaxed);
        if one_in > 0 && number.is_multiple_of(one_in) {
            self.put_fails.store(true, Ordering::Relaxed);
            return Err(busy());
        }
        self.store.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

impl Far {
    fn journal(self: &Arc<Self>) -> Carrier<ObjectDriver> {
        Carrier::new(Arc::new(ObjectDriver::new(Arc::clone(self) as _, "cluster/shard-7".into())), SHARD)
    }

    /// What was asked of it since the last time: how many gets, and how many at a time.
    fn asked(&self) -> (usize, usize) {
        (self.gets.swap(0, Ordering::Relaxed), self.under_way_max.swap(0, Ordering::Relaxed))
    }
}

fn claim(number: u8) -> Claim {
    Claim { shard: SHARD, writer: WRITER, nonce: Nonce([number; 16]), time_ms: 0, epoch_above: Epoch(0) }
}

/// Takes the shard over and appends entries of so many bytes.
async fn fill(journal: &impl Journal, number: u8, sizes: impl Iterator<Item = usize>) {
    let owned = acquire(journal, claim(number)).await.unwrap();
    let (mut next, mut previous) = (owned.next, owned.hash);
    for bytes in sizes {
        let payload = Bytes::from(vec![number; bytes]);
        let entry = entry_of(&owned, EntryKind::Records, next, previous, payload);
        let hash = entry.header.hash();
        journal.append(entry, Written::ignore()).await.unwrap();
        (next.slot, previous) = (next.slot.next(), hash);
    }
}

/// Reads all that is below a slot, as a shard does that is loaded.
async fn load(journal: &impl Journal, below: Slot, bytes_max: usize) {
    let mut slot = Slot(0);
    while slot < below {
        for entry in journal.read(slot, bytes_max).await.unwrap() {
            assert_eq!(entry.header.key.slot, slot);
            slot = slot.next();
        }
    }
    assert_eq!(slot, below);
}

/// How many round trips something took.
async fn round_trips(what: impl Future) -> u32 {
    let start = Instant::now();
    what.await;
    u32::try_from(start.elapsed().as_millis().div_ceil(ROUND_TRIP.as_millis())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn sixteen_gets_are_under_way() {
    let far = Arc::new(Far::default());
    for owner in 1..4 {
        fill(&far.journal(), owner, [100; 400].into_iter()).await;
    }
    let entries = 3 * 401;
    let journal = far.journal();
    far.asked();
    let scan =
        round_trips(async { assert_eq!(journal.tail().await.unwrap().next.slot, Slot(entries)) }).await;
    // The first few double what is under way; at each of three takeovers what was got ahead is dropped.
    assert!((76..=86).contains(&scan), "a scan of {entries} entries took {scan} round trips");
    let (gets, at_a_time) = far.asked();
    assert!((1203..=1203 + 4 * 16).contains(&gets) && at_a_time == 16, "{gets} gets, {at_a_time} at a time");
    let read = round_trips(load(&journal, Slot(entries), 4 << 20)).await;
    assert!((76..=81).contains(&read), "a load of {entries} entries took {read} round trips");
    assert_eq!(far.asked(), (1204, 16), "each once, and the end");
    // A short read asks for what it gives.
    let one = round_trips(async { assert_eq!(journal.read(Slot(500), 1).await.unwrap().len(), 1) }).await;
    assert_eq!((one, far.asked()), (1, (1, 1)));
    let ten = round_trips(async { assert_eq!(journal.read(Slot(500), 1950).await.unwrap().len(), 10) }).await;
    assert_eq!((ten, far.asked().0), (3, 10));
}

#[tokio::test(start_paused = true)]
async fn large_entries_are_got_one_at_a_time() {
    let far = Arc::new(Far::default());
    fill(&far.journal(), 1, [5 << 20; 12].into_iter()).await;
    let journal = far.journal();
    far.asked();
    let tail = journal.tail().await.unwrap();
    assert!(far.asked().1 <= 2, "the takeover is small, all others are large");
    load(&journal, tail.next.slot, usize::MAX).await;
    assert!(far.asked().1 <= 2);
}

#[tokio::test(start_paused = true)]
async fn scans_and_appends_outlive_failed_calls() {
    let far = Arc::new(Far::default());
    far.fails_one_in.store(5, Ordering::Relaxed);
    for owner in 1..4 {
        fill(&far.journal(), owner, [100; 100].into_iter()).await;
    }
    let journal = far.journal();
    far.asked();
    let took = round_trips(async { assert_eq!(journal.tail().await.unwrap().next.slot, Slot(303)) }).await;
    load(&journal, Slot(303), 4 << 20).await;
    assert!(took < 100, "a scan that does not begin again took {took} round trips");
    // One that always fails is told.
    far.fails_one_in.store(1, Ordering::Relaxed);
    assert!(journal.tail().await.is_err() && journal.read(Slot(0), 1).await.is_err());
}
