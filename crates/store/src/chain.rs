//! Which key holds which slot: the walked part of the chain, as spans of key-epochs. Pure.

use klamm_model::{Epoch, Slot};

use crate::{EntryKind, Header, Key};

/// Spans of the chain, each `(key-epoch, first slot)`; the last is open. The Takeover that ends a span is its last entry.
///
/// Invariant: all slots below `end` are known to be held by this chain; above it, spans are a guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    spans: Vec<(Epoch, Slot)>,
    end: Slot,
}

impl Chain {
    /// A chain that begins at a key.
    pub(crate) fn from(key: Key) -> Self {
        Self { spans: vec![(key.epoch, key.slot)], end: key.slot }
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

    /// All slots below are known.
    pub(crate) fn end(&self) -> Slot {
        self.end
    }

    /// The newest epoch.
    pub(crate) fn epoch(&self) -> Epoch {
        self.spans.last().expect("never empty").0
    }

    /// Walks over an entry of the chain, or one that its owner put ahead of others: returns where the next one lives.
    pub(crate) fn step(&mut self, header: &Header) -> Key {
        let next = Key { epoch: header.epoch, slot: header.key.slot.next() };
        if self.key(header.key.slot) == Some(header.key) {
            let known = self.end.max(header.durable);
            self.end = if known == header.key.slot { next.slot } else { known };
        }
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
        if key.slot >= self.end || self.key(key.slot)? != key {
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
        assert_eq!(chain.trimmable(key(4, 3)), None, "not walked: it may be another's takeover");
    }

    #[test]
    fn knows_what_was_walked_or_durable() {
        let key = |slot| Key { epoch: Epoch(1), slot: Slot(slot) };
        let mut chain = Chain::from(key(0));
        let known = |chain: &Chain| (0..9).filter(|slot| chain.trimmable(key(*slot)).is_some()).count();
        chain.step(&header(EntryKind::Records, key(0), 1));
        chain.step(&header(EntryKind::Records, key(3), 1));
        assert_eq!(known(&chain), 1, "1 and 2 are still on their way");
        chain.step(&Header { durable: Slot(4), ..header(EntryKind::Records, key(6), 1) });
        assert_eq!(known(&chain), 4);
        chain.step(&Header { durable: Slot(4), ..header(EntryKind::Records, key(4), 1) });
        assert_eq!(known(&chain), 5);
    }
}
