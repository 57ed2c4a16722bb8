//! Folders as a shard leaves them: the first inputs of the journal's target.

use std::sync::{Arc, atomic::AtomicBool};

use klamm_model::{PartitionId, Slot, TopicId};
use klamm_store::{
    BatchAt, Entry, EntryKind, Head, Header, Key, Merge, Ownership, Place, SegmentId, Written, acquire,
};
use klamm_store_file::Opened;

use crate::{
    disk::MemoryDisk,
    journal::{Found, SHARD, block_on, claim, folder, open},
};

const PARTITION: PartitionId = PartitionId { topic: TopicId([5; 16]), index: 0 };
const BATCH_BYTES: usize = 100;

/// How far a shard came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Until {
    OneFile,
    Rolled,
    Sealed,
    Trimmed,
    Merged,
}

/// Images by name, and what is in them.
pub fn images() -> Vec<(&'static str, Vec<u8>, Found)> {
    let story = |name, until, entries, segments, batches, chunks| {
        (name, block_on(write(until)), Found { entries, segments, batches, chunks })
    };
    vec![
        story("one-file", Until::OneFile, 3, 0, 0, 0),
        story("two-files", Until::Rolled, 7, 0, 0, 0),
        story("sealed", Until::Sealed, 7, 2, 4, 0),
        story("trimmed", Until::Trimmed, 2, 2, 4, 1),
        story("merged", Until::Merged, 2, 1, 4, 1),
    ]
}

struct Shard {
    opened: Opened,
    owned: Ownership,
    batches: Vec<(PartitionId, BatchAt)>,
    next: i64,
}

impl Shard {
    async fn put(&mut self, kind: EntryKind, payload: Vec<u8>) -> Key {
        let key = self.owned.next;
        let header = Header {
            kind,
            shard: SHARD,
            key,
            epoch: self.owned.epoch,
            writer: 1,
            nonce: self.owned.nonce,
            previous: self.owned.hash,
            durable: key.slot,
            time_ms: 0,
            payload_bytes: payload.len() as u32,
            payload_crc: klamm_records::crc32c(&payload),
        };
        let entry = Entry { header, payload: vec![payload.into()] };
        self.opened.store.journal.append(entry, Written::ignore()).await.expect("memory takes it");
        self.owned.hash = header.hash();
        self.owned.next = Key { slot: key.slot.next(), ..key };
        key
    }

    async fn batch(&mut self) {
        let key = self.put(EntryKind::Records, vec![self.next as u8 + 1; BATCH_BYTES]).await;
        let batch = BatchAt {
            base_offset: self.next,
            last_offset: self.next,
            max_timestamp: self.next,
            place: Place::Journal { key, at: 0 },
            bytes: BATCH_BYTES as u32,
        };
        self.batches.push((PARTITION, batch));
        self.next += 1;
    }

    /// Begins the next file; the one before it is sealed if that is wanted.
    async fn roll(&mut self, from: Slot, seal: bool) {
        let (segments, to) = (&self.opened.store.segments, self.owned.next.slot);
        segments.roll(to).await.expect("memory has room");
        let batches = std::mem::take(&mut self.batches);
        if seal {
            segments.seal(from..to, batches).await.expect("its entries are durable");
        }
    }
}

/// Two batches, and as many in the next file, and in the one after it a checkpoint.
async fn write(until: Until) -> Vec<u8> {
    let (disk, fatal) = (Arc::new(MemoryDisk::default()), Arc::new(AtomicBool::new(false)));
    let opened = open(&disk, &fatal).await.expect("an empty folder opens");
    let owned = acquire(&*opened.store.journal, claim()).await.expect("nobody else is here");
    let mut shard = Shard { opened, owned, batches: Vec::new(), next: 0 };
    shard.batch().await;
    shard.batch().await;
    if until > Until::OneFile {
        let seal = until >= Until::Sealed;
        let second = shard.owned.next.slot;
        shard.roll(Slot(0), seal).await;
        shard.batch().await;
        shard.batch().await;
        let third = shard.owned.next.slot;
        shard.roll(second, seal).await;
        let boundary = shard.put(EntryKind::Records, b"more".to_vec()).await;
        let hash = shard.owned.hash;
        let checkpoint = b"checkpoint".to_vec();
        shard.put(EntryKind::Checkpoint, checkpoint.clone()).await;
        let store = shard.opened.store.clone();
        if until >= Until::Trimmed {
            store.snapshots.put("chunk", vec![1; 50].into()).await.expect("memory takes it");
            let head = Head { slot: third, key_epoch: boundary.epoch, hash, checkpoint: checkpoint.into() };
            store.journal.trim(head).await.expect("memory takes it");
        }
        if until >= Until::Merged {
            let inputs = vec![SegmentId::sealed(Slot(0)), SegmentId::sealed(second)];
            let check = |batch: &BatchAt, bytes: &bytes::Bytes| bytes.len() == batch.bytes as usize;
            let merge = Merge { inputs: inputs.clone(), keep: [(PARTITION, 0)].into(), check };
            store.segments.merge(&merge).await.expect("they are trimmed").expect("batches are kept");
            for id in inputs {
                store.segments.delete(id).await.expect("it was replaced");
            }
        }
    }
    shard.opened.files.close().await;
    disk.image(folder())
}
