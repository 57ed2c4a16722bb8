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
use futures_util::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use klamm_model::{Epoch, Slot};
use klamm_store::{
    AppendError, Carrier, Claim, Driver as _, EntryKind, Journal, Listing, Name, Nonce, Written, acquire,
};
use klamm_store_object::ObjectDriver;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory,
    path::Path,
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
    /// Bytes of bodies that were read and are still kept.
    kept: Arc<AtomicUsize>,
    kept_max: Arc<AtomicUsize>,
    /// One get in so many takes ten round trips, so that those after it wait for it; 0: none.
    slow_one_in: AtomicUsize,
    /// One get in so many fails, and the put after it; 0: none.
    fails_one_in: AtomicUsize,
    put_fails: AtomicBool,
    /// Puts take effect, and nothing is answered any more.
    black_hole: AtomicBool,
    /// Gets, listings and deletions are refused.
    denies: AtomicBool,
    /// Listings and deletions that were refused.
    refused: AtomicUsize,
}

/// A body that counts while it is kept.
struct Kept {
    body: Bytes,
    kept: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.kept.fetch_sub(self.body.len(), Ordering::Relaxed);
    }
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

fn denied() -> Error {
    Error::PermissionDenied { path: "any".to_owned(), source: "403 Forbidden".into() }
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
        let answer = self.store.put_opts(location, payload, options).await;
        if self.black_hole.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        answer
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let number = 1 + self.gets.fetch_add(1, Ordering::Relaxed);
        self.under_way_max.fetch_max(1 + self.under_way.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let _under_way = UnderWay(&self.under_way);
        let slow_one_in = self.slow_one_in.load(Ordering::Relaxed);
        let slow = slow_one_in > 0 && number.is_multiple_of(slow_one_in);
        tokio::time::sleep(if slow { 10 * ROUND_TRIP } else { ROUND_TRIP }).await;
        if self.black_hole.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.denies.load(Ordering::Relaxed) {
            return Err(denied());
        }
        let one_in = self.fails_one_in.load(Ordering::Relaxed);
        if one_in > 0 && number.is_multiple_of(one_in) {
            self.put_fails.store(true, Ordering::Relaxed);
            return Err(busy());
        }
        let mut result = self.store.get_opts(location, options).await?;
        let GetResultPayload::Stream(body) = result.payload else { panic!("a store in memory streams") };
        let (kept, kept_max) = (Arc::clone(&self.kept), Arc::clone(&self.kept_max));
        let body = body.map_ok(move |body| {
            kept_max.fetch_max(body.len() + kept.fetch_add(body.len(), Ordering::Relaxed), Ordering::Relaxed);
            Bytes::from_owner(Kept { body, kept: Arc::clone(&kept) })
        });
        result.payload = GetResultPayload::Stream(body.boxed());
        Ok(result)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.denies.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return locations.map(|_| Err(denied())).boxed();
        }
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.denies.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return stream::once(async { Err(denied()) }).boxed();
        }
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
async fn what_is_got_ahead_is_bounded() {
    const MIB: usize = 1 << 20;
    // So many small ones that sixteen gets are under way when the large ones come; then small ones between large ones.
    for (sizes, kept_max) in [
        ([[100; 20], [5 * MIB; 20]].concat(), 6 * MIB),
        ([[100; 20], [4 * MIB - 200; 20]].concat(), 64 * MIB),
        ([[100; 19].as_slice(), &[20 * MIB]].concat().repeat(3), 21 * MIB),
    ] {
        let far = Arc::new(Far::default());
        fill(&far.journal(), 1, sizes.iter().copied()).await;
        let journal = far.journal();
        far.asked();
        far.slow_one_in.store(7, Ordering::Relaxed);
        let tail = journal.tail().await.unwrap();
        let scan = far.kept_max.swap(0, Ordering::Relaxed);
        assert_eq!(tail.next.slot.0, 1 + sizes.len() as u64);
        assert!(far.asked().1 > 8, "many at a time");
        assert!(scan <= kept_max, "a scan of {} entries kept {scan} bytes at once", sizes.len());
        // The read itself gives up to 4 MiB, and the entry that passes them.
        load(&journal, tail.next.slot, 4 * MIB).await;
        let read = far.kept_max.swap(0, Ordering::Relaxed);
        assert!(read <= kept_max + 4 * MIB, "a load of {} entries kept {read} bytes at once", sizes.len());
        assert_eq!(far.kept.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_without_answers_ends_in_a_minute() {
    let far = Arc::new(Far::default());
    let journal = far.journal();
    let owned = acquire(&journal, claim(1)).await.unwrap();
    for (bytes, seconds_max) in [(100, 60), (40 << 20, 80)] {
        far.black_hole.store(true, Ordering::Relaxed);
        let start = Instant::now();
        let payload = Bytes::from(vec![1; bytes]);
        let entry = entry_of(&owned, EntryKind::Records, owned.next, owned.hash, payload);
        let given_up = journal.append(entry, Written::ignore()).await;
        assert!(matches!(given_up, Err(AppendError::Unknown(Slot(1), _))), "{given_up:?}");
        let seconds = start.elapsed().as_secs();
        assert!((50..=seconds_max).contains(&seconds), "told after {seconds} s");
        far.black_hole.store(false, Ordering::Relaxed);
    }
    // It was not acknowledged, and it took effect: the next owner follows it.
    let next = acquire(&far.journal(), claim(2)).await.unwrap();
    assert_eq!(next.takeover, Slot(2));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_is_not_asked_again() {
    let far = Arc::new(Far::default());
    let driver = ObjectDriver::new(Arc::clone(&far) as _, "p".into());
    far.denies.store(true, Ordering::Relaxed);
    let name = Name::Head(Slot(1));
    assert!(driver.get(name).await.unwrap_err().to_string().contains("403"));
    assert_eq!(far.asked().0, 1);
    assert!(driver.list(Listing::Heads).await.is_err());
    assert!(driver.delete(&[name]).await.is_err());
    assert_eq!(far.refused.load(Ordering::Relaxed), 2);
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
