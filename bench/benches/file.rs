//! The file carrier: entries appended and made durable in a temporary folder (set `TMPDIR` to choose the disk), and
//! beside it what a bare `fdatasync` costs there, and a start. Each sample of appending begins with an empty folder.

#![allow(clippy::disallowed_methods, reason = "a tool beside the broker: it makes a folder of its own")]

use std::{fs, io::Write as _, sync::Arc};

use bytes::Bytes;
use divan::{AllocProfiler, Bencher, counter::BytesCount};
use futures_util::future::join_all;
use klamm_env::OsDisk;
use klamm_model::{Epoch, ShardId, Slot};
use klamm_store::{Entry, EntryHash, EntryKind, Header, Key, Nonce, Segments as _, Written, entry::crc32c};
use klamm_store_file::{FileStore, Opened, Options};
use klamm_testing::TempDir;
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const SHARD: ShardId = ShardId(1);

fn main() {
    divan::main();
}

fn entry(slot: u64, payload: &Bytes) -> Entry {
    let header = Header {
        kind: EntryKind::Records,
        shard: SHARD,
        key: Key { epoch: Epoch(0), slot: Slot(slot) },
        epoch: Epoch(0),
        writer: 1,
        nonce: Nonce([1; 16]),
        previous: EntryHash(0),
        durable: Slot(slot),
        time_ms: 0,
        payload_bytes: payload.len() as u32,
        payload_crc: crc32c([&payload[..]]),
    };
    Entry { header, payload: vec![payload.clone()] }
}

/// A runtime and an empty store; the folder goes last.
struct Store {
    opened: Opened,
    runtime: Runtime,
    _temp: TempDir,
}

fn open() -> Store {
    let temp = TempDir::new();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let opened = runtime.block_on(open_in(&temp, 64 << 20));
    Store { opened, runtime, _temp: temp }
}

async fn open_in(folder: &TempDir, file_bytes: u64) -> Opened {
    let fatal = Arc::new(|why: String| panic!("nothing fails here: {why}"));
    let options = Options { file_bytes, ..Options::default() };
    FileStore::open(Arc::new(OsDisk::default()), folder.path(), SHARD, options, fatal).await.unwrap()
}

/// (entries in flight, bytes of each)
#[divan::bench(args = [(1, 16 << 10), (64, 16 << 10), (1, 1 << 20), (64, 1 << 20)], sample_count = 20, sample_size = 1)]
fn append_durably(bencher: Bencher<'_, '_>, (entries, bytes): (u64, usize)) {
    let payload = Bytes::from(vec![7; bytes]);
    bencher.counter(BytesCount::new(entries * bytes as u64)).with_inputs(open).bench_local_values(|store| {
        let journal = &store.opened.store.journal;
        let append = |slot| journal.append(entry(slot, &payload), Written::ignore());
        let results = store.runtime.block_on(join_all((0..entries).map(append)));
        assert!(results.iter().all(Result::is_ok));
        store
    });
}

/// A start: so many sealed files of one entry each, which the page cache has.
#[divan::bench(args = [1, 64], sample_count = 20, sample_size = 1)]
fn open_sealed(bencher: Bencher<'_, '_>, files: u64) {
    let temp = TempDir::new();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let payload = Bytes::from(vec![7; 64 << 10]);
    let open = || open_in(&temp, 128 << 10);
    runtime.block_on(async {
        let opened = open().await;
        for slot in 0..files {
            opened.store.journal.append(entry(slot, &payload), Written::ignore()).await.unwrap();
            opened.files.roll(Slot(slot + 1)).await.unwrap();
            opened.files.seal(Slot(slot)..Slot(slot + 1), Vec::new()).await.unwrap();
        }
        opened.files.close().await;
    });
    bencher.with_inputs(|| ()).bench_local_values(|()| {
        runtime.block_on(async {
            let opened = open().await;
            assert_eq!(opened.report.sealed as u64, files);
            opened.files.close().await;
        });
    });
}

/// A write and an `fdatasync` into allocated space: what the disk itself takes.
#[divan::bench(args = [16 << 10, 1 << 20], sample_count = 50, sample_size = 1)]
fn bare_fdatasync(bencher: Bencher<'_, '_>, bytes: usize) {
    let temp = TempDir::new();
    let mut file = fs::File::create(temp.file("file")).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 256 << 20).unwrap();
    file.sync_all().unwrap();
    let piece = vec![7; bytes];
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        file.write_all(&piece).unwrap();
        file.sync_data().unwrap();
    });
}
