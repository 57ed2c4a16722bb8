//! The object carrier over stores of its library.
#![allow(clippy::disallowed_methods, reason = "tests look into their folders and start processes")]

mod ahead;
mod contract;
mod local;
mod processes;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use klamm_model::{BrokerId, ShardId};
use klamm_store::{Entry, EntryHash, EntryKind, Header, Key, Ownership, entry::crc32c};
use klamm_store_object::ObjectDriver;
use object_store::local::LocalFileSystem;

pub(crate) const SHARD: ShardId = ShardId(7);
/// All owners have the same id.
pub(crate) const WRITER: BrokerId = 1;

/// A client of its own for a folder.
pub(crate) fn client(folder: &Path) -> Arc<ObjectDriver> {
    let store = LocalFileSystem::new_with_prefix(folder).unwrap();
    Arc::new(ObjectDriver::new(Arc::new(store), "cluster/shard-7".into()))
}

/// An owner's entry at a key, after the one with that hash.
pub(crate) fn entry_of(
    owned: &Ownership,
    kind: EntryKind,
    key: Key,
    previous: EntryHash,
    payload: Bytes,
) -> Entry {
    let header = Header {
        kind,
        shard: SHARD,
        key,
        epoch: owned.epoch,
        writer: WRITER,
        nonce: owned.nonce,
        previous,
        durable: key.slot,
        time_ms: 0,
        payload_bytes: u32::try_from(payload.len()).unwrap(),
        payload_crc: crc32c([&payload[..]]),
    };
    Entry { header, payload: vec![payload] }
}
