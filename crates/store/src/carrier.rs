//! The journal over any driver, by the rules of `docs/adr/0002` (numbers in brackets below).
//! Invariant: a scan's result counts only if the chain that it read contains the highest head marker [7].

use std::sync::Arc;

use async_trait::async_trait;
use klamm_model::{Bug, Epoch, ShardId, Slot, planted};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{
    AppendError, Driver, DriverError, Entry, EntryHash, EntryKind, Head, Header, Journal, Key, Listing, Name,
    PutError, ReadError, Tail, TrimError, Value, Written, ahead::Ahead, chain::Chain, entry, flatten,
};

/// How often a put with a lost answer is tried again before the owner gives up and drops its state.
const PUT_TRIES_MAX: u32 = 8;
/// How often a scan that a trim overtook begins again before it is reported.
const SCAN_TRIES_MAX: u32 = 64;
/// No entry has so high an epoch: each takeover raises it by one, and leader epochs are positive 32-bit numbers.
const EPOCH_END: Epoch = Epoch(i32::MAX as u32);
/// No entry has so high a slot: slots rise by one.
const SLOT_END: Slot = Slot(u64::MAX);

/// A journal of one shard over a driver.
pub struct Carrier<D> {
    driver: Arc<D>,
    shard: ShardId,
    chain: Mutex<Chain>,
}

/// What a scan met at the end of the chain.
enum End {
    Absent,
    Bad(String),
}

impl<D: Driver> Carrier<D> {
    /// A journal over `driver`, which holds this shard only.
    pub fn new(driver: Arc<D>, shard: ShardId) -> Self {
        Self { driver, shard, chain: Mutex::new(Chain::from(Key { epoch: Epoch(0), slot: Slot(0) })) }
    }

    async fn entry(&self, key: Key) -> Result<Option<Result<Entry, String>>, ReadError> {
        let value = self.driver.get(Name::Entry(key)).await.map_err(io)?;
        Ok(value.map(|value| self.decode(key, &value)))
    }

    /// The entry under a key, if its value is one that belongs there.
    fn decode(&self, key: Key, value: &Value) -> Result<Entry, String> {
        let entry = Entry::decode(value).map_err(|error| error.to_string())?;
        if entry.header.key != key || entry.header.shard != self.shard || key.slot >= SLOT_END {
            return Err(format!("the entry at {key:?} says that it belongs to {:?}", entry.header.key));
        }
        let takeover = entry.header.kind == EntryKind::Takeover;
        let fits = if takeover { entry.header.epoch > key.epoch } else { entry.header.epoch == key.epoch };
        if !fits || entry.header.epoch >= EPOCH_END {
            return Err(format!("the entry at {key:?} is of epoch {}", entry.header.epoch));
        }
        Ok(entry)
    }

    /// One walk from a head marker to the end of the chain.
    async fn walk(&self, head: Option<&Head>) -> Result<(Chain, Key, EntryHash, End), ReadError> {
        let mut next = match head {
            Some(head) => Key { epoch: head.key_epoch, slot: head.slot },
            None => Key { epoch: Epoch(0), slot: Slot(0) },
        };
        let (mut chain, mut hash) = (Chain::from(next), EntryHash::default());
        let mut ahead = Ahead::new(&*self.driver);
        loop {
            // As if no takeover came, which it seldom does.
            let guess = |n| Some(Key { slot: later(next.slot, n)?, ..next });
            let entry = match ahead.get(guess).await.map_err(io)?.map(|value| self.decode(next, &value)) {
                None => return Ok((chain, next, hash, End::Absent)),
                Some(Err(what)) => return Ok((chain, next, hash, End::Bad(what))),
                Some(Ok(entry)) => entry,
            };
            let own = entry.header.hash();
            let chains = match head {
                Some(head) if head.slot == next.slot => own == head.hash,
                _ => entry.header.previous == hash,
            };
            if !chains && !planted(Bug::IgnoreHashChain) {
                let what = "the entry does not follow the one before it (its hash differs)".to_owned();
                return Ok((chain, next, hash, End::Bad(what)));
            }
            hash = own;
            next = chain.step(&entry.header);
        }
    }

    /// Whether the walked chain, which ends before `next`, contains the head marker's entry [7].
    async fn contains(&self, chain: &Chain, next: Key, head: &Head) -> Result<bool, ReadError> {
        let Some(key) = chain.key(head.slot).filter(|key| key.slot < next.slot) else { return Ok(false) };
        Ok(matches!(self.entry(key).await?, Some(Ok(entry)) if entry.header.hash() == head.hash))
    }

    /// An entry beyond the tail, under this key-epoch or a later one, whose writer knew that the tail's slot was
    /// durable: proof of a loss [10]. Entries under earlier key-epochs are fenced owners' leftovers.
    async fn lost(&self, next: Key) -> Result<Option<Slot>, ReadError> {
        let names = self.driver.list(Listing::EntriesFrom(next)).await.map_err(io)?;
        let beyond = |name: &Name| match *name {
            Name::Entry(key) if key.slot > next.slot => Some(key),
            _ => None,
        };
        let keys: Vec<Key> = names.iter().rev().filter_map(beyond).collect();
        let mut ahead = Ahead::new(&*self.driver);
        for (at, key) in keys.iter().enumerate() {
            let value = ahead.get(|n| keys.get(at + n).copied()).await.map_err(io)?;
            if let Some(Ok(entry)) = value.map(|value| self.decode(*key, &value))
                && entry.header.durable > next.slot
            {
                return Ok(Some(key.slot));
            }
        }
        Ok(None)
    }

    /// Puts an entry until it is known what became of it. `last` is what went wrong last.
    async fn put_until_known(
        &self,
        entry: &Entry,
        mut written: Written,
        last: &mut String,
    ) -> Result<(), AppendError> {
        let (key, name) = (entry.header.key, Name::Entry(entry.header.key));
        let mut exists = false;
        for failed in 0..PUT_TRIES_MAX {
            if failed > 0 {
                self.driver.rest(failed).await;
            }
            match self
                .driver
                .put(name, entry.encode(), std::mem::replace(&mut written, Written::ignore()))
                .await
            {
                Ok(()) => {
                    self.chain.lock().step(&entry.header);
                    return Ok(());
                }
                Err(PutError::Exists) if planted(Bug::AcceptOccupied) => return Ok(()),
                Err(PutError::Unknown(_)) if planted(Bug::UnknownIsDone) => return Ok(()),
                Err(PutError::Refused(why)) => return Err(AppendError::Io(key.slot, why)),
                Err(PutError::Exists) => {
                    "the name is taken".clone_into(last);
                    exists = true;
                }
                Err(PutError::Unknown(why)) => *last = why,
            }
            // [4]: own bytes are durable, absent is tried again, anything else fences.
            match self.entry(key).await {
                Ok(Some(Ok(found))) if found.header == entry.header => {
                    self.chain.lock().step(&entry.header);
                    return Ok(());
                }
                Ok(Some(_)) => return Err(AppendError::Occupied(key.slot)),
                // Taken, yet nothing is there: it was trimmed, so others own what follows.
                Ok(None)
                    if exists
                        && self.head().await.is_ok_and(|head| head.is_some_and(|h| h.slot > key.slot)) =>
                {
                    return Err(AppendError::Occupied(key.slot));
                }
                Ok(None) => {}
                Err(error) => *last = error.to_string(),
            }
        }
        Err(AppendError::Unknown(key.slot, last.clone()))
    }

    async fn delete_below(&self, slot: Slot) -> Result<(), DriverError> {
        let mut names = self.driver.list(Listing::Heads).await?;
        names.retain(|name| matches!(name, Name::Head(head) if *head < slot));
        let mut unknown = Vec::new();
        for name in self.driver.list(Listing::EntriesBelow(slot)).await? {
            let Name::Entry(key) = name else { continue };
            match self.chain.lock().trimmable(key) {
                Some(true) => names.push(name),
                Some(false) => {}
                None => unknown.push(key),
            }
        }
        let mut ahead = Ahead::new(&*self.driver);
        for (at, key) in unknown.iter().enumerate() {
            let Some(value) = ahead.get(|n| unknown.get(at + n).copied()).await? else { continue };
            if Header::decode(&flatten(value)).is_ok_and(|header| header.kind != EntryKind::Takeover) {
                names.push(Name::Entry(*key));
            }
        }
        self.driver.delete(&names).await
    }
}

/// The slot `n` later.
fn later(slot: Slot, n: usize) -> Option<Slot> {
    slot.0.checked_add(n as u64).map(Slot)
}

fn io(error: DriverError) -> ReadError {
    ReadError::Io(error.0)
}

#[async_trait]
impl<D: Driver> Journal for Carrier<D> {
    async fn append(&self, entry: Entry, written: Written) -> Result<(), AppendError> {
        let (slot, bytes) =
            (entry.header.key.slot, entry::HEADER_BYTES + entry.header.payload_bytes as usize);
        let mut last = String::new();
        let tried = self.put_until_known(&entry, written, &mut last);
        let Some(time_max) = self.driver.append_max(bytes) else { return tried.await };
        match timeout(time_max, tried).await {
            Ok(known) => known,
            // The put that is given up may still take effect: its owner acknowledges nothing and drops its state.
            Err(_) => {
                let what = format!("not in {} s; the last try: {last}", time_max.as_secs());
                Err(AppendError::Unknown(slot, what))
            }
        }
    }

    async fn read(&self, from: Slot, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        let (first, end) = {
            let chain = self.chain.lock();
            (chain.key(from).ok_or(ReadError::Trimmed { asked: from, head: chain.start() })?, chain.end())
        };
        let (mut key, mut hash, mut bytes, mut entries) = (first, None, 0, Vec::<Entry>::new());
        let mut ahead = Ahead::new(&*self.driver);
        while bytes < bytes_max || entries.is_empty() {
            let guess = |n| {
                if n == 0 {
                    return Some(key);
                }
                // What is not known to be there, or is probably too much, is not got ahead.
                let (slot, chain) = (later(key.slot, n)?, self.chain.lock());
                let wanted = bytes + n * bytes / entries.len().max(1) < bytes_max;
                if wanted && slot < chain.end() { chain.key(slot) } else { None }
            };
            let entry = match ahead.get(guess).await.map_err(io)?.map(|value| self.decode(key, &value)) {
                None if entries.is_empty() && from < end => {
                    return Err(match self.head().await? {
                        Some(head) if head.slot > from => ReadError::Trimmed { asked: from, head: head.slot },
                        _ => ReadError::Damaged { slot: from, what: "it was there and is gone".to_owned() },
                    });
                }
                None => break,
                Some(Err(what)) => return Err(ReadError::Damaged { slot: key.slot, what }),
                Some(Ok(entry)) => entry,
            };
            if hash.is_some_and(|hash| hash != entry.header.previous) {
                let what = "the entry does not follow the one before it".to_owned();
                return Err(ReadError::Damaged { slot: key.slot, what });
            }
            hash = Some(entry.header.hash());
            bytes += entry.header.payload_bytes as usize + entry::HEADER_BYTES;
            key = self.chain.lock().step(&entry.header);
            entries.push(entry);
        }
        Ok(entries)
    }

    async fn tail(&self) -> Result<Tail, ReadError> {
        let before = self.chain.lock().epoch();
        for _ in 0..SCAN_TRIES_MAX {
            let head = self.head().await?;
            let (chain, next, hash, end) = self.walk(head.as_ref()).await?;
            let now = self.head().await?;
            let counts = match &now {
                None => true,
                // Not looked up again: a trim that begins now may delete the entry that was walked.
                Some(marker) if now == head => marker.slot < next.slot,
                Some(marker) => self.contains(&chain, next, marker).await?,
            };
            if !counts && now != head {
                continue;
            }
            if let End::Bad(what) = end {
                return Err(ReadError::Damaged { slot: next.slot, what });
            }
            if !counts {
                let what = "the entry that the head marker names is gone".to_owned();
                return Err(ReadError::Damaged { slot: next.slot, what });
            }
            if let Some(beyond) = self.lost(next).await? {
                // No proof if the slot was filled meanwhile, or filled and trimmed.
                if self.entry(next).await?.is_none() {
                    if self.head().await? != now {
                        continue;
                    }
                    let what = format!("it is gone, yet slot {beyond} was written when it was durable");
                    return Err(ReadError::Damaged { slot: next.slot, what });
                }
            }
            let mut known = self.chain.lock();
            // A takeover through this carrier that landed meanwhile is newer than what was walked.
            if known.epoch() == before {
                *known = chain;
            }
            return Ok(Tail { next, hash, head });
        }
        Err(ReadError::Io("trims overtook every scan; try again".to_owned()))
    }

    async fn head(&self) -> Result<Option<Head>, ReadError> {
        for _ in 0..SCAN_TRIES_MAX {
            let heads = self.driver.list(Listing::Heads).await.map_err(io)?;
            let Some(name @ Name::Head(slot)) = heads.last().copied() else { return Ok(None) };
            // A marker that a higher one replaced may be gone by now: list again.
            if let Some(value) = self.driver.get(name).await.map_err(io)? {
                let what = "the head marker is damaged".to_owned();
                return Head::decode(&flatten(value)).map(Some).ok_or(ReadError::Damaged { slot, what });
            }
        }
        Err(ReadError::Io("trims overtook every look at the head; try again".to_owned()))
    }

    async fn trim(&self, head: Head) -> Result<(), TrimError> {
        let failed = |error: &dyn std::fmt::Display| TrimError(error.to_string());
        if planted(Bug::DeleteBeforeHead) {
            self.delete_below(head.slot).await.map_err(|e| failed(&e))?;
        }
        let name = Name::Head(head.slot);
        for failed_times in 0..PUT_TRIES_MAX {
            if failed_times > 0 {
                self.driver.rest(failed_times).await;
            }
            match self.driver.put(name, vec![head.encode()], Written::ignore()).await {
                Ok(()) | Err(PutError::Exists) => {}
                Err(error @ PutError::Refused(_)) => return Err(failed(&error)),
                Err(PutError::Unknown(_)) => {
                    if self.driver.get(name).await.map_err(|e| failed(&e))?.is_none() {
                        continue;
                    }
                }
            }
            let highest = self.head().await.map_err(|e| failed(&e))?;
            if let Some(other) =
                highest.as_ref().filter(|highest| highest.slot == head.slot && **highest != head)
            {
                return Err(TrimError(format!(
                    "slot {} is the head of another checkpoint already",
                    other.slot
                )));
            }
            let below = highest.map_or(head.slot, |highest| highest.slot.min(head.slot));
            return self.delete_below(below).await.map_err(|e| failed(&e));
        }
        Err(TrimError("the store did not answer".to_owned()))
    }
}
