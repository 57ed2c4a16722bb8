//! Files and folders. Contract: what `write_at` wrote survives the process and is lost with the machine's power;
//! what `sync_data` returned for is durable; after an error of a sync nothing that was written since the one before may be
//! believed, and the process ends (pages are marked clean by the kernel, a retry would lie). It goes on only if the disk is
//! full, which file systems that reserve nothing may find out as late as that: then what was written since is cut off, or
//! written anew, before the file is synced again.

use std::{
    io::{self, IoSlice},
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::Blocks;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; it must exist.
    Write,
    /// For reading and writing; it must not exist. The folder is synced when this returns.
    Create,
    /// For [`File::append`] alone, past the page cache where the file system can; it must exist.
    Append,
}

/// The size of the file system that a folder is in, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// In all.
    pub total: u64,
    /// What is free for this process.
    pub usable: u64,
}

/// Held while a process owns a folder; dropping it lets others in.
pub trait FolderLock: Send + Sync {}

/// A disk.
#[async_trait]
pub trait Disk: Send + Sync {
    /// Makes a folder and its parents, durably. An existing folder is fine.
    async fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// The sorted names in a folder; `NotFound` when there is no such folder.
    async fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// A whole small file.
    async fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Replaces a small file as one step: afterwards, also after a power cut, it has the old or the new bytes.
    /// Durable when it returns.
    async fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Gives a file another name in the same folder, replacing what has that name; open handles stay valid. Durable.
    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file, durably. A file that is not there is fine.
    async fn remove(&self, path: &Path) -> io::Result<()>;
    /// Opens a file.
    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Takes the folder for this process; `WouldBlock` when another process has it.
    async fn lock(&self, folder: &Path) -> io::Result<Box<dyn FolderLock>>;
    /// The space around a folder; `Unsupported` where there is no such thing.
    async fn space(&self, _folder: &Path) -> io::Result<Space> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// An open file.
#[async_trait]
pub trait File: Send + Sync {
    /// Writes all slices from `position` on, into the page cache.
    fn write_at(&self, position: u64, slices: &mut [IoSlice<'_>]) -> io::Result<()>;
    /// Appends the pieces to the file's end, which `blocks` is, and makes them durable if that is wanted. What was
    /// written while it is not durable is lost with the machine's power, but not with the process. Writes on a thread that
    /// may wait; after an error, or when it is dropped, `blocks` is gone and what is written is unknown.
    async fn append(&self, mut blocks: Blocks, pieces: Vec<Bytes>, durable: bool) -> io::Result<Blocks> {
        blocks.append(&pieces, |position, bytes| self.write_at(position, &mut [IoSlice::new(bytes)]))?;
        if durable {
            self.sync_data().await?;
        }
        Ok(blocks)
    }
    /// Reads up to `bytes` from `position` on; fewer only at the end of the file.
    async fn read_at(&self, position: u64, bytes: usize) -> io::Result<Bytes>;
    /// Makes everything written before the call durable.
    async fn sync_data(&self) -> io::Result<()>;
    /// The file's size in bytes.
    async fn size(&self) -> io::Result<u64>;
    /// A position from which on the file reads as zeros: the size, or less where the file system knows what was never
    /// written (it spares reading what was only reserved).
    async fn data_end(&self) -> io::Result<u64> {
        self.size().await
    }
    /// Reserves space up to `bytes` and makes it read as zeros; the file is at least that long afterwards. Durable.
    async fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// Cuts the file, durably.
    async fn truncate(&self, bytes: u64) -> io::Result<()>;
}
