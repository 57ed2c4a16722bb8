//! Loading a shard: take it over, restore the snapshot, replay the rest of the journal.
//! Invariant: snapshot plus the rest of the journal equals the whole journal; a Checkpoint entry that is replayed
//! must name the state that the replay itself came to.

use std::collections::{BTreeMap, BTreeSet};

use klamm_machine::{At, Corrupt, Machine, PayloadReader, Record};
use klamm_model::{Bug, Epoch, Slot, planted};
use klamm_store::{
    AcquireError, Claim, Entry, EntryKind, Journal, Key, Ownership, SegmentError, SegmentInfo, ShardStore,
    SnapshotError, acquire, flatten,
};

use crate::{
    Placed, Published, Served, View,
    checkpoint::{Boundary, Checkpoint, LoadError},
};

/// How much of the journal is read at a time.
const READ_BYTES: usize = 4 << 20;

/// A shard that may serve.
pub(crate) struct Loaded<M> {
    pub(crate) machine: M,
    pub(crate) ownership: Ownership,
    /// Complete files that are not sealed yet, or not covered by a checkpoint.
    pub(crate) boundaries: Vec<Boundary<M>>,
    /// The first slot of the active file.
    pub(crate) file_start: Slot,
    /// The chunks of all checkpoints on the chain, from the head on.
    pub(crate) named: BTreeSet<String>,
}

/// Why a shard could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoverError {
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    #[error(transparent)]
    Read(#[from] klamm_store::ReadError),
    #[error("snapshot: {0}")]
    Snapshot(#[from] LoadError),
    #[error(transparent)]
    Segment(#[from] SegmentError),
    #[error("slot {0}: {1}")]
    Record(Slot, Corrupt),
    /// An earlier owner, which did not know yet that it was replaced, made its newest checkpoint the head.
    #[error("the head that was loaded from, slot {0}, was replaced meanwhile")]
    HeadReplaced(Slot),
    /// Another owner wrote behind the own Takeover, and sealed what it wrote.
    #[error("another owner took the shard over meanwhile; it has the slots below {0} in a segment already")]
    Replaced(Slot),
    #[error("slot {0}: the checkpoint differs from the state that replaying came to")]
    Diverged(Slot),
}

impl RecoverError {
    /// Whether trying again can help.
    pub(crate) fn is_transient(&self) -> bool {
        use klamm_store::ReadError;
        match self {
            Self::Acquire(AcquireError::Read(error)) | Self::Read(error) => {
                matches!(error, ReadError::Io(_) | ReadError::Trimmed { .. })
            }
            Self::HeadReplaced(_) | Self::Replaced(_) => true,
            Self::Acquire(AcquireError::Append(_) | AcquireError::Overtaken) => true,
            Self::Segment(error) => matches!(error, SegmentError::Io(_) | SegmentError::Full(_)),
            Self::Snapshot(LoadError::Store(error)) => matches!(error, SnapshotError::Io { .. }),
            Self::Snapshot(LoadError::Corrupt(_)) | Self::Record(..) | Self::Diverged(_) => false,
        }
    }
}

/// Takes the shard over and loads it, through the view, so that readers see all that is durable.
pub(crate) async fn recover<M: Machine, V: View<M>>(
    store: &ShardStore,
    claim: Claim,
    view: &mut V,
) -> Result<Loaded<M>, RecoverError> {
    let ownership = acquire(&*store.journal, claim).await?;
    let mut machine = M::default();
    let (mut slot, mut named) = (Slot(0), BTreeSet::new());
    if let Some(head) = &ownership.head {
        let checkpoint = Checkpoint::decode(head.checkpoint.clone()).map_err(LoadError::from)?;
        if checkpoint.slot != head.slot {
            let what = Corrupt("the head marker's checkpoint is of other slots than those below it");
            return Err(LoadError::from(what).into());
        }
        machine = match checkpoint.load(&*store.snapshots).await {
            Err(LoadError::Store(SnapshotError::Missing(_)))
                if store.journal.head().await?.as_ref() != Some(head) =>
            {
                return Err(RecoverError::HeadReplaced(head.slot));
            }
            loaded => loaded?,
        };
        slot = head.slot;
        named.extend(checkpoint.names());
    }
    let segments = store.segments.list().await?;
    check_segments(&*store.journal, &ownership, slot, &segments).await?;
    if planted(Bug::DropTailOnCheckpoint) && ownership.head.is_some() {
        slot = ownership.takeover;
    }
    let (below, above): (Vec<_>, Vec<_>) = segments.into_iter().partition(|info| info.slots.end <= slot);
    view.restore(&machine, &below);

    // A crash between sealing and the head leaves sealed files above it. The last of them gets its checkpoint now: what
    // a later file's would do may be far off on a full disk.
    let sealed = above.last().map(|info| (info.slots.clone(), true));
    let unsealed = store.segments.unsealed().into_iter().map(|slots| (slots, false));
    let mut ends: BTreeMap<Slot, _> =
        unsealed.chain(sealed).map(|(slots, sealed)| (slots.end, (slots, sealed))).collect();
    let file_starts: Vec<Slot> =
        above.iter().map(|info| info.slots.end).chain(ends.keys().copied()).collect();
    let file_start = file_starts.iter().copied().max().unwrap_or(slot);
    let (mut boundaries, mut states) = (Vec::new(), BTreeMap::new());
    while slot <= ownership.takeover {
        let entries = store.journal.read(slot, READ_BYTES).await?;
        if entries.is_empty() {
            let what = "it was there when the journal was scanned, and is gone".to_owned();
            return Err(klamm_store::ReadError::Damaged { slot, what }.into());
        }
        // What follows the own Takeover is a successor's; this owner is replaced, and finds out when it appends.
        for entry in entries.into_iter().take_while(|entry| entry.header.key.slot <= ownership.takeover) {
            if file_starts.contains(&entry.header.key.slot) {
                states.insert(entry.header.key.slot, machine.clone());
            }
            if let Some((slots, sealed)) = ends.remove(&entry.header.key.slot) {
                let place = Some((entry.header.key.epoch, entry.header.hash()));
                boundaries.push(Boundary { slots, sealed, machine: machine.clone(), entry: place });
            }
            slot = entry.header.key.slot.next();
            if let Some(checkpoint) = replay(entry, &mut machine, view, &states)? {
                named.extend(checkpoint.names());
            }
        }
    }
    above.iter().for_each(|info| view.sealed(info));
    view.loaded();
    Ok(Loaded { machine, ownership, boundaries, file_start, named })
}

/// Whether the segments are those of the head that was loaded from, and of the journal up to the own Takeover. If not,
/// another owner was faster, or they are damaged.
async fn check_segments(
    journal: &dyn Journal,
    ownership: &Ownership,
    head: Slot,
    segments: &[SegmentInfo],
) -> Result<(), RecoverError> {
    let damaged = |info: &SegmentInfo, what| Err(SegmentError::Damaged { id: info.id, what }.into());
    // A checkpoint is made where a segment ends: this segment is of another one.
    if let Some(info) = segments.iter().find(|info| info.slots.start < head && head < info.slots.end) {
        if journal.head().await? != ownership.head {
            return Err(RecoverError::HeadReplaced(head));
        }
        let what = format!("it ends at slot {}, over the head marker of slot {head}", info.slots.end);
        return damaged(info, what);
    }
    // What is replayed ends at the own Takeover, and only what is durable is sealed.
    let (Key { slot: next, .. }, last) = (ownership.next, segments.iter().max_by_key(|info| info.slots.end));
    if let Some(info) = last.filter(|info| info.slots.end > next) {
        let end = info.slots.end;
        if journal.tail().await?.next != ownership.next {
            return Err(RecoverError::Replaced(end));
        }
        return damaged(info, format!("it ends at slot {end}, but the journal at {next}"));
    }
    Ok(())
}

/// Takes an entry in; gives the checkpoint that it is.
fn replay<M: Machine, V: View<M>>(
    entry: Entry,
    machine: &mut M,
    view: &mut V,
    states: &BTreeMap<Slot, M>,
) -> Result<Option<Checkpoint>, RecoverError> {
    let Entry { header, payload } = entry;
    let slot = header.key.slot;
    let corrupt = |corrupt| RecoverError::Record(slot, corrupt);
    match header.kind {
        EntryKind::Takeover => {}
        EntryKind::Checkpoint => {
            let checkpoint = Checkpoint::decode(flatten(payload)).map_err(corrupt)?;
            // What made version 1 may have cut or written its chunks otherwise.
            let state = states.get(&checkpoint.slot).filter(|_| checkpoint.epoch != Epoch(0));
            if state
                .is_some_and(|state| Checkpoint::of(state, checkpoint.slot, checkpoint.epoch).0 != checkpoint)
            {
                return Err(RecoverError::Diverged(slot));
            }
            return Ok(Some(checkpoint));
        }
        EntryKind::Records => {
            let at = At { slot, epoch: header.epoch, time_ms: header.time_ms };
            let payload = flatten(payload);
            let mut input = PayloadReader::new(payload.clone());
            let mut records = Vec::new();
            while input.remaining() > 0 {
                let start = payload.len() - input.remaining();
                let record = M::Record::decode(&mut input).map_err(corrupt)?;
                machine.replay(&record, at);
                let range =
                    record.served().map_or(start..start, |range| start + range.start..start + range.end);
                let served = Served { first: payload.slice(range.clone()), ..Served::default() };
                records.push(Placed {
                    record,
                    at: u32::try_from(range.start).expect("checked when written"),
                    served,
                });
            }
            view.publish(Published { key: header.key, at, records: &records });
        }
    }
    Ok(None)
}
