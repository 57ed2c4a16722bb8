//! Which key holds which slot: the walked part of the chain, as spans of key-epochs. Pure.

use klamm_model::{Epoch, Slot};

use crate::{EntryKind, Header, Key};

/// Spans of the chain, each `(key-epoch, first slot)`; the last is open. The Takeover that ends a span is its last entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    spans: Vec<(Epoch, Slot)>,
}

impl Chain {
    /// A chain that begins at a key.
    pub(crate) fn from(key: Key) -> Self {
        Self { spans: vec![(key.epoch, key.slot)] }
    }

    /// The first slot.
    pub(crate) fn start(&self) -> Slot {
        self.spans[0].1
    }

    /// Where the slot's entry lives; None below the start.
    pub(crate) fn key(&self, slot: Slot) -> Option<Key> {
        let after = self.spans.partition_point(|(_, first)| *first <= slot);
        let (epoch, _) = self.spans[after.checked_sub(1)?];
        Some(Key { epoch, slot })
    }

    /// Walks over an entry: returns where the next one lives.
    pub(crate) fn step(&mut self, header: &Header) -> Key {
        let next = Key { epoch: header.epoch, slot: header.key.slot.next() };
        let (last_epoch, last_first) = *self.spans.last().expect("never empty");
        if header.kind == EntryKind::Takeover
            && header.key.epoch == last_epoch
            && header.key.slot >= last_first
        {
            self.spans.push((next.epoch, next.slot));
        }
        next
    }

    /// Whether this key holds an entry of the chain that is not a Takeover and may be trimmed once its slot may;
    /// None if the chain does not know (an older part, or a fenced owner's leftovers).
    pub(crate) fn trimmable(&self, key: Key) -> Option<bool> {
        let known = self.key(key.slot)?;
        if known != key {
            return None;
        }
        let ends_span =
            self.spans.iter().any(|(_, first)| *first == key.slot.next() && *first != self.start());
        Some(!ends_span)
    }
}

#[cfg(test)]
mod tests {
    use klamm_model::ShardId;

    use super::*;
    use crate::{EntryHash, Nonce};

    fn header(kind: EntryKind, key: Key, epoch: u32) -> Header {
        Header {
            kind,
            shard: ShardId(1),
            key,
            epoch: Epoch(epoch),
            writer: 0,
            nonce: Nonce([0; 16]),
            previous: EntryHash(0),
            durable: Slot(0),
            time_ms: 0,
            payload_bytes: 0,
            payload_crc: 0,
        }
    }

    #[test]
    fn walks_over_takeovers() {
        let key = |epoch, slot| Key { epoch: Epoch(epoch), slot: Slot(slot) };
        let mut chain = Chain::from(key(0, 0));
        assert_eq!(chain.step(&header(EntryKind::Takeover, key(0, 0), 1)), key(1, 1));
        assert_eq!(chain.step(&header(EntryKind::Records, key(1, 1), 1)), key(1, 2));
        assert_eq!(chain.step(&header(EntryKind::Takeover, key(1, 2), 4)), key(4, 3));
        assert_eq!([0, 1, 2, 3, 9].map(|s| chain.key(Slot(s)).unwrap().epoch.0), [0, 1, 1, 4, 4]);
        assert_eq!(chain.trimmable(key(1, 1)), Some(true));
        assert_eq!(chain.trimmable(key(1, 2)), Some(false), "a takeover stays");
        assert_eq!(chain.trimmable(key(1, 3)), None, "a zombie's leftovers");
    }
}
