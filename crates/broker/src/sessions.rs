//! Fetch sessions (KIP-227): a consumer names its partitions once and is told what changed. The least recently used
//! session makes room for a new one once it was idle for two minutes; else the new consumer goes without.

use std::{collections::HashMap, sync::Arc, time::Duration};

use indexmap::IndexMap;
use klamm_protocol::{ErrorCode, Str, Uuid};
use parking_lot::Mutex;

/// How long an idle session is kept when others want its place (Kafka's default).
const IDLE_MIN: Duration = Duration::from_secs(120);

/// A partition as a fetch names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartitionKey {
    /// The topic's name; empty where fetches name ids (v13).
    pub(crate) name: Arc<str>,
    /// The topic's id; zero where fetches name names.
    pub(crate) id: Uuid,
    pub(crate) index: i32,
}

impl PartitionKey {
    pub(crate) fn new(name: &Str<'_>, id: Uuid, index: i32) -> Self {
        Self { name: Arc::from(&**name), id, index }
    }
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
}

/// All sessions of a broker.
pub(crate) struct FetchSessions {
    kept: Mutex<HashMap<i32, Kept>>,
    most: usize,
}

impl FetchSessions {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: Mutex::default(), most }
    }

    /// Takes a session out for its next fetch.
    pub(crate) fn take(&self, id: i32, epoch: i32) -> Result<FetchSession, ErrorCode> {
        let mut kept = self.kept.lock();
        let slot = kept.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        match slot.session.take() {
            Some(session) if session.epoch == epoch => Ok(session),
            other => {
                slot.session = other;
                Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH)
            }
        }
    }

    /// Puts a session back; its next fetch has the next epoch. Epochs wrap to 1.
    pub(crate) fn put_back(&self, mut session: FetchSession, now: Duration) {
        session.epoch = if session.epoch == i32::MAX { 1 } else { session.epoch + 1 };
        if let Some(slot) = self.kept.lock().get_mut(&session.id) {
            *slot = Kept { session: Some(session), used: now };
        }
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: i32) {
        self.kept.lock().remove(&id);
    }

    /// Begins a session, if there is room; `random` gives ids. The first incremental fetch has epoch 1.
    pub(crate) fn begin(
        &self,
        partitions: WantedPartitions,
        now: Duration,
        mut random: impl FnMut() -> u64,
    ) -> Result<i32, WantedPartitions> {
        let mut kept = self.kept.lock();
        if kept.len() >= self.most {
            let oldest =
                kept.iter().min_by_key(|(id, slot)| (slot.used, **id)).map(|(id, slot)| (*id, slot.used));
            match oldest {
                Some((id, used)) if now.saturating_sub(used) >= IDLE_MIN => drop(kept.remove(&id)),
                _ => return Err(partitions),
            }
        }
        let id = loop {
            let id = (random() & 0x7fff_ffff) as i32;
            if id != 0 && !kept.contains_key(&id) {
                break id;
            }
        };
        kept.insert(id, Kept { session: Some(FetchSession { id, epoch: 1, partitions }), used: now });
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

    #[test]
    fn only_idle_sessions_make_room() {
        let (sessions, first) = sessions();
        assert!(sessions.begin(IndexMap::new(), Duration::from_secs(119), || 8).is_err());
        let second = sessions.begin(IndexMap::new(), Duration::from_secs(120), || 8).unwrap();
        assert_ne!(first, second);
        assert!(sessions.take(first, 1).is_err());
    }
}
