//! The file that entries go on in: the last one, or a new one.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use klamm_env::{Disk, File, OpenMode};
use klamm_model::{ShardId, Slot};

use super::candidates::Candidate;
use crate::{
    OpenError, Options,
    catalog::{Catalog, JournalFile},
    error::is_full,
    format::file_header::{FILE_HEADER_BYTES, FileHeader},
    keeper::create_spare,
    keys::Keys,
    scan::Scan,
    writer::Writer,
};

/// The smallest first file, on a full disk.
const FIRST_FILE_BYTES_MIN: u64 = 512 << 10;

/// Goes on with the last file.
pub(super) async fn resume(
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
pub(super) async fn begin(
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
