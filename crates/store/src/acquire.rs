//! How an owner takes a shard over (rules 5, 8 and 9 of `docs/adr/0002`). Safety is the slot, never a lease.

use klamm_model::{BrokerId, Epoch, ShardId, Slot};

use crate::{
    AppendError, Entry, EntryHash, EntryKind, Head, Header, Journal, Key, Nonce, ReadError, Written,
    entry::crc32c,
};

/// How often a candidate that was overtaken scans again before it lets the other be.
const TRIES_MAX: u32 = 8;

/// Who wants the shard.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// The shard.
    pub shard: ShardId,
    /// The candidate.
    pub writer: BrokerId,
    /// Random, and used for one claim only.
    pub nonce: Nonce,
    /// The candidate's wall clock, in milliseconds.
    pub time_ms: i64,
    /// The new epoch is above this one too (a carrier that forgets its entries must not repeat epochs).
    pub epoch_above: Epoch,
}

/// A shard owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The owner's epoch.
    pub epoch: Epoch,
    /// The owner's nonce.
    pub nonce: Nonce,
    /// The slot of the Takeover.
    pub takeover: Slot,
    /// Where the owner's first entry goes.
    pub next: Key,
    /// The hash of the Takeover.
    pub hash: EntryHash,
    /// The head marker to recover from.
    pub head: Option<Head>,
}

/// Why a shard was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcquireError {
    /// The journal can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The takeover could not be put.
    #[error("the takeover was not written: {0}")]
    Append(AppendError),
    /// Others were faster every time.
    #[error("others took the shard over each time; is another broker running on the same store?")]
    Overtaken,
}

/// Takes the shard over. On success nobody else's later entry is ever part of the chain.
pub async fn acquire(journal: &dyn Journal, claim: Claim) -> Result<Ownership, AcquireError> {
    for try_number in 0..TRIES_MAX {
        let tail = journal.tail().await?;
        let epoch = tail.next.epoch.max(claim.epoch_above).next();
        let mut nonce = claim.nonce;
        nonce.0[0] ^= u8::try_from(try_number).expect("few tries"); // a fresh nonce for every Takeover [5]
        let header = Header {
            kind: EntryKind::Takeover,
            shard: claim.shard,
            key: tail.next,
            epoch,
            writer: claim.writer,
            nonce,
            previous: tail.hash,
            durable: tail.next.slot,
            time_ms: claim.time_ms,
            payload_bytes: 0,
            payload_crc: crc32c([]),
        };
        match journal.append(Entry { header, payload: Vec::new() }, Written::ignore()).await {
            Ok(()) => {}
            Err(AppendError::Occupied(_)) => continue,
            Err(error) => return Err(AcquireError::Append(error)),
        }
        // [9]: a trim that finished meanwhile may have freed the slot under us.
        let (next, hash) = (Key { epoch, slot: tail.next.slot.next() }, header.hash());
        let head = journal.head().await?;
        if head != tail.head {
            let now = journal.tail().await?;
            if now.next != next || now.hash != hash {
                continue;
            }
        }
        return Ok(Ownership { epoch, nonce, takeover: tail.next.slot, next, hash, head });
    }
    Err(AcquireError::Overtaken)
}
