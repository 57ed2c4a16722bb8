//! Temporary folders, stores in them, and what is needed to write entries by hand.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use klamm_env::{Disk, OsDisk};
use klamm_model::{Epoch, ShardId, Slot};
use klamm_store::{
    Driver, Entry, EntryHash, EntryKind, Header, Key, Listing, Name, Nonce, PutError, Written, entry::crc32c,
};
use klamm_store_file::{Fatal, FileStore, OpenError, Opened, Options};
use klamm_testing::TempDir;

pub(crate) const SHARD: ShardId = klamm_store::suite::SHARD;

/// A folder with a store in it.
pub(crate) struct Temp(TempDir);

impl Temp {
    pub(crate) fn new() -> Self {
        Self(TempDir::new())
    }

    /// In memory, where syncs cost nothing: for tests that open hundreds of stores.
    pub(crate) fn fast() -> Self {
        Self(TempDir::fast())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The journal's files, sorted.
    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        let names = std::fs::read_dir(self.0.file("journal")).unwrap().map(|item| item.unwrap().path());
        let mut logs: Vec<_> = names.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
        logs.sort();
        logs
    }

    /// Where an entry is: the file, its position, its size.
    pub(crate) fn find(&self, key: Key) -> Option<(PathBuf, usize, usize)> {
        for path in self.logs() {
            let bytes = std::fs::read(&path).unwrap();
            for at in 0..bytes.len() {
                if bytes[at..].starts_with(b"KLJE")
                    && let Ok(header) = Header::decode(&bytes[at..])
                    && header.key == key
                {
                    return Some((path, at, 96 + header.payload_bytes as usize));
                }
            }
        }
        None
    }

    pub(crate) async fn open(&self) -> Opened {
        self.try_open(small()).await.unwrap()
    }

    pub(crate) async fn try_open(&self, options: Options) -> Result<Opened, OpenError> {
        FileStore::open(disk(), self.path(), SHARD, options, no_fatal()).await
    }
}

pub(crate) fn disk() -> Arc<dyn Disk> {
    Arc::new(OsDisk::default())
}

/// Files of 64 KiB.
pub(crate) fn small() -> Options {
    Options { file_bytes: 64 << 10, ..Options::default() }
}

pub(crate) fn no_fatal() -> Fatal {
    Arc::new(|message| panic!("nothing is fatal here: {message}"))
}

pub(crate) fn key(epoch: u32, slot: u64) -> Key {
    Key { epoch: Epoch(epoch), slot: Slot(slot) }
}

/// An entry of records; it chains to nothing.
pub(crate) fn entry(epoch: u32, slot: u64, payload: &[u8]) -> Entry {
    let header = Header {
        kind: EntryKind::Records,
        shard: SHARD,
        key: key(epoch, slot),
        epoch: Epoch(epoch),
        writer: 1,
        nonce: Nonce([1; 16]),
        previous: EntryHash(0),
        durable: Slot(slot),
        time_ms: 0,
        payload_bytes: payload.len() as u32,
        payload_crc: crc32c([payload]),
    };
    Entry { header, payload: vec![Bytes::copy_from_slice(payload)] }
}

/// Puts an entry and waits until it is durable.
pub(crate) async fn put(store: &FileStore, entry: &Entry) -> Result<(), PutError> {
    store.put(Name::Entry(entry.header.key), entry.encode(), Written::ignore()).await
}

/// The entry at a key, with both checksums verified.
pub(crate) async fn get(store: &FileStore, key: Key) -> Option<Entry> {
    Driver::get(store, Name::Entry(key)).await.unwrap().map(|value| Entry::decode(&value).unwrap())
}

/// The keys that the journal has.
pub(crate) async fn keys(store: &FileStore) -> Vec<(u32, u64)> {
    let names = Driver::list(store, Listing::EntriesBelow(Slot(u64::MAX))).await.unwrap();
    let pair = |name: &Name| if let Name::Entry(key) = name { (key.epoch.0, key.slot.0) } else { panic!() };
    names.iter().map(pair).collect()
}

/// Makes a slot the head.
pub(crate) async fn put_head(store: &FileStore, slot: u64) -> Result<(), PutError> {
    store.put(Name::Head(Slot(slot)), vec![Bytes::from_static(b"marker")], Written::ignore()).await
}
