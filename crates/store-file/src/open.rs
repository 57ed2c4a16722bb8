//! Finds what a folder holds. Sealed files below the head marker cost one read of their trailers; all others are
//! scanned. After it the active file ends with zeros, and everything that was found is durable.

use std::{collections::BTreeSet, ops::Range, path::Path, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use klamm_env::{Disk, File, OpenMode};
use klamm_model::{ShardId, Slot};
use klamm_store::{Carrier, Key, SegmentId, Segments, ShardStore, Snapshots};

use crate::{
    Fatal, FileStore, OpenError, Options,
    catalog::{Catalog, JournalFile},
    error::is_full,
    format::{
        FormatError,
        file_header::{self, FILE_HEADER_BYTES, FileHeader},
        head::{self, Heads},
        name::{file_name, segment_id},
        trailer::{self, TRAILER_BYTES, Trailer},
    },
    keeper::create_spare,
    keys::Keys,
    open_merged::open_merged,
    scan::{Scan, ScanError, entry_bytes, is_takeover, scan},
    store::Parts,
    writer::Writer,
};

/// Files that are looked at together.
pub(crate) const FILES_AT_ONCE: usize = 16;
/// The smallest first file, on a full disk.
const FIRST_FILE_BYTES_MIN: u64 = 512 << 10;

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

struct Candidate {
    first: Slot,
    path: PathBuf,
    /// Kept open only if it is not sealed: there may be thousands of files.
    handle: Option<Arc<dyn File>>,
    size: u64,
    /// From here on there are only zeros.
    data_end: u64,
    trailer: Option<Trailer>,
    /// It seems to have a trailer, but that is not valid.
    bad_trailer: bool,
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

/// The journal's files and the merged segments.
async fn segment_ids(
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
async fn candidates(
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
fn check_slots(files: &[Candidate], head: Option<Slot>, journal: &Path) -> Result<(), OpenError> {
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

/// Goes on with the last file.
async fn resume(
    disk: &Arc<dyn Disk>,
    file: &Candidate,
    handle: Arc<dyn File>,
    scan: &Scan,
    options: &Options,
) -> Result<Writer, OpenError> {
    let mut allocated = file.size;
    if scan.torn_end > scan.end {
        handle.truncate(scan.end).await.map_err(OpenError::io("cut the torn end of", &file.path))?;
        allocated = scan.end;
    }
    if allocated < options.file_bytes {
        match handle.allocate(options.file_bytes).await {
            Ok(()) => allocated = options.file_bytes,
            Err(error) if is_full(&error) => {}
            Err(error) => return Err(OpenError::io("allocate", &file.path)(error)),
        }
    }
    let appender = disk
        .open(&file.path, OpenMode::Append)
        .await
        .map_err(OpenError::io("open for appending", &file.path))?;
    Ok(writer(file.first, (handle, appender), scan.end, allocated))
}

/// Makes the first file, or the one after the last sealed one.
async fn begin(
    disk: &Arc<dyn Disk>,
    journal: &Path,
    shard: ShardId,
    first: Slot,
    options: &Options,
    catalog: &mut Catalog,
) -> Result<Writer, OpenError> {
    let mut spare = create_spare(disk, journal, options.file_bytes).await;
    if spare.as_ref().is_err_and(is_full) && options.file_bytes > FIRST_FILE_BYTES_MIN {
        spare = create_spare(disk, journal, FIRST_FILE_BYTES_MIN).await;
    }
    let spare = spare.map_err(OpenError::io("make the first file in", journal))?;
    let header = FileHeader { shard, first }.encode();
    let end = FILE_HEADER_BYTES as u64;
    let handle = Some(Arc::clone(&spare.file));
    catalog
        .insert(first, JournalFile { slots_end: None, end: 0, handle, sealed: None, keys: Keys::default() });
    let mut writer = writer(first, (spare.file, spare.appender), end, spare.bytes);
    let rename = Some((spare.path, journal.join(format!("{:020}.log", first.0))));
    writer.stage(0, vec![Bytes::copy_from_slice(&header)], None, rename);
    Ok(writer)
}

fn writer(first: Slot, (file, appender): (Arc<dyn File>, Arc<dyn File>), end: u64, allocated: u64) -> Writer {
    Writer {
        first,
        file,
        appender,
        end,
        allocated,
        torn: false,
        spare: None,
        queue: Default::default(),
        refused: None,
        written: 0,
        synced: 0,
        staged: Default::default(),
        waiters: Default::default(),
        dead: None,
    }
}
