//! A writer as the suite needs it: it builds entries, keeps the chain's state, and tells a journal's story as a line
//! of text: `T1 a b T2 c` is a takeover to epoch 1, two entries, a takeover to epoch 2, one more; `@3` in front
//! says that a head marker names slot 3; checkpoints are their text in brackets.

use bytes::Bytes;
use klamm_model::{BrokerId, Epoch, Slot};

use super::SHARD;
use crate::{
    AcquireError, AppendError, Claim, Entry, EntryHash, EntryKind, Head, Header, Journal, Key, Nonce,
    Ownership, ReadError, Tail, Written, acquire, entry::crc32c,
};

/// An owner in one epoch. Appends one entry after the other unless it is told otherwise.
pub(super) struct Owner {
    pub(super) owned: Ownership,
    pub(super) writer: BrokerId,
    pub(super) next: Key,
    pub(super) previous: EntryHash,
    pub(super) durable: Slot,
}

/// A claim of a process; `life` tells its acquisitions apart.
pub(super) fn claim(writer: BrokerId, life: u8) -> Claim {
    let mut nonce = Nonce([0; 16]);
    nonce.0[1] = u8::try_from(writer).expect("small ids");
    nonce.0[2] = life;
    Claim { shard: SHARD, writer, nonce, time_ms: 0, epoch_above: Epoch(0) }
}

impl Owner {
    /// Takes the shard over.
    pub(super) async fn takes(journal: &dyn Journal, writer: BrokerId, life: u8) -> Self {
        Self::tries(journal, claim(writer, life)).await.expect("the shard can be taken over")
    }

    /// Tries to take the shard over.
    pub(super) async fn tries(journal: &dyn Journal, claim: Claim) -> Result<Self, AcquireError> {
        let owned = acquire(journal, claim).await?;
        Ok(Self {
            writer: claim.writer,
            next: owned.next,
            previous: owned.hash,
            durable: owned.next.slot,
            owned,
        })
    }

    /// The next entry; the one after it will follow it.
    pub(super) fn entry(&mut self, kind: EntryKind, payload: Vec<Bytes>) -> Entry {
        let header = Header {
            kind,
            shard: SHARD,
            key: self.next,
            epoch: self.owned.epoch,
            writer: self.writer,
            nonce: self.owned.nonce,
            previous: self.previous,
            durable: self.durable,
            time_ms: 0,
            payload_bytes: u32::try_from(payload.iter().map(Bytes::len).sum::<usize>()).expect("small"),
            payload_crc: crc32c(payload.iter().map(|piece| &piece[..])),
        };
        self.next.slot = self.next.slot.next();
        self.previous = header.hash();
        Entry { header, payload }
    }

    /// The next entry, of records.
    pub(super) fn records(&mut self, text: &str) -> Entry {
        self.entry(EntryKind::Records, vec![Bytes::copy_from_slice(text.as_bytes())])
    }

    /// Appends a text and waits until it is durable.
    pub(super) async fn tries_append(
        &mut self,
        journal: &dyn Journal,
        text: &str,
    ) -> Result<Header, AppendError> {
        let entry = self.records(text);
        self.put(journal, entry).await
    }

    /// Appends texts, separated by spaces, one after the other; returns the last header.
    pub(super) async fn append(&mut self, journal: &dyn Journal, texts: &str) -> Header {
        let mut last = None;
        for text in texts.split(' ') {
            last = Some(self.tries_append(journal, text).await.expect("the owner appends"));
        }
        last.expect("at least one text")
    }

    /// Appends a checkpoint.
    pub(super) async fn checkpoint(&mut self, journal: &dyn Journal, text: &str) -> Header {
        let entry = self.entry(EntryKind::Checkpoint, vec![Bytes::copy_from_slice(text.as_bytes())]);
        self.put(journal, entry).await.expect("the owner checkpoints")
    }

    /// Checkpoints and makes the checkpoint the head.
    pub(super) async fn trims(&mut self, journal: &dyn Journal, text: &str) -> Header {
        let header = self.checkpoint(journal, text).await;
        journal.trim(head(&header, text)).await.expect("the owner trims");
        header
    }

    async fn put(&mut self, journal: &dyn Journal, entry: Entry) -> Result<Header, AppendError> {
        let header = entry.header;
        journal.append(entry, Written::ignore()).await?;
        self.durable = header.key.slot.next();
        Ok(header)
    }
}

/// A head marker that names an entry.
pub(super) fn head(header: &Header, checkpoint: &str) -> Head {
    Head {
        slot: header.key.slot,
        key_epoch: header.key.epoch,
        hash: header.hash(),
        checkpoint: Bytes::copy_from_slice(checkpoint.as_bytes()),
    }
}

/// A key.
pub(super) fn key(epoch: u32, slot: u64) -> Key {
    Key { epoch: Epoch(epoch), slot: Slot(slot) }
}

/// Scans, then reads everything from the head to the tail in pieces of about `bytes_max`.
pub(super) async fn chain(journal: &dyn Journal, bytes_max: usize) -> Result<(Tail, Vec<Entry>), ReadError> {
    let tail = journal.tail().await?;
    let mut next = tail.head.as_ref().map_or(Slot(0), |head| head.slot);
    let mut entries: Vec<Entry> = Vec::new();
    while next < tail.next.slot {
        let more = journal.read(next, bytes_max).await?;
        assert!(!more.is_empty(), "slot {next} is below the tail {:?} and can't be read", tail.next);
        for entry in more {
            assert_eq!(entry.header.key.slot, next, "entries come in order");
            if let Some(before) = entries.last() {
                assert_eq!(entry.header.previous, before.header.hash(), "slot {next} follows the one before");
                assert_eq!(
                    entry.header.key.epoch, before.header.epoch,
                    "slot {next} is under its owner's epoch"
                );
            }
            next = next.next();
            entries.push(entry);
        }
    }
    entries.retain(|entry| entry.header.key.slot < tail.next.slot);
    let last = entries.last().map_or(EntryHash::default(), |entry| entry.header.hash());
    assert_eq!(tail.hash, last, "the tail's hash is the last entry's");
    Ok((tail, entries))
}

/// The journal's story, or why it has none.
pub(super) async fn tells(journal: &dyn Journal) -> Result<String, ReadError> {
    let (tail, entries) = chain(journal, 1 << 20).await?;
    let mut words: Vec<String> = tail.head.iter().map(|head| format!("@{}", head.slot)).collect();
    words.extend(entries.iter().map(|entry| {
        let text = String::from_utf8_lossy(&entry.payload.concat()).into_owned();
        match entry.header.kind {
            EntryKind::Takeover => format!("T{}", entry.header.epoch),
            EntryKind::Records => text,
            EntryKind::Checkpoint => format!("[{text}]"),
        }
    }));
    Ok(words.join(" "))
}

/// The journal's story.
pub(super) async fn story(journal: &dyn Journal) -> String {
    tells(journal).await.expect("the journal is whole")
}
