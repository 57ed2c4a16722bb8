//! The files of a journal, by their names, headers and trailers: which there are, and whether they have all slots.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{StreamExt as _, TryStreamExt as _};
use klamm_env::{Disk, File, OpenMode};
use klamm_model::{ShardId, Slot};
use klamm_store::SegmentId;

use super::{FILES_AT_ONCE, bad};
use crate::{
    OpenError,
    format::{
        FormatError,
        file_header::{self, FILE_HEADER_BYTES, FileHeader},
        name::{file_name, segment_id},
        trailer::{self, TRAILER_BYTES, Trailer},
    },
};

pub(super) struct Candidate {
    pub(super) first: Slot,
    pub(super) path: PathBuf,
    /// Kept open only if it is not sealed: there may be thousands of files.
    pub(super) handle: Option<Arc<dyn File>>,
    pub(super) size: u64,
    /// From here on there are only zeros.
    pub(super) data_end: u64,
    pub(super) trailer: Option<Trailer>,
    /// It seems to have a trailer, but that is not valid.
    pub(super) bad_trailer: bool,
}

/// The journal's files and the merged segments.
pub(super) async fn segment_ids(
    disk: &Arc<dyn Disk>,
    journal: &Path,
    shard: ShardId,
) -> Result<BTreeSet<SegmentId>, OpenError> {
    let mut ids = BTreeSet::new();
    for name in disk.list(journal).await.map_err(OpenError::io("list", journal))? {
        match segment_id(&name) {
            Some(id) => drop(ids.insert(id)),
            None => {
                tracing::warn!(shard = shard.0, "{}/{name} is not ours and is left alone", journal.display())
            }
        }
    }
    Ok(ids)
}

/// The journal's files, sorted, with the trailers of those that are sealed.
pub(super) async fn candidates(
    disk: &Arc<dyn Disk>,
    journal: &Path,
    shard: ShardId,
    ids: impl Iterator<Item = &SegmentId>,
) -> Result<Vec<Candidate>, OpenError> {
    let files = ids.filter(|id| id.generation == 0);
    let looks: Vec<_> =
        files.map(|id| look(Arc::clone(disk), journal.join(file_name(*id)), id.first, shard)).collect();
    futures_util::stream::iter(looks).buffered(FILES_AT_ONCE).try_collect().await
}

async fn look(
    disk: Arc<dyn Disk>,
    path: PathBuf,
    first: Slot,
    shard: ShardId,
) -> Result<Candidate, OpenError> {
    let file = disk.open(&path, OpenMode::Write).await.map_err(OpenError::io("open", &path))?;
    let size = file.size().await.map_err(OpenError::io("read the size of", &path))?;
    let data_end = file.data_end().await.map_err(OpenError::io("find the end of", &path))?;
    let data_end = data_end.max(FILE_HEADER_BYTES as u64);
    let (mut trailer, mut bad_trailer) = (None, false);
    // A trailer lies at the end of the data; looking for it in reserved space would make that look like data.
    if size >= (FILE_HEADER_BYTES + TRAILER_BYTES) as u64 && data_end > size - TRAILER_BYTES as u64 {
        let at = size - TRAILER_BYTES as u64;
        let bytes = file.read_at(at, TRAILER_BYTES).await.map_err(OpenError::io("read", &path))?;
        match Trailer::decode(&bytes, size) {
            Ok(found) if found.shard == shard && found.slots.start == first => trailer = Some(found),
            Ok(_) => {
                let what = "it is the file of another shard or of other slots".to_owned();
                return Err(OpenError::Damaged { path, position: at, what });
            }
            Err(FormatError::Damaged(_)) => bad_trailer = trailer::looks_like(&bytes),
            Err(newer) => return Err(bad(path, at, "the trailer", trailer::VERSION, newer)),
        }
    }
    if trailer.is_none() {
        let bytes = file.read_at(0, FILE_HEADER_BYTES).await.map_err(OpenError::io("read", &path))?;
        match FileHeader::decode(&bytes) {
            Ok(header) if header == (FileHeader { shard, first }) => {}
            Ok(header) => {
                let (shard, first) = (header.shard, header.first);
                let what = format!("its header says shard {shard}, first slot {first}");
                return Err(OpenError::Damaged { path, position: 0, what });
            }
            Err(error) => return Err(bad(path, 0, "the file's header", file_header::VERSION, error)),
        }
    }
    let handle = trailer.is_none().then_some(file);
    Ok(Candidate { first, path, handle, size, data_end, trailer, bad_trailer })
}

/// Every slot from the head marker on has a file that it may be in.
pub(super) fn check_slots(files: &[Candidate], head: Option<Slot>, journal: &Path) -> Result<(), OpenError> {
    let damaged =
        |path: &Path, what: String| Err(OpenError::Damaged { path: path.to_owned(), position: 0, what });
    let (mut covered, mut any) = (head.unwrap_or(Slot(0)), head.is_none());
    for (number, file) in files.iter().enumerate() {
        let following = files.get(number + 1).map(|file| file.first);
        let end = file.trailer.as_ref().map(|trailer| trailer.slots.end).or(following);
        if let (Some(end), Some(following)) = (end, following)
            && end > following
        {
            let what = format!("it says that it has the slots up to {end}, which another file has");
            return damaged(&file.path, what);
        }
        if end.is_some_and(|end| end <= covered) {
            continue;
        }
        if file.first > covered {
            let what = format!("the slots from {covered} on, which are needed, are in no file");
            return damaged(&file.path, what);
        }
        any = true;
        covered = end.unwrap_or(covered);
    }
    if any { Ok(()) } else { damaged(journal, format!("slot {covered}, the head, is in no file")) }
}
