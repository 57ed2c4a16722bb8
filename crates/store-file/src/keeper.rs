//! Keeps space ahead of the writer: the next file, allocated before it is needed, and growth of the active one. One
//! task. When the disk is full it says so once, and tries again at most once a second, when somebody asks.

use std::{
    io,
    path::Path,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use klamm_env::{BLOCK_BYTES, Disk, OpenMode};

use crate::{
    error::{is_full, is_scarce, remedy},
    format::trailer::TRAILER_BYTES,
    shared::Shared,
    writer::{Need, Spare},
};

/// How long a full disk is left alone.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// Growth takes this part of a file's preallocation at a time.
const GROWTH_PARTS: u64 = 4;
/// How many names of spares may be taken by what an earlier run left.
const SPARES_MAX: u64 = 1000;

/// Runs until it is aborted.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut pause = pin!(tokio::time::sleep(Duration::ZERO));
    loop {
        loop {
            let (result, what) = match shared.serve() {
                Need::Nothing => break,
                Need::Space(bytes) => (grow(&shared, bytes).await, "cannot make the journal file longer"),
                Need::Spare => (refill(&shared).await, "cannot begin the next journal file"),
            };
            if let Err(error) = result {
                shared.judge(what, &error);
                shared.refuse_next(&format!("{what}: {error}"));
            }
        }
        let wanted = shared.writer.lock().spare.is_none();
        if wanted && !shared.full.load(Ordering::Relaxed) {
            if let Err(error) = refill(&shared).await {
                shared.judge("cannot allocate the next journal file", &error);
                restore_reserve(&shared).await;
                pause.set(tokio::time::sleep(FULL_PAUSE));
            }
            continue;
        }
        let asked = async {
            if !pause.is_elapsed() {
                pause.as_mut().await;
            }
            shared.asked.notified().await;
        };
        tokio::select! {
            biased;
            () = shared.work.notified() => {}
            () = asked, if shared.full.load(Ordering::Relaxed) => shared.full.store(false, Ordering::Relaxed),
        }
    }
}

/// Makes a file without a first slot.
pub(crate) async fn create_spare(disk: &Arc<dyn Disk>, journal: &Path, bytes: u64) -> io::Result<Spare> {
    let mut number = 0;
    let (path, file) = loop {
        let path = journal.join(format!("next-{number}.tmp"));
        match disk.open(&path, OpenMode::Create).await {
            Ok(file) => break (path, file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < SPARES_MAX => number += 1,
            Err(error) => return Err(error),
        }
    };
    let allocated = match file.allocate(bytes).await {
        Ok(()) => disk.open(&path, OpenMode::Append).await,
        Err(error) => Err(error),
    };
    match allocated {
        Ok(appender) => Ok(Spare { file, appender, path, bytes }),
        Err(error) => {
            drop(file);
            let _ = disk.remove(&path).await;
            Err(error)
        }
    }
}

/// Allocates the next file.
async fn refill(shared: &Shared) -> io::Result<()> {
    match create_spare(&shared.disk, &shared.journal(), shared.options.file_bytes).await {
        Ok(spare) => {
            if shared.said_full.swap(false, Ordering::Relaxed) {
                tracing::info!(shard = shared.shard.0, "the disk has space again");
            }
            shared.full.store(false, Ordering::Relaxed);
            let mut writer = shared.writer.lock();
            writer.spare = Some(spare);
            shared.publish(&writer);
            Ok(())
        }
        Err(error) => {
            shared.full.store(true, Ordering::Relaxed);
            if is_scarce(&error) && !shared.said_full.swap(true, Ordering::Relaxed) {
                shared.publish(&shared.writer.lock());
                tracing::warn!(
                    shard = shared.shard.0,
                    folder = %shared.folder.display(),
                    room = shared.room.load(Ordering::Relaxed),
                    "cannot make the next journal file: {error}; {}, it is tried again once a second",
                    remedy(&error)
                );
            }
            Err(error)
        }
    }
}

/// What frees space must find some: if there is any at all, the active file gets what is kept for that. There is no next
/// file now, so the active one stays it while it grows.
async fn restore_reserve(shared: &Shared) {
    let reserve = shared.reserve_bytes();
    let wanted = {
        let writer = shared.writer.lock();
        writer.dead.is_none() && writer.space_left() < reserve
    };
    if wanted && let Err(error) = grow(shared, reserve).await {
        shared.judge("cannot make the journal file longer", &error);
    }
}

/// Makes the active file long enough for an entry. On a full disk the spare is given up for it.
async fn grow(shared: &Shared, bytes: u64) -> io::Result<()> {
    let (file, end, torn) = {
        let writer = shared.writer.lock();
        (Arc::clone(&writer.file), writer.end, writer.torn)
    };
    if torn {
        file.truncate(end).await?;
        let mut writer = shared.writer.lock();
        (writer.torn, writer.allocated) = (false, end);
    }
    let need = (end + bytes + TRAILER_BYTES as u64).next_multiple_of(BLOCK_BYTES as u64);
    let mut allocated = need + shared.options.file_bytes / GROWTH_PARTS;
    let mut result = file.allocate(allocated).await;
    if result.as_ref().is_err_and(is_full) {
        let spare = shared.writer.lock().spare.take();
        if let Some(Spare { file, appender, path, .. }) = spare {
            shared.full.store(true, Ordering::Relaxed);
            drop((file, appender));
            shared.disk.remove(&path).await?;
        }
        allocated = need + shared.reserve_bytes();
        result = file.allocate(allocated).await;
    }
    if result.as_ref().is_err_and(is_full) {
        allocated = need;
        result = file.allocate(allocated).await;
    }
    result?;
    let mut writer = shared.writer.lock();
    if writer.torn {
        return Ok(()); // entries were taken back meanwhile: whoever needs space still says so again
    }
    assert!(writer.end >= end, "only entries that are taken back make it shorter");
    writer.allocated = writer.allocated.max(allocated);
    shared.publish(&writer);
    Ok(())
}
