//! Fetch sessions (KIP-227): a consumer names its partitions once and is told what changed. The least recently used
//! session makes room for a new one once it was idle for two minutes; else the new consumer goes without.

use std::{collections::HashMap, sync::Arc, time::Duration};

use indexmap::IndexMap;
use klamm_protocol::{ErrorCode, Uuid};
use parking_lot::Mutex;

/// How long an idle session is kept when others want its place (Kafka's default).
const IDLE_MIN: Duration = Duration::from_secs(120);

/// The most partitions of all sessions: some 100 MiB.
const PARTITIONS_MAX: usize = 500_000;

/// A partition as a fetch names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartitionKey {
    /// The topic's name; empty where fetches name ids (v13).
    pub(crate) name: Arc<str>,
    /// The topic's id; zero where fetches name names.
    pub(crate) id: Uuid,
    pub(crate) index: i32,
}

/// What is asked of a partition, and what the client knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) leader_epoch: i32,
    pub(crate) offset: i64,
    pub(crate) bytes_max: i32,
    /// The high watermark and the log start that the client was told last.
    pub(crate) told: Option<(i64, i64)>,
}

/// The partitions of a fetch, in the order in which they are served.
pub(crate) type WantedPartitions = IndexMap<PartitionKey, Wanted>;

/// A session's partitions, taken out while a fetch uses them.
pub(crate) struct FetchSession {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    pub(crate) partitions: WantedPartitions,
}

struct Kept {
    session: Option<FetchSession>,
    used: Duration,
    /// How many partitions it had when it was put here.
    size: usize,
}

#[derive(Default)]
struct Slots {
    kept: HashMap<i32, Kept>,
    /// The partitions of all sessions.
    partitions: usize,
}

/// All sessions of a broker. Invariant: they have [`PARTITIONS_MAX`] partitions at most, so that no crowd of clients
/// fills the memory with names.
pub(crate) struct FetchSessions {
    slots: Mutex<Slots>,
    most: usize,
}

impl Slots {
    fn insert(&mut self, id: i32, session: FetchSession, used: Duration) {
        let size = session.partitions.len();
        self.partitions += size;
        self.kept.insert(id, Kept { session: Some(session), used, size });
        assert!(self.partitions <= PARTITIONS_MAX, "checked by the caller");
    }

    fn remove(&mut self, id: i32) -> bool {
        let slot = self.kept.remove(&id);
        self.partitions -= slot.as_ref().map_or(0, |slot| slot.size);
        slot.is_some()
    }

    fn has_room_for(&self, partitions: usize) -> bool {
        self.partitions + partitions <= PARTITIONS_MAX
    }
}

impl FetchSessions {
    pub(crate) fn new(most: usize) -> Self {
        Self { slots: Mutex::default(), most }
    }

    /// Takes a session out for its next fetch.
    pub(crate) fn take(&self, id: i32, epoch: i32) -> Result<FetchSession, ErrorCode> {
        let mut slots = self.slots.lock();
        let slot = slots.kept.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        match slot.session.take() {
            Some(session) if session.epoch == epoch => Ok(session),
            other => {
                slot.session = other;
                Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH)
            }
        }
    }

    /// Puts a session back; its next fetch has the next epoch. Epochs wrap to 1. A session that grew above the room
    /// there is ends; its client begins again.
    pub(crate) fn put_back(&self, mut session: FetchSession, now: Duration) {
        session.epoch = if session.epoch == i32::MAX { 1 } else { session.epoch + 1 };
        let mut slots = self.slots.lock();
        if slots.remove(session.id) && slots.has_room_for(session.partitions.len()) {
            slots.insert(session.id, session, now);
        }
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: i32) {
        self.slots.lock().remove(id);
    }

    /// Begins a session, if there is room; `random` gives ids. The first incremental fetch has epoch 1.
    pub(crate) fn begin(
        &self,
        partitions: WantedPartitions,
        now: Duration,
        mut random: impl FnMut() -> u64,
    ) -> Result<i32, WantedPartitions> {
        let mut slots = self.slots.lock();
        if slots.kept.len() >= self.most || !slots.has_room_for(partitions.len()) {
            let oldest = slots.kept.iter().min_by_key(|(id, slot)| (slot.used, **id));
            match oldest.map(|(id, slot)| (*id, slot.used)) {
                Some((id, used)) if now.saturating_sub(used) >= IDLE_MIN => drop(slots.remove(id)),
                _ => return Err(partitions),
            }
            if !slots.has_room_for(partitions.len()) {
                return Err(partitions);
            }
        }
        let id = loop {
            let id = (random() & 0x7fff_ffff) as i32;
            if id != 0 && !slots.kept.contains_key(&id) {
                break id;
            }
        };
        slots.insert(id, FetchSession { id, epoch: 1, partitions }, now);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> (FetchSessions, i32) {
        let sessions = FetchSessions::new(1);
        let id = sessions.begin(IndexMap::new(), Duration::ZERO, || 7).unwrap();
        (sessions, id)
    }

    #[test]
    fn epochs_follow_each_other() {
        let (sessions, id) = sessions();
        assert_eq!(sessions.take(id, 2).err(), Some(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
        let session = sessions.take(id, 1).unwrap();
        assert_eq!(sessions.take(id, 1).err(), Some(ErrorCode::INVALID_FETCH_SESSION_EPOCH), "in use");
        sessions.put_back(session, Duration::ZERO);
        assert!(sessions.take(id, 2).is_ok());
        sessions.end(id);
        assert_eq!(sessions.take(id, 3).err(), Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    }

    fn partitions(indexes: std::ops::Range<i32>) -> WantedPartitions {
        let wanted = Wanted { leader_epoch: -1, offset: 0, bytes_max: 0, told: None };
        let key = |index| PartitionKey { name: "t".into(), id: Uuid::ZERO, index };
        indexes.map(|index| (key(index), wanted.clone())).collect()
    }

    #[test]
    fn the_partitions_of_all_sessions_are_bounded() {
        let sessions = FetchSessions::new(10);
        let half = PARTITIONS_MAX as i32 / 2;
        let mut ids = 1..;
        let mut begin = |count| sessions.begin(partitions(0..count), Duration::ZERO, || ids.next().unwrap());
        let (first, second) = (begin(half).unwrap(), begin(half).unwrap());
        assert!(begin(1).is_err(), "no room");
        let mut session = sessions.take(first, 1).unwrap();
        session.partitions.extend(partitions(half..half + 1));
        sessions.put_back(session, Duration::ZERO);
        assert_eq!(sessions.take(first, 2).err(), Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND), "it grew");
        let third = begin(half).unwrap();
        sessions.end(second);
        sessions.end(third);
        assert_eq!(sessions.slots.lock().partitions, 0);
    }

    #[test]
    fn only_idle_sessions_make_room() {
        let (sessions, first) = sessions();
        assert!(sessions.begin(IndexMap::new(), Duration::from_secs(119), || 8).is_err());
        let second = sessions.begin(IndexMap::new(), Duration::from_secs(120), || 8).unwrap();
        assert_ne!(first, second);
        assert!(sessions.take(first, 1).is_err());
    }
}
