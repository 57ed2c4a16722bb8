//! What is left of old segments: those that nobody needs are deleted, those that few need are merged. One thing at a
//! time, beside sealing and never in its way. What fails is left alone for a while and tried again.

use std::{future::pending, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use klamm_machine::Machine;
use klamm_model::{ShardId, Slot};
use klamm_store::{Merge, SegmentError, SegmentId, SegmentInfo, Segments};

use crate::View;

/// How long the cleaner rests after something failed.
const RETRY: Duration = Duration::from_secs(2);

/// What came of a piece of work.
pub(crate) enum Cleaned {
    Deleted(Result<(), SegmentError>),
    Merged(Merge, Result<Option<SegmentInfo>, SegmentError>),
    Rested,
}

/// Deletes and merges segments.
pub(crate) struct Cleaner {
    shard: ShardId,
    segments: Arc<dyn Segments>,
    /// Segments to delete.
    doomed: Vec<SegmentId>,
    /// There may be segments that a merge replaced.
    any_replaced: bool,
    work: Option<BoxFuture<'static, Cleaned>>,
    /// The last trouble, so that it is told once.
    said: String,
}

impl Cleaner {
    /// Nothing is known to be dead; but an earlier owner may have been stopped after a merge.
    pub(crate) fn new(shard: ShardId, segments: &Arc<dyn Segments>) -> Self {
        let segments = Arc::clone(segments);
        Self { shard, segments, doomed: Vec::new(), any_replaced: true, work: None, said: String::new() }
    }

    /// Begins what is due, if nothing is under way. Cheap when nothing changed.
    pub(crate) fn start<M: Machine>(&mut self, view: &mut impl View<M>, trimmed: Slot, file_bytes: u64) {
        if self.work.is_some() {
            return;
        }
        self.doomed.extend(view.take_dead(trimmed));
        if std::mem::take(&mut self.any_replaced) {
            self.doomed.extend(self.segments.replaced());
        }
        let segments = Arc::clone(&self.segments);
        if !self.doomed.is_empty() {
            let doomed = self.doomed.clone();
            let delete = async move {
                for id in doomed {
                    segments.delete(id).await?;
                }
                Ok(())
            };
            self.work = Some(delete.map(Cleaned::Deleted).boxed());
        } else if let Some(merge) = view.plan_merge(trimmed, file_bytes) {
            self.work = Some(
                async move {
                    let result = segments.merge(&merge).await;
                    Cleaned::Merged(merge, result)
                }
                .boxed(),
            );
        }
    }

    /// Waits for the end of what is under way.
    pub(crate) async fn step(&mut self) -> Cleaned {
        let Some(work) = &mut self.work else { return pending().await };
        let cleaned = work.await;
        self.work = None;
        cleaned
    }

    /// Takes in what came of it.
    pub(crate) fn done<M: Machine>(&mut self, cleaned: Cleaned, view: &mut impl View<M>) {
        match cleaned {
            Cleaned::Rested => {}
            Cleaned::Deleted(Ok(())) => self.doomed.clear(),
            Cleaned::Deleted(Err(error)) => self.failed("deleting segments", &error),
            Cleaned::Merged(merge, Ok(info)) => {
                view.merged(&merge, info.as_ref());
                self.any_replaced = true;
                self.said.clear();
            }
            Cleaned::Merged(_, Err(SegmentError::Damaged { id, what })) => {
                tracing::error!(shard = %self.shard, segment = %id,
                    "{what}; the segment is not merged until the next start. Its other batches can be read. Restore it from a \
                     backup, or delete the partition's records up to there (kafka-delete-records)");
                view.merge_failed(Some(id));
            }
            Cleaned::Merged(_, Err(error)) => {
                view.merge_failed(None);
                self.failed("merging segments", &error);
            }
        }
    }

    fn failed(&mut self, what: &str, error: &SegmentError) {
        let said = format!("{what} failed, it is tried again: {error}");
        if self.said != said {
            tracing::warn!(shard = %self.shard, "{said}");
            self.said = said;
        }
        self.work = Some(tokio::time::sleep(RETRY).map(|()| Cleaned::Rested).boxed());
    }
}
