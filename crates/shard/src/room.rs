//! What the records of a drain may still take of a full disk.

use klamm_machine::{PayloadWriter, Record};
use klamm_store::{Segments, entry::HEADER_BYTES};

/// Counted down as records are taken.
pub(crate) struct Room {
    /// For what takes space for good.
    any: u64,
    /// For what frees space, or is owed: never less.
    owed: u64,
}

impl Room {
    /// At the begin of an entry.
    pub(crate) fn of(segments: &dyn Segments) -> Self {
        let mut room = Self { any: segments.room(), owed: segments.room_owed() };
        room.next_entry();
        room
    }

    /// One more entry is begun.
    pub(crate) fn next_entry(&mut self) {
        self.spend(HEADER_BYTES as u64);
    }

    /// Takes room for a record, if there is enough. `space` is what its command says ([`klamm_machine::Machine::space_bytes`]).
    pub(crate) fn take<R: Record>(&mut self, space: Option<u64>, record: &R) -> bool {
        debug_assert!(
            space.is_none_or(|bytes| encoded_bytes(record) <= bytes),
            "a command says what it needs"
        );
        let (bytes, room) = match space {
            Some(bytes) => (bytes, self.any),
            None if self.owed == u64::MAX => return true,
            None => (encoded_bytes(record), self.owed),
        };
        if bytes <= room {
            self.spend(bytes);
            return true;
        }
        // What comes after it may build on it: a producer's next batch, which is smaller, must not be taken.
        self.any = 0;
        if space.is_none() {
            self.owed = 0;
        }
        false
    }

    fn spend(&mut self, bytes: u64) {
        for room in [&mut self.any, &mut self.owed] {
            if *room < u64::MAX {
                *room = room.saturating_sub(bytes);
            }
        }
    }
}

fn encoded_bytes(record: &impl Record) -> u64 {
    let mut out = PayloadWriter::default();
    record.encode(&mut out);
    out.len() as u64
}
