//! Finds merged segments, and removes what they replaced.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use futures_util::{StreamExt as _, TryStreamExt as _};
use klamm_env::{Disk, OpenMode};
use klamm_model::{ShardId, Slot};
use klamm_store::SegmentId;

use crate::{
    OpenError,
    format::{
        name::file_name,
        trailer::{self, TRAILER_BYTES, Trailer},
    },
    open::{FILES_AT_ONCE, bad},
};

/// The merged segments that count, and all segments that they replaced, which are removed.
pub(crate) async fn open_merged(
    disk: &Arc<dyn Disk>,
    journal: &Path,
    shard: ShardId,
    head: Option<Slot>,
    ids: &BTreeSet<SegmentId>,
) -> Result<(Vec<(SegmentId, Trailer)>, BTreeSet<SegmentId>), OpenError> {
    let looks: Vec<_> =
        ids.iter().filter(|id| id.generation > 0).map(|id| look(disk, journal, shard, head, *id)).collect();
    let mut merged: Vec<(SegmentId, Trailer)> =
        futures_util::stream::iter(looks).buffered(FILES_AT_ONCE).try_collect().await?;
    let is_replaced = |id: &SegmentId| {
        merged
            .iter()
            .any(|(other, trailer)| other.generation > id.generation && trailer.slots.contains(&id.first))
    };
    let replaced: BTreeSet<SegmentId> = ids.iter().copied().filter(is_replaced).collect();
    merged.retain(|(id, _)| !replaced.contains(id));
    for id in &replaced {
        let path = journal.join(file_name(*id));
        disk.remove(&path).await.map_err(OpenError::io("remove", &path))?;
    }
    Ok((merged, replaced))
}

async fn look(
    disk: &Arc<dyn Disk>,
    journal: &Path,
    shard: ShardId,
    head: Option<Slot>,
    id: SegmentId,
) -> Result<(SegmentId, Trailer), OpenError> {
    let path = journal.join(file_name(id));
    let file = disk.open(&path, OpenMode::Read).await.map_err(OpenError::io("open", &path))?;
    let size = file.size().await.map_err(OpenError::io("read the size of", &path))?;
    let at = size.saturating_sub(TRAILER_BYTES as u64);
    let bytes = file.read_at(at, TRAILER_BYTES).await.map_err(OpenError::io("read", &path))?;
    let trailer = Trailer::decode(&bytes, size)
        .map_err(|error| bad(path.clone(), at, "the trailer", trailer::VERSION, error))?;
    let what =
        if trailer.shard != shard || trailer.slots.start != id.first || trailer.generation != id.generation {
            "it is the segment of another shard or of other slots"
        } else if head.is_none_or(|head| trailer.slots.end > head) {
            "it has slots that were never trimmed; is the file head from an older backup than the segments?"
        } else {
            return Ok((id, trailer));
        };
    Err(OpenError::Damaged { path, position: at, what: what.to_owned() })
}
