//! A simulated disk. Files have durable bytes and writes that no sync has covered; a power cut decides about each such
//! write by itself: lost, kept, or torn between sectors of 512 bytes. So later writes may survive earlier ones.
//!
//! As on [`klamm_env::OsDisk`], `truncate` and `allocate` make durable what was written before them, too. Creating,
//! replacing, renaming and removing are durable when they return; while one is under way a crash may do it or not. A
//! killed process loses nothing that was written, but nothing of it is durable yet.
//!
//! Code map: `content` is one file's bytes, `state` the whole disk and its faults, this file the [`Disk`] that a
//! broker is given: one mount lives from a start of the broker to its end, and what outlives that reaches nothing.

mod content;
mod state;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use klamm_env::{Disk, File, FolderLock, OpenMode};
use parking_lot::Mutex;

pub use self::state::{AT_A_FILE, CHECKPOINTS, Crash, Damage, MERGED, Op, SEALED, Trap};
use self::{
    content::Content,
    state::{DEVICE_FAILED, State},
};
use crate::{Dice, Log};

/// The machine's disk, which outlives brokers.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// An empty disk; the log knows it by its name.
    pub fn new(name: &str, dice: Dice, log: Log) -> Self {
        Self(Arc::new(Mutex::new(State::new(name, dice, log))))
    }

    /// Its broker, as log lines name it: errors of that one are expected while the disk is hurt.
    pub fn of(self, host: &str) -> Self {
        self.0.lock().host = host.to_owned();
        self
    }

    /// The disk as the next broker sees it; an earlier mount is dead.
    pub fn mount(&self) -> Arc<dyn Disk> {
        let mut state = self.0.lock();
        state.unmount();
        Arc::new(Mount { disk: self.clone(), generation: state.generation })
    }

    /// Ends the mount as the crash does; tells what became of unsynced writes.
    pub fn crash(&self, crash: Crash) -> Damage {
        let mut state = self.0.lock();
        state.unmount();
        state.crash(crash)
    }

    /// Lays a trap: the disk stands still at that operation, and [`SimDisk::is_frozen`] says so.
    pub fn lay(&self, trap: Option<Trap>) {
        self.0.lock().trap = trap;
    }

    /// Lets the disk be full, or frees space.
    pub fn fill(&self, full: bool) {
        let mut state = self.0.lock();
        state.full = full;
        state.begin_spell(full);
    }

    /// Leaves only so many bytes of space, beside what files have; or any number again. What is removed is free again.
    pub fn leave(&self, bytes: Option<u64>) {
        let mut state = self.0.lock();
        state.bytes_max = bytes.map(|bytes| state.bytes() + bytes);
        state.begin_spell(bytes.is_some());
    }

    /// Lets the sync after so many fail.
    pub fn fail_sync(&self, after: u64) {
        self.0.lock().sync_fails_after = Some(after);
    }

    /// Flips a bit of a file, for good.
    pub fn flip(&self, path: &Path, position: usize, bit: u32) {
        let mut state = self.0.lock();
        state.rotten = true;
        state.hurt(true);
        state.files[path].lock().flip(position, bit);
    }

    /// Shows all files, as a reader sees them.
    pub fn each_file(&self, mut see: impl FnMut(&Path, &[u8])) {
        let state = self.0.lock();
        state.files.iter().for_each(|(path, content)| see(path, content.lock().bytes()));
    }

    /// Whether a fault that was put in since the last start is why the broker ends, in its words. Of a flipped bit it may
    /// say anything.
    pub fn excuses(&self, why: &str) -> bool {
        let state = self.0.lock();
        let full = io::ErrorKind::StorageFull.to_string();
        state.rotten || state.is_hurt && (why.contains(&full) || why.contains(DEVICE_FAILED))
    }

    /// Whether it has no space, or little, and the mount was told so.
    pub fn lacks_space(&self) -> bool {
        self.0.lock().lacks_space
    }

    /// Whether a trap was sprung: the machine must crash now.
    pub fn is_frozen(&self) -> bool {
        self.0.lock().frozen
    }
}

/// The disk between a start of the broker and its end.
struct Mount {
    disk: SimDisk,
    generation: u64,
}

impl Mount {
    /// Begins an operation: it takes its time; a dead mount refuses; a trap may be sprung.
    async fn begin(&self, op: Op, path: &Path) -> io::Result<()> {
        begin(&self.disk, self.generation, op, path).await
    }

    /// Ends an operation that had its effect.
    async fn end(&self) {
        end(&self.disk).await;
    }
}

async fn begin(disk: &SimDisk, generation: u64, op: Op, path: &Path) -> io::Result<()> {
    let (pause, dies) = disk.0.lock().begin(generation, op, path)?;
    if pause > 0 {
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    // What sprung the trap may have its effect still; nothing else has.
    if !dies && disk.0.lock().frozen {
        std::future::pending::<()>().await;
    }
    Ok(())
}

async fn end(disk: &SimDisk) {
    let pause = disk.0.lock().end();
    if pause > 0 {
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    if disk.0.lock().frozen {
        std::future::pending::<()>().await;
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

#[async_trait]
impl Disk for Mount {
    async fn create_folder(&self, path: &Path) -> io::Result<()> {
        if self.disk.0.lock().folders.contains(path) {
            return Ok(());
        }
        self.begin(Op::Folder, path).await?;
        self.disk.0.lock().folders.extend(path.ancestors().map(Path::to_owned));
        self.end().await;
        Ok(())
    }

    async fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.begin(Op::List, folder).await?;
        self.disk.0.lock().list(folder).ok_or_else(not_found)
    }

    async fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.begin(Op::Read, path).await?;
        let state = self.disk.0.lock();
        let content = state.files.get(path).ok_or_else(not_found)?;
        Ok(content.lock().bytes().to_vec())
    }

    async fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temp = path.with_extension("tmp");
        let content = Arc::new(Mutex::new(Content::default()));
        content.lock().write(0, bytes);
        {
            let mut state = self.disk.0.lock();
            state.check(self.generation, path)?;
            state.grow(bytes.len() as u64, path)?;
            state.unsynced_names.insert(temp.clone());
            state.files.insert(temp.clone(), Arc::clone(&content));
        }
        self.begin(Op::Replace, path).await?;
        {
            let mut state = self.disk.0.lock();
            content.lock().sync(u64::MAX);
            state.files.remove(&temp);
            state.files.insert(path.to_owned(), content);
            state.sync_folder_of(path);
            state.log.count(CHECKPOINTS, u64::from(path.ends_with("head")));
        }
        self.end().await;
        Ok(())
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin(Op::Rename, to).await?;
        {
            let mut state = self.disk.0.lock();
            let content = state.files.remove(from).ok_or_else(not_found)?;
            state.files.insert(to.to_owned(), content);
            state.sync_folder_of(to);
            state.log.count(MERGED, u64::from(to.extension().is_some_and(|is| is == "seg")));
        }
        self.end().await;
        Ok(())
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        self.begin(Op::Remove, path).await?;
        {
            let mut state = self.disk.0.lock();
            state.files.remove(path);
            state.sync_folder_of(path);
        }
        self.end().await;
        Ok(())
    }

    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let content = if mode == OpenMode::Create {
            let content = Arc::new(Mutex::new(Content::default()));
            {
                let mut state = self.disk.0.lock();
                state.check(self.generation, path)?;
                if state.files.contains_key(path) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                if !path.parent().is_some_and(|folder| state.folders.contains(folder)) {
                    return Err(not_found());
                }
                state.unsynced_names.insert(path.to_owned());
                state.files.insert(path.to_owned(), Arc::clone(&content));
            }
            self.begin(Op::Create, path).await?;
            self.disk.0.lock().sync_folder_of(path);
            self.end().await;
            content
        } else {
            self.begin(Op::Open, path).await?;
            Arc::clone(self.disk.0.lock().files.get(path).ok_or_else(not_found)?)
        };
        let (disk, generation) = (self.disk.clone(), self.generation);
        Ok(Arc::new(Handle { disk, generation, path: path.to_owned(), content }))
    }

    async fn lock(&self, folder: &Path) -> io::Result<Box<dyn FolderLock>> {
        let mut state = self.disk.0.lock();
        state.check(self.generation, folder)?;
        if !state.locks.insert(folder.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (disk, generation) = (self.disk.clone(), self.generation);
        Ok(Box::new(Held { disk, generation, folder: folder.to_owned() }))
    }
}

/// A folder's lock; a later mount does not know it any more.
struct Held {
    disk: SimDisk,
    generation: u64,
    folder: PathBuf,
}

impl FolderLock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.disk.0.lock();
        if state.generation == self.generation {
            state.locks.remove(&self.folder);
        }
    }
}

/// An open file; it stays the same file whatever its name becomes.
struct Handle {
    disk: SimDisk,
    generation: u64,
    path: PathBuf,
    content: Arc<Mutex<Content>>,
}

#[async_trait]
impl File for Handle {
    fn write_at(&self, position: u64, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let bytes = slices.iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
        let mut state = self.disk.0.lock();
        state.check(self.generation, &self.path)?;
        let longer = (position + bytes.len() as u64).saturating_sub(self.content.lock().bytes().len() as u64);
        state.grow(longer, &self.path)?;
        state.wrote(&self.path, position, &bytes);
        self.content.lock().write(position, &bytes);
        Ok(())
    }

    async fn read_at(&self, position: u64, bytes: usize) -> io::Result<Bytes> {
        begin(&self.disk, self.generation, Op::Read, &self.path).await?;
        let content = self.content.lock();
        let all = content.bytes();
        let from = usize::try_from(position).map_or(all.len(), |position| position.min(all.len()));
        Ok(Bytes::copy_from_slice(&all[from..all.len().min(from.saturating_add(bytes))]))
    }

    async fn sync_data(&self) -> io::Result<()> {
        let before = self.content.lock().written();
        begin(&self.disk, self.generation, Op::Sync, &self.path).await?;
        self.content.lock().sync(before);
        end(&self.disk).await;
        Ok(())
    }

    async fn size(&self) -> io::Result<u64> {
        self.disk.0.lock().check(self.generation, &self.path)?;
        Ok(self.content.lock().bytes().len() as u64)
    }

    async fn allocate(&self, bytes: u64) -> io::Result<()> {
        begin(&self.disk, self.generation, Op::Allocate, &self.path).await?;
        {
            let mut state = self.disk.0.lock();
            let before = self.content.lock().bytes().len();
            let longer = before.max(usize::try_from(bytes).expect("files fit in memory"));
            state.grow((longer - before) as u64, &self.path)?;
            self.content.lock().resize(longer);
        }
        end(&self.disk).await;
        Ok(())
    }

    async fn truncate(&self, bytes: u64) -> io::Result<()> {
        begin(&self.disk, self.generation, Op::Truncate, &self.path).await?;
        self.content.lock().resize(usize::try_from(bytes).expect("files fit in memory"));
        end(&self.disk).await;
        Ok(())
    }
}
