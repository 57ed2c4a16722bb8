//! The operating system's disk. Calls that may wait for the device run on tokio's blocking threads.

use std::{
    fs, io,
    io::{IoSlice, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{Advice, FallocateFlags, FlockOperation, OFlags};

use crate::{Blocks, Disk, File, FolderLock, OpenMode, Space, folders::Folders};

/// Files and folders of the operating system.
#[derive(Debug, Default)]
pub struct OsDisk {
    folders: Folders,
}

/// The kernel's limit on slices in one call.
const SLICES_MAX: usize = 1024;

/// Opens for writes past the page cache, or through it where the file system has no other way.
fn open_direct(path: &Path) -> io::Result<fs::File> {
    let open = |flags: OFlags| {
        fs::OpenOptions::new().write(true).custom_flags(flags.bits().cast_signed()).open(path)
    };
    match open(OFlags::DIRECT) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => open(OFlags::empty()),
        opened => opened,
    }
}

/// Writes whole blocks. Where they are too small for the file system, the file goes through the page cache from now on.
fn write_blocks(file: &fs::File, position: u64, bytes: &[u8]) -> io::Result<()> {
    match file.write_all_at(bytes, position) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let flags = rustix::fs::fcntl_getfl(file)?;
            if !flags.contains(OFlags::DIRECT) {
                return Err(error);
            }
            rustix::fs::fcntl_setfl(file, flags - OFlags::DIRECT)?;
            file.write_all_at(bytes, position)
        }
        done => done,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Where the last data ends, by the file system's own map of holes (reserved space that was never written is one).
fn data_end(file: &fs::File) -> io::Result<u64> {
    use rustix::{fs::SeekFrom, io::Errno};
    let mut end = 0;
    loop {
        let data = match rustix::fs::seek(file, SeekFrom::Data(end)) {
            Ok(data) => data,
            Err(Errno::NXIO) => return Ok(end),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(file.metadata()?.len()),
            Err(error) => return Err(error.into()),
        };
        end = rustix::fs::seek(file, SeekFrom::Hole(data))?;
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn create_folder(folders: &Folders, path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if !parent(path).is_dir() {
        create_folder(folders, parent(path))?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => folders.sync(parent(path)),
    }
}

fn replace(folders: &Folders, path: &Path, bytes: &[u8]) -> io::Result<()> {
    folders.open(parent(path))?;
    let temp = path.with_extension("tmp");
    let mut file = fs::File::create(&temp)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temp, path)?;
    folders.sync(parent(path))
}

#[async_trait]
impl Disk for OsDisk {
    async fn create_folder(&self, path: &Path) -> io::Result<()> {
        let (folders, path) = (self.folders.clone(), path.to_owned());
        blocking(move || create_folder(&folders, &path)).await
    }

    async fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let folder = folder.to_owned();
        blocking(move || {
            let mut names = Vec::new();
            for item in fs::read_dir(folder)? {
                names.push(item?.file_name().to_string_lossy().into_owned());
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
    }

    async fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = path.to_owned();
        blocking(move || fs::read(path)).await
    }

    async fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (folders, path, bytes) = (self.folders.clone(), path.to_owned(), bytes.to_vec());
        blocking(move || replace(&folders, &path, &bytes)).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (folders, from, to) = (self.folders.clone(), from.to_owned(), to.to_owned());
        blocking(move || {
            folders.open(parent(&to))?;
            fs::rename(&from, &to)?;
            folders.sync(parent(&to))
        })
        .await
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        let (folders, path) = (self.folders.clone(), path.to_owned());
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => folders.sync(parent(&path)),
        })
        .await
    }

    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let (folders, path): (Folders, PathBuf) = (self.folders.clone(), path.to_owned());
        blocking(move || {
            if mode == OpenMode::Create {
                // Before there is a file: where no handle is left for the folder, none is made.
                folders.open(parent(&path))?;
            }
            if mode == OpenMode::Append {
                return Ok(Arc::new(OsFile(Arc::new(open_direct(&path)?))) as Arc<dyn File>);
            }
            let file = fs::OpenOptions::new()
                .read(true)
                .write(mode != OpenMode::Read)
                .create_new(mode == OpenMode::Create)
                .open(&path)?;
            match mode {
                OpenMode::Create => folders.sync(parent(&path))?,
                // What is written was just written; reading ahead over reserved space would only fill the page cache
                // with zeros, which then look like data (see `data_end`).
                OpenMode::Write => rustix::fs::fadvise(&file, 0, None, Advice::Random)?,
                OpenMode::Read | OpenMode::Append => {}
            }
            Ok(Arc::new(OsFile(Arc::new(file))) as Arc<dyn File>)
        })
        .await
    }

    async fn lock(&self, folder: &Path) -> io::Result<Box<dyn FolderLock>> {
        let path = folder.join("lock");
        blocking(move || {
            let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            Ok(Box::new(OsLock { _file: file }) as Box<dyn FolderLock>)
        })
        .await
    }

    async fn space(&self, folder: &Path) -> io::Result<Space> {
        let folder = folder.to_owned();
        blocking(move || {
            let told = rustix::fs::statvfs(&folder)?;
            let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
            Ok(Space { total: bytes(told.f_blocks), usable: bytes(told.f_bavail) })
        })
        .await
    }
}

impl OsDisk {
    /// Removes a folder with everything in it; one that is not there is fine. For temporary folders of tools: no part
    /// of [`Disk`], since a broker removes files one by one.
    pub async fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let path = path.to_owned();
        blocking(move || match fs::remove_dir_all(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        })
        .await
    }
}

struct OsLock {
    _file: fs::File,
}

impl FolderLock for OsLock {}

struct OsFile(Arc<fs::File>);

#[async_trait]
impl File for OsFile {
    fn write_at(&self, mut position: u64, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut rest = slices;
        while rest.iter().any(|slice| !slice.is_empty()) {
            let take = rest.len().min(SLICES_MAX);
            match rustix::io::pwritev(&*self.0, &rest[..take], position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    position += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn append(&self, mut blocks: Blocks, pieces: Vec<Bytes>, durable: bool) -> io::Result<Blocks> {
        let file = Arc::clone(&self.0);
        blocking(move || {
            blocks.append(&pieces, |position, bytes| write_blocks(&file, position, bytes))?;
            if durable {
                file.sync_data()?;
            }
            Ok(blocks)
        })
        .await
    }

    async fn read_at(&self, position: u64, bytes: usize) -> io::Result<Bytes> {
        let file = Arc::clone(&self.0);
        blocking(move || {
            let mut buffer = Vec::with_capacity(bytes); // not zeroed: the kernel fills it
            while buffer.len() < bytes {
                let rest = position + buffer.len() as u64;
                match rustix::io::pread(&*file, rustix::buffer::spare_capacity(&mut buffer), rest) {
                    Ok(0) => break,
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            buffer.truncate(bytes); // there may have been more room
            Ok(Bytes::from(buffer))
        })
        .await
    }

    async fn sync_data(&self) -> io::Result<()> {
        let file = Arc::clone(&self.0);
        blocking(move || file.sync_data()).await
    }

    async fn size(&self) -> io::Result<u64> {
        let file = Arc::clone(&self.0);
        blocking(move || Ok(file.metadata()?.len())).await
    }

    async fn data_end(&self) -> io::Result<u64> {
        let file = Arc::clone(&self.0);
        blocking(move || data_end(&file)).await
    }

    async fn allocate(&self, bytes: u64) -> io::Result<()> {
        let file = Arc::clone(&self.0);
        blocking(move || {
            match rustix::fs::fallocate(&*file, FallocateFlags::empty(), 0, bytes) {
                Err(rustix::io::Errno::OPNOTSUPP) if file.metadata()?.len() < bytes => file.set_len(bytes)?,
                Err(rustix::io::Errno::OPNOTSUPP) => {}
                other => other?,
            }
            file.sync_all()
        })
        .await
    }

    async fn truncate(&self, bytes: u64) -> io::Result<()> {
        let file = Arc::clone(&self.0);
        blocking(move || {
            file.set_len(bytes)?;
            file.sync_all()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn beyond_the_data_there_are_zeros() {
        let folder = klamm_testing::TempDir::new();
        let file = OsDisk::default().open(&folder.file("file"), OpenMode::Create).await.unwrap();
        file.allocate(8 << 20).await.unwrap();
        file.write_at(0, &mut [IoSlice::new(&[7; 5000])]).unwrap();
        let end = file.data_end().await.unwrap();
        assert!((5000..=8 << 20).contains(&end), "{end}");
        let rest = file.read_at(end, 8 << 20).await.unwrap();
        assert!(rest.iter().all(|byte| *byte == 0) && rest.len() as u64 == (8 << 20) - end);
    }
}
