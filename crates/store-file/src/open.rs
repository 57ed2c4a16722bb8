//! Finds what a folder holds. Sealed files below the head marker cost one read of their trailers; all others are
//! scanned. After it the active file ends with zeros, and everything that was found is durable.

mod active;
mod candidates;

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use klamm_env::{Disk, File, OpenMode};
use klamm_model::{ShardId, Slot};
use klamm_store::{Carrier, Key, Segments, ShardStore, Snapshots};

use self::{
    active::{begin, resume},
    candidates::{Candidate, candidates, check_slots, segment_ids},
};
use crate::{
    Fatal, FileStore, OpenError, Options,
    catalog::{Catalog, JournalFile},
    format::{
        FormatError,
        file_header::FILE_HEADER_BYTES,
        head::{self, Heads},
    },
    keys::Keys,
    open_merged::open_merged,
    scan::{Scan, ScanError, entry_bytes, is_takeover, scan},
    store::Parts,
};

/// Files that are looked at together.
pub(crate) const FILES_AT_ONCE: usize = 16;

/// A shard that was opened.
pub struct Opened {
    /// The shard's three traits.
    pub store: ShardStore,
    /// The same, for [`FileStore::close`].
    pub files: Arc<FileStore>,
    /// What was found.
    pub report: Report,
}

/// What was found in a shard's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Journal files.
    pub files: usize,
    /// Those that are sealed.
    pub sealed: usize,
    /// Merged segments.
    pub merged: usize,
    /// Segments that merged ones replaced: a crash came before they were deleted, and they are deleted now.
    pub replaced: usize,
    /// Entries that were read and verified.
    pub entries: u64,
    /// Bytes at the end of the journal that were no entry: a write that a crash broke off. They are zeroed.
    pub torn_bytes: u64,
    /// Bytes between entries that are none. Whether they are damage or a torn write is decided by the chain.
    pub gaps: Vec<Gap>,
}

/// Bytes that are no entry, before others that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub bytes: Range<u64>,
}

impl FileStore {
    /// Opens a shard's folder, which [`crate::DataFolder`] keeps other processes out of; makes it if need be.
    /// `fatal` is called when nothing may be believed any more (a failed sync): it must end the process.
    pub async fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        shard: ShardId,
        options: Options,
        fatal: Fatal,
    ) -> Result<Opened, OpenError> {
        let (journal, snapshots) = (folder.join("journal"), folder.join("snapshots"));
        for path in [&journal, &snapshots] {
            disk.create_folder(path).await.map_err(OpenError::io("create the folder", path))?;
            remove_temporary(&disk, path).await?;
        }
        let heads = read_heads(&disk, folder).await?;
        let head = heads.last_key_value().map(|(slot, _)| *slot);
        let ids = segment_ids(&disk, &journal, shard).await?;
        let (merged, replaced) = open_merged(&disk, &journal, shard, head, &ids).await?;
        let files = candidates(&disk, &journal, shard, ids.difference(&replaced)).await?;
        check_slots(&files, head, &journal)?;

        let mut report = Report {
            files: files.len(),
            merged: merged.len(),
            replaced: replaced.len(),
            ..Report::default()
        };
        let (mut catalog, mut active, mut next) = (Catalog::default(), None, Slot(0));
        merged.into_iter().for_each(|(id, trailer)| catalog.merged(id, trailer));
        for (number, file) in files.iter().enumerate() {
            let following = files.get(number + 1).map(|file| file.first);
            let slots_end = file.trailer.as_ref().map(|trailer| trailer.slots.end).or(following);
            let (known, scanned) = look_at(&disk, shard, head, file, slots_end, &mut report).await?;
            catalog.insert(file.first, known);
            if slots_end.is_none() {
                active = scanned.map(|(handle, scan)| (file, handle, scan));
            }
            next = slots_end.unwrap_or(file.first);
        }
        let writer = match active {
            Some((file, handle, scan)) => resume(&disk, file, handle, &scan, &options).await?,
            None => begin(&disk, &journal, shard, next, &options, &mut catalog).await?,
        };
        if report.torn_bytes > 0 || !report.gaps.is_empty() {
            tracing::warn!(shard = shard.0, torn_bytes = report.torn_bytes, gaps = ?report.gaps,
                "the journal's files have bytes that are no entries; if they were acknowledged, reading will say so");
        }
        let parts = Parts { catalog, writer, heads };
        let files = Arc::new(Self::start(disk, folder, shard, options, fatal, parts));
        let store = ShardStore {
            journal: Arc::new(Carrier::new(Arc::clone(&files), shard)),
            segments: Arc::clone(&files) as Arc<dyn Segments>,
            snapshots: Arc::clone(&files) as Arc<dyn Snapshots>,
        };
        Ok(Opened { store, files, report })
    }
}

/// What is known of a file, and what a scan of it found, if it was scanned. All of it is durable then.
async fn look_at(
    disk: &Arc<dyn Disk>,
    shard: ShardId,
    head: Option<Slot>,
    file: &Candidate,
    slots_end: Option<Slot>,
    report: &mut Report,
) -> Result<(JournalFile, Option<(Arc<dyn File>, Scan)>), OpenError> {
    if file.bad_trailer && slots_end.is_some_and(|end| Some(end) <= head) {
        let what = "its trailer is not valid, yet the journal was trimmed above it".to_owned();
        return Err(OpenError::Damaged { path: file.path.clone(), position: file.size, what });
    }
    let limit = file.trailer.as_ref().map_or(file.data_end, |trailer| trailer.entries_end);
    let (mut keys, mut end, mut scanned) = (Keys::default(), limit, None);
    if file.trailer.is_none() || slots_end > head {
        let handle = match &file.handle {
            Some(handle) => Arc::clone(handle),
            None => disk.open(&file.path, OpenMode::Read).await.map_err(OpenError::io("open", &file.path))?,
        };
        let scan = scan_file(file, &handle, shard, limit, head.unwrap_or(Slot(0)), &mut keys).await?;
        end = scan.end;
        note(report, file, &scan, limit);
        if file.handle.is_none() {
            // Nothing says yet that its trailer is durable: a process may have been killed before it synced it.
            handle.sync_data().await.map_err(OpenError::io("sync", &file.path))?;
        }
        if slots_end.is_none() {
            report.torn_bytes = scan.torn_end - scan.end;
        }
        scanned = Some((handle, scan));
    }
    if let Some(handle) = &file.handle {
        // An earlier process may have been killed between writing, or renaming, and syncing.
        handle.sync_data().await.map_err(OpenError::io("sync", &file.path))?;
        disk.rename(&file.path, &file.path).await.map_err(OpenError::io("keep the name of", &file.path))?;
    } else {
        report.sealed += 1;
    }
    keys.complete();
    let handle = file.handle.clone();
    Ok((JournalFile { slots_end, end, handle, sealed: file.trailer.clone(), keys }, scanned))
}

async fn remove_temporary(disk: &Arc<dyn Disk>, folder: &Path) -> Result<(), OpenError> {
    for name in disk.list(folder).await.map_err(OpenError::io("list", folder))? {
        if name.ends_with(".tmp") {
            let path = folder.join(name);
            disk.remove(&path).await.map_err(OpenError::io("remove", &path))?;
        }
    }
    Ok(())
}

async fn read_heads(disk: &Arc<dyn Disk>, folder: &Path) -> Result<Heads, OpenError> {
    let names = disk.list(folder).await.map_err(OpenError::io("list", folder))?;
    if !names.iter().any(|name| name == "head") {
        return Ok(Heads::new());
    }
    let path = folder.join("head");
    let bytes = disk.read(&path).await.map_err(OpenError::io("read", &path))?;
    head::decode(&bytes).map_err(|error| bad(path, 0, "the head marker", head::VERSION, error))
}

pub(crate) fn bad(
    path: PathBuf,
    position: u64,
    what: &'static str,
    known: u8,
    error: FormatError,
) -> OpenError {
    match error {
        FormatError::Newer(found) => OpenError::Newer { path, what, found, known },
        FormatError::Damaged(why) => OpenError::Damaged { path, position, what: format!("{what}: {why}") },
    }
}

async fn scan_file(
    file: &Candidate,
    handle: &Arc<dyn File>,
    shard: ShardId,
    limit: u64,
    head: Slot,
    keys: &mut Keys,
) -> Result<Scan, OpenError> {
    let path = file.path.clone();
    let range = FILE_HEADER_BYTES as u64..limit;
    let result = scan(handle, shard, range, |header, position| {
        let Key { epoch, slot } = header.key;
        if slot >= head || is_takeover(header) {
            let bytes = u32::try_from(entry_bytes(header)).expect("payloads are bounded");
            keys.insert(Key { epoch, slot }, position, bytes);
        }
    });
    result.await.map_err(|error| match error {
        ScanError::Io(position, error) => {
            let what = format!("it can't be read: {error}");
            OpenError::Damaged { path, position, what }
        }
        ScanError::Newer(found) => OpenError::Newer { path, what: "an entry", found, known: 1 },
        ScanError::Maze(position) => {
            let what = "too many of the bytes after it look like entries".to_owned();
            OpenError::Damaged { path, position, what }
        }
    })
}

fn note(report: &mut Report, file: &Candidate, scan: &Scan, limit: u64) {
    report.entries += scan.entries;
    let gap = |bytes| Gap { path: file.path.clone(), bytes };
    report.gaps.extend(scan.gaps.iter().cloned().map(gap));
    if file.trailer.is_some() && scan.end < limit {
        report.gaps.push(gap(scan.end..limit));
    }
}
