//! A shard's folder with any bytes in it. What opens must be readable, take an owner, and open again with what it took.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use klamm_env::Disk;
use klamm_model::{Epoch, ShardId, Slot};
use klamm_store::{Claim, Entry, EntryKind, Header, Key, Nonce, Ownership, Written, acquire};
use klamm_store_file::{FileStore, Opened, Options};

use crate::disk::MemoryDisk;

const SHARD: ShardId = ShardId(1);
const FILE_BYTES: u64 = 32 << 10;

fn folder() -> &'static Path {
    Path::new("/shard")
}

async fn open(disk: &Arc<MemoryDisk>, fatal: &Arc<AtomicBool>) -> Option<Opened> {
    let options = Options { file_bytes: FILE_BYTES, reserve_bytes: FILE_BYTES / 4, ..Options::default() };
    let fatal = Arc::clone(fatal);
    let fatal = Arc::new(move |_: String| fatal.store(true, Ordering::Relaxed));
    FileStore::open(Arc::clone(disk) as Arc<dyn Disk>, folder(), SHARD, options, fatal).await.ok()
}

fn claim() -> Claim {
    Claim { shard: SHARD, writer: 1, nonce: Nonce([7; 16]), time_ms: 0, epoch_above: Epoch(0) }
}

pub(crate) fn run(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(recover(Arc::new(MemoryDisk::of_image(input, folder()))));
}

async fn recover(disk: Arc<MemoryDisk>) {
    let fatal = Arc::new(AtomicBool::new(false));
    let Some(opened) = open(&disk, &fatal).await else { return };
    let journal = &opened.store.journal;
    if journal.tail().await.is_ok() {
        let head = journal.head().await.ok().flatten().map_or(Slot(0), |head| head.slot);
        let _ = journal.read(head, 1 << 20).await;
        let owned = acquire(&**journal, claim()).await;
        opened.files.close().await;
        if let Ok(owned) = owned {
            let again = open(&disk, &fatal).await.expect("what opened opens again");
            let tail = again.store.journal.tail().await.expect("and can be read");
            assert_eq!((tail.next, tail.hash), (owned.next, owned.hash), "with its last entry");
            again.files.close().await;
        }
    }
    assert!(!fatal.load(Ordering::Relaxed), "no bytes are a failed sync");
}

/// The files twice over, those made in advance, and the caches.
pub(crate) fn allowed(input: usize) -> usize {
    (64 << 20) + 8 * input
}

/// A folder with two files of entries, as a shard leaves it.
pub(crate) fn image() -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (disk, fatal) = (Arc::new(MemoryDisk::default()), Arc::new(AtomicBool::new(false)));
        let opened = open(&disk, &fatal).await.expect("an empty folder opens");
        let mut owned = acquire(&*opened.store.journal, claim()).await.expect("nobody else is here");
        for bytes in [100, 30 << 10, 200] {
            let entry = entry(&owned, vec![bytes as u8; bytes]);
            let (header, next) = (entry.header, owned.next.slot.next());
            opened.store.journal.append(entry, Written::ignore()).await.expect("memory takes it");
            owned.hash = header.hash();
            owned.next = Key { slot: next, ..owned.next };
        }
        opened.files.close().await;
        disk.image(folder())
    })
}

fn entry(owned: &Ownership, payload: Vec<u8>) -> Entry {
    let header = Header {
        kind: EntryKind::Records,
        shard: SHARD,
        key: owned.next,
        epoch: owned.epoch,
        writer: 1,
        nonce: owned.nonce,
        previous: owned.hash,
        durable: owned.next.slot,
        time_ms: 0,
        payload_bytes: payload.len() as u32,
        payload_crc: klamm_records::crc32c(&payload),
    };
    Entry { header, payload: vec![payload.into()] }
}
