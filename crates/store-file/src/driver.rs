//! The journal's driver. A key below the head marker is taken for good: all is known inside the one process that has
//! the folder, so that a late Takeover never lands in a trimmed slot.

use async_trait::async_trait;
use bytes::Bytes;
use klamm_model::Slot;
use klamm_store::{
    Driver, DriverError, Header, Key, Listing, Name, PutError, Value, Written,
    entry::{EntryError, HEADER_BYTES, PAYLOAD_BYTES_MAX},
    flatten, value_bytes,
};
use tokio::sync::oneshot;

use crate::{
    FileStore,
    error::is_scarce,
    format::head::{self, Heads},
    read::Missing,
    writer::Put,
};

#[async_trait]
impl Driver for FileStore {
    async fn put(&self, name: Name, value: Value, written: Written) -> Result<(), PutError> {
        match name {
            Name::Entry(key) => self.put_entry(key, value, written).await,
            Name::Head(slot) => self.put_head(slot, value, written).await,
        }
    }

    async fn get(&self, name: Name) -> Result<Option<Value>, DriverError> {
        let key = match name {
            Name::Entry(key) => key,
            Name::Head(slot) => {
                return Ok(self.shared.heads.lock().get(&slot).map(|value| vec![value.clone()]));
            }
        };
        let place = || {
            let catalog = self.shared.catalog.lock();
            catalog.find(key).map(|(first, found)| {
                let end = catalog.get(first).expect("it was found there").end;
                (first, found, end)
            })
        };
        let mut at = place();
        if at.is_some_and(|(_, found, end)| found.position + u64::from(found.bytes) > end) {
            // It is staged only.
            self.shared.durable().await.map_err(DriverError)?;
            at = place();
        }
        let Some((first, found, end)) = at else { return Ok(None) };
        match self.entry(first, found.position, u64::from(found.bytes), end).await {
            Ok(bytes) => Ok(Some(vec![bytes])),
            Err(Missing::Gone) => Ok(None),
            Err(Missing::Scarce(what) | Missing::Io(what)) => Err(DriverError(what)),
        }
    }

    async fn list(&self, listing: Listing) -> Result<Vec<Name>, DriverError> {
        if listing == Listing::Heads {
            return Ok(self.shared.heads.lock().keys().map(|slot| Name::Head(*slot)).collect());
        }
        let mut keys: Vec<Key> = Vec::new();
        for (_, file) in self.shared.catalog.lock().iter() {
            match listing {
                Listing::EntriesBelow(slot) => keys.extend(file.keys.below(slot)),
                Listing::EntriesFrom(key) => keys.extend(file.keys.from(key)),
                Listing::Heads => unreachable!("answered above"),
            }
        }
        keys.sort_unstable();
        Ok(keys.into_iter().map(Name::Entry).collect())
    }

    async fn delete(&self, names: &[Name]) -> Result<(), DriverError> {
        let head = self.shared.head_slot();
        let mut keys = Vec::new();
        for name in names {
            match *name {
                Name::Entry(key) => keys.push(key),
                Name::Head(slot) => {
                    assert!(slot < head, "the highest head marker is never deleted (rule 6)");
                    // The file may keep it until it is written next: it does not count.
                    self.shared.heads.lock().remove(&slot);
                }
            }
        }
        keys.sort_unstable();
        if !keys.is_empty() {
            self.shared.catalog.lock().iter_mut().for_each(|file| file.keys.forget(&keys));
        }
        Ok(())
    }
}

impl FileStore {
    async fn put_entry(&self, key: Key, value: Value, written: Written) -> Result<(), PutError> {
        if let Err(error) = check(self.shared.shard, key, &value) {
            if self.shared.taken(key) {
                self.shared.durable().await.map_err(PutError::Refused)?;
                return Err(PutError::Exists);
            }
            return Err(PutError::Refused(format!("these are not the bytes of {key:?}: {error}")));
        }
        let (done, answer) = oneshot::channel();
        let bytes = u32::try_from(value_bytes(&value)).expect("payloads are bounded");
        self.shared.submit(Put { key, value, bytes, written, done });
        answer.await.unwrap_or_else(|_| Err(PutError::Refused("the store is closed".to_owned())))
    }

    async fn put_head(&self, slot: Slot, value: Value, written: Written) -> Result<(), PutError> {
        let _turn = self.head_turn.lock().await;
        let dead = self.shared.writer.lock().dead.clone();
        if let Some(why) = dead {
            return Err(PutError::Refused(why));
        }
        let mut heads: Heads = self.shared.heads.lock().clone();
        if heads.contains_key(&slot) {
            return Err(PutError::Exists);
        }
        let value = Bytes::copy_from_slice(&flatten(value));
        heads.insert(slot, value.clone());
        let path = self.shared.folder.join("head");
        if let Err(error) = self.shared.disk.replace(&path, &head::encode(&heads)).await {
            let what = format!("cannot write {}: {error}", path.display());
            if !is_scarce(&error) {
                self.shared.die(what.clone());
            }
            return Err(PutError::Refused(what));
        }
        self.shared.heads.lock().insert(slot, value);
        written.tell();
        Ok(())
    }
}

/// Checks that the value is the entry of its key.
fn check(shard: klamm_model::ShardId, key: Key, value: &Value) -> Result<(), EntryError> {
    let header = match value.first() {
        Some(piece) if piece.len() >= HEADER_BYTES => Header::decode(piece)?,
        _ => Header::decode(&flatten(value.clone()))?,
    };
    let size = HEADER_BYTES + header.payload_bytes as usize;
    if header.key != key
        || header.shard != shard
        || header.payload_bytes as usize > PAYLOAD_BYTES_MAX
        || size != value_bytes(value)
    {
        return Err(EntryError::Short);
    }
    Ok(())
}
