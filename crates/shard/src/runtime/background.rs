//! Background work of a shard, one step at a time: a complete file is sealed, a snapshot is saved, the journal is trimmed
//! to its checkpoint. What fails is tried again.

use std::{collections::BTreeSet, time::Duration};

use futures_util::FutureExt as _;
use klamm_machine::Machine;
use klamm_model::{Epoch, ShardId, Slot};
use klamm_store::{AppendError, EntryKind, Head, SegmentError, SegmentInfo, ShardStore};

use super::{Owner, RETRY};
use crate::{
    View,
    checkpoint::{Boundary, Checkpoint, sweep_left_over},
    pipeline::Content,
};

/// Makes the head known, then deletes what it replaces. May be repeated.
async fn trim(store: &ShardStore, head: &Head, checkpoint: &Checkpoint) -> Result<(), String> {
    store.journal.trim(head.clone()).await.map_err(|error| error.to_string())?;
    checkpoint.sweep(&*store.snapshots).await.map_err(|error| error.to_string())
}

/// On a full disk each owner may leave a part of its first snapshot: it goes before there is another.
pub(super) async fn sweep(shard: ShardId, epoch: Epoch, named: BTreeSet<String>, store: ShardStore) -> Done {
    if let Err(error) = sweep_left_over(&*store.snapshots, epoch, &named).await {
        tracing::warn!(%shard, %error, "what earlier owners left of snapshots is there until the next checkpoint");
    }
    Done::Swept
}

/// A step of background work that is done.
pub(super) enum Done {
    Swept,
    /// None: it was sealed before.
    Sealed(Option<SegmentInfo>, Checkpoint),
    Trimmed(Slot),
}

impl<M: Machine, V: View<M>> Owner<'_, M, V> {
    /// Begins a new file when the active one is complete, and no other waits to be sealed.
    pub(super) async fn roll_if_due(&mut self) -> Result<(), AppendError> {
        let segments = &self.context.store.segments;
        if segments.active_bytes() < self.context.config.file_bytes
            || !self.boundaries.is_empty()
            || self.file_start == self.next.slot
        {
            return Ok(());
        }
        let at = self.next.slot;
        match segments.roll(at).await {
            Ok(()) => {}
            // The active file goes on as far as there is space; the next requests ask again.
            Err(SegmentError::Full(_)) => return Ok(()),
            Err(error) => return Err(AppendError::Io(at, error.to_string())),
        }
        self.boundaries.push_back(Boundary {
            slots: self.file_start..at,
            sealed: false,
            machine: self.machine.clone(),
            entry: None,
        });
        self.file_start = at;
        Ok(())
    }

    pub(super) fn start_background(&mut self) {
        if self.background.is_some() {
            return;
        }
        if self.in_flight.iter().any(|entry| matches!(entry.content, Content::Checkpoint(_))) {
            return; // its trim is next
        }
        if let Some(boundary) = self.boundaries.front()
            && boundary.entry.is_some()
            && boundary.slots.end <= self.durable
        {
            self.seal(Duration::ZERO);
        }
    }

    fn seal(&mut self, wait: Duration) {
        let boundary = self.boundaries.front().expect("called for a boundary");
        let (slots, machine, epoch, store) =
            (boundary.slots.clone(), boundary.machine.clone(), self.epoch, self.context.store.clone());
        let batches = (!boundary.sealed).then(|| self.view.batches(&slots));
        self.background = Some(
            async move {
                tokio::time::sleep(wait).await;
                let end = slots.end;
                let info = match batches {
                    Some(batches) => Some(store.segments.seal(slots, batches).await?),
                    None => None,
                };
                loop {
                    match Checkpoint::save(&machine, end, epoch, &*store.snapshots).await {
                        Ok(checkpoint) => return Ok(Done::Sealed(info, checkpoint)),
                        Err(error) => tracing::warn!(%error, "a snapshot was not saved; trying again"),
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
            .boxed(),
        );
    }

    pub(super) fn trim(&mut self, checkpoint: Checkpoint) {
        let boundary = self.boundaries.pop_front().expect("a checkpoint is made of a boundary");
        assert_eq!(boundary.slots.end, checkpoint.slot, "checkpoints are made in order");
        let (key_epoch, hash) = boundary.entry.expect("a boundary is sealed once its entry is there");
        let store = self.context.store.clone();
        let head = Head { slot: checkpoint.slot, key_epoch, hash, checkpoint: checkpoint.encode() };
        self.background = Some(
            async move {
                // Nothing below may go before; on a full disk there may be no later checkpoint to wait for.
                while let Err(error) = trim(&store, &head, &checkpoint).await {
                    tracing::warn!(%error, "the journal was not trimmed; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                Ok(Done::Trimmed(head.slot))
            }
            .boxed(),
        );
    }

    pub(super) async fn background_done(&mut self, done: Result<Done, SegmentError>) {
        match done {
            Ok(Done::Sealed(info, checkpoint)) => {
                info.iter().for_each(|info| self.view.sealed(info));
                let time_ms = self.context.env.clock.wall_ms();
                let payload = vec![checkpoint.encode()];
                self.append(
                    EntryKind::Checkpoint,
                    payload,
                    Content::Checkpoint(checkpoint),
                    Vec::new(),
                    time_ms,
                )
                .await;
            }
            Ok(Done::Swept) => {}
            Ok(Done::Trimmed(slot)) => self.trimmed = slot,
            Err(error) => {
                let shard = self.context.config.shard;
                tracing::warn!(%shard, %error, "a file was not sealed; trying again");
                self.seal(RETRY);
            }
        }
    }
}
