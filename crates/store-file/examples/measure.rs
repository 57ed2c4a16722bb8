//! Measures the file carrier: `cargo run --release -p klamm-store-file --example measure -- FOLDER [GB [appends]]`.
//! Every figure stands beside the floor: a loop that writes the same bytes and calls `fdatasync`.
#![allow(clippy::disallowed_methods, reason = "it measures time, and looks at the disk by itself")]

use std::{
    future::{Future as _, poll_fn},
    io::IoSlice,
    path::{Path, PathBuf},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use klamm_env::{Disk, OpenMode, OsDisk};
use klamm_model::{Epoch, PartitionId, ShardId, Slot, TopicId};
use klamm_store::{
    BatchAt, Driver, Entry, EntryHash, EntryKind, Header, Key, Name, Nonce, Place, Segments, Written,
    entry::crc32c,
};
use klamm_store_file::{FileStore, Opened, Options};

const SHARD: ShardId = ShardId(1);

fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn report(what: &str, bytes: u64, entries: u64, syncs: u64, start: Instant, cpu_start: f64) {
    let (seconds, gb) = (start.elapsed().as_secs_f64(), bytes as f64 / 1e9);
    println!(
        "{what:44} {:8.0} MB/s {:8.0} entries/s {:7.0} syncs/s {:6.2} CPU s/GB",
        bytes as f64 / 1e6 / seconds,
        entries as f64 / seconds,
        syncs as f64 / seconds,
        (cpu() - cpu_start) / gb
    );
}

async fn open(folder: &Path) -> Opened {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::default());
    let fatal = Arc::new(|message| panic!("{message}"));
    FileStore::open(disk, folder, SHARD, Options::default(), fatal).await.unwrap()
}

struct Chain {
    next: u64,
    previous: EntryHash,
}

impl Chain {
    fn entry(&mut self, payload: Vec<Bytes>, payload_crc: u32) -> Entry {
        let header = Header {
            kind: if self.next == 0 { EntryKind::Takeover } else { EntryKind::Records },
            shard: SHARD,
            key: Key { epoch: Epoch(u32::from(self.next > 0)), slot: Slot(self.next) },
            epoch: Epoch(1),
            writer: 1,
            nonce: Nonce([1; 16]),
            previous: self.previous,
            durable: Slot(self.next.saturating_sub(1000)),
            time_ms: 0,
            payload_bytes: payload.iter().map(Bytes::len).sum::<usize>() as u32,
            payload_crc,
        };
        self.previous = header.hash();
        self.next += 1;
        Entry { header, payload }
    }
}

/// Appends, with so many puts in flight; rolls (and seals, a batch for each entry) whenever a file is full.
async fn append(what: &str, folder: &Path, entry_bytes: usize, in_flight: usize, total: u64) -> Duration {
    let opened = open(folder).await;
    let store = &opened.files;
    let payload = Bytes::from((0..entry_bytes).map(|i| (i * 7 + i / 251) as u8).collect::<Vec<_>>());
    let crc = crc32c([&payload[..]]);
    let mut chain = Chain { next: 0, previous: EntryHash(0) };
    let (start, cpu_start, syncs) = (Instant::now(), cpu(), store.syncs());
    let mut flying = FuturesUnordered::new();
    let (mut written, mut rolled, mut sealed, mut rolling) = (0_u64, 0, Duration::ZERO, Duration::ZERO);
    while written < total {
        if store.active_bytes() + entry_bytes as u64 > (64 << 20) - 200_000 {
            let roll = Instant::now();
            store.roll(Slot(chain.next)).await.unwrap();
            rolling += roll.elapsed();
            let slots = rolled..chain.next;
            rolled = chain.next;
            while flying.next().await.is_some() {}
            let seal = Instant::now();
            let batches = slots.clone().map(|slot| {
                let key = Key { epoch: Epoch(u32::from(slot > 0)), slot: Slot(slot) };
                let (place, bytes) = (Place::Journal { key, at: 0 }, entry_bytes as u32);
                let offset = slot as i64;
                (
                    PartitionId { topic: TopicId([1; 16]), index: 0 },
                    BatchAt { base_offset: offset, last_offset: offset, max_timestamp: 0, place, bytes },
                )
            });
            store.seal(Slot(slots.start)..Slot(slots.end), batches.collect()).await.unwrap();
            sealed += seal.elapsed();
        }
        let entry = chain.entry(vec![payload.clone()], crc);
        let put = async move {
            store.put(Name::Entry(entry.header.key), entry.encode(), Written::ignore()).await.unwrap();
        };
        // Written in the first poll, before the next one: appends have an order.
        let mut put = Box::pin(put);
        let ready = poll_fn(|context| Poll::Ready(put.as_mut().poll(context).is_ready())).await;
        if !ready {
            flying.push(put);
        }
        written += entry_bytes as u64;
        while flying.len() >= in_flight {
            flying.next().await;
        }
    }
    while flying.next().await.is_some() {}
    report(what, written, chain.next, store.syncs() - syncs, start, cpu_start);
    let files = rolled.min(1).max(written >> 26);
    println!(
        "{:44} {:?} a roll, {:?} a seal",
        "",
        rolling / files.max(1) as u32,
        sealed / files.max(1) as u32
    );
    opened.files.close().await;
    start.elapsed()
}

/// The floor: one thread that writes and syncs, nothing else.
async fn floor(what: &str, folder: &Path, entry_bytes: usize, per_sync: usize, total: u64) {
    let disk = OsDisk::default();
    let payload = vec![7; entry_bytes];
    let (start, cpu_start) = (Instant::now(), cpu());
    let (mut written, mut entries, mut syncs, mut number) = (0_u64, 0, 0, 0);
    while written < total {
        let path = folder.join(format!("floor-{number}"));
        number += 1;
        let file = disk.open(&path, OpenMode::Create).await.unwrap();
        file.allocate(64 << 20).await.unwrap();
        let std = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let mut at = 0;
        while at + entry_bytes as u64 <= 64 << 20 && written < total {
            for _ in 0..per_sync {
                if at + entry_bytes as u64 > 64 << 20 {
                    break;
                }
                file.write_at(at, &mut [IoSlice::new(&payload)]).unwrap();
                at += entry_bytes as u64;
                written += entry_bytes as u64;
                entries += 1;
            }
            std.sync_data().unwrap();
            syncs += 1;
        }
    }
    report(what, written, entries, syncs, start, cpu_start);
    for number in 0..number {
        std::fs::remove_file(folder.join(format!("floor-{number}"))).unwrap();
    }
}

async fn timed_open(what: &str, folder: &Path, cold: bool) {
    if cold {
        std::process::Command::new("sync").status().unwrap();
        if std::fs::write("/proc/sys/vm/drop_caches", "3").is_err() {
            println!("(the page cache could not be dropped)");
        }
    }
    let (start, cpu_start) = (Instant::now(), cpu());
    let opened = open(folder).await;
    let opened_in = start.elapsed();
    let list = Instant::now();
    let segments = Segments::list(&*opened.files).await.unwrap().len();
    let listed_in = list.elapsed();
    let tail = Instant::now();
    let entries = match opened.store.journal.tail().await {
        Ok(tail) => tail.next.slot.0.to_string(),
        Err(error) => error.to_string(),
    };
    println!(
        "{what:44} open {opened_in:?}, list of {segments} {listed_in:?}, tail (to {entries}) {:?}, {} entries scanned, {:.2} CPU s",
        tail.elapsed(),
        opened.report.entries,
        cpu() - cpu_start
    );
    opened.files.close().await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("a folder"));
    let total = arguments.next().map_or(2, |gb| gb.parse::<u64>().unwrap()) * 1_000_000_000;
    std::fs::create_dir_all(&folder).unwrap();
    let fresh = |name: &str| {
        let path = folder.join(name);
        let _ = std::fs::remove_dir_all(&path);
        path
    };
    let only_appends = arguments.next().is_some();
    for _ in 0..3 {
        floor("floor: 16 KiB x 64 a sync", &folder, 16 << 10, 64, total).await;
        append("16 KiB, 64 in flight", &fresh("a"), 16 << 10, 64, total).await;
        floor("floor: 1 MiB x 8 a sync", &folder, 1 << 20, 8, total).await;
        append("1 MiB, 16 in flight", &fresh("b"), 1 << 20, 16, total).await;
        floor("floor: 16 KiB, 1 a sync", &folder, 16 << 10, 1, total / 20).await;
        append("16 KiB, 1 in flight", &fresh("c"), 16 << 10, 1, total / 20).await;
    }
    if only_appends {
        return;
    }
    append("100 B, 64 in flight", &fresh("d"), 100, 64, 60_000_000).await;
    timed_open("one active file, warm, 100 B entries", &folder.join("d"), false).await;
    for name in ["b", "c", "d"] {
        fresh(name);
    }
    // The head after the last sealed file.
    timed_open("no head marker, warm, 16 KiB entries", &folder.join("a"), false).await;
    fresh("a");
    append("80 files", &fresh("e"), 256 << 10, 64, 81 * (64 << 20)).await;
    let opened = open(&folder.join("e")).await;
    let head = Segments::list(&*opened.files).await.unwrap().last().unwrap().slots.end;
    let value = opened.files.get(Name::Entry(Key { epoch: Epoch(1), slot: head })).await.unwrap().unwrap();
    let hash = Header::decode(&value[0]).unwrap().hash();
    let marker = klamm_store::Head { slot: head, key_epoch: Epoch(1), hash, checkpoint: Bytes::new() };
    let trim = Instant::now();
    opened.store.journal.tail().await.unwrap();
    println!("{:44} {:?}", "scan of all", trim.elapsed());
    let trim = Instant::now();
    opened.store.journal.trim(marker).await.unwrap();
    println!("{:44} {:?}", "trim", trim.elapsed());
    opened.files.close().await;
    for cold in [false, true, true] {
        timed_open(
            if cold { "80 sealed files, cold" } else { "80 sealed files, warm" },
            &folder.join("e"),
            cold,
        )
        .await;
    }
    fresh("e");
}
