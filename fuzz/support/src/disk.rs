//! A disk in memory, and its files as one row of bytes: for each a byte for the length of its name, the name, four bytes for the
//! size, four for the length of its content, the content. The rest of a file is zeros.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use klamm_env::{Disk, File, FolderLock, OpenMode};
use parking_lot::Mutex;

/// The largest file of an image; a size above it is cut.
const FILE_BYTES_MAX: usize = 64 << 10;
const FILES_MAX: usize = 16;

#[derive(Default)]
pub(crate) struct MemoryDisk(Mutex<BTreeMap<PathBuf, Arc<MemoryFile>>>);

#[derive(Default)]
struct MemoryFile(Mutex<Vec<u8>>);

struct Held;

impl FolderLock for Held {}

impl MemoryDisk {
    /// The files of an image, below `folder`.
    pub(crate) fn of_image(mut image: &[u8], folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        while let Some((name, size, content)) = next(&mut image) {
            let mut bytes = content.to_vec();
            bytes.resize(size.clamp(bytes.len(), FILE_BYTES_MAX.max(bytes.len())), 0);
            files.insert(folder.join(name.trim_start_matches('/')), Arc::new(MemoryFile(Mutex::new(bytes))));
            if files.len() == FILES_MAX {
                break;
            }
        }
        Self(Mutex::new(files))
    }

    /// Changes the bytes of each file, in the order of the names.
    pub(crate) fn each(&mut self, mut change: impl FnMut(&mut [u8])) {
        self.0.get_mut().values().for_each(|file| change(&mut file.0.lock()));
    }

    /// The files below `folder` as an image.
    pub(crate) fn image(&self, folder: &Path) -> Vec<u8> {
        let mut image = Vec::new();
        for (path, file) in self.0.lock().iter() {
            let name = path.strip_prefix(folder).expect("all is below").to_string_lossy().into_owned();
            let bytes = file.0.lock();
            let content = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            image.push(u8::try_from(name.len()).expect("names are short"));
            image.extend_from_slice(name.as_bytes());
            image.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            image.extend_from_slice(&(content as u32).to_be_bytes());
            image.extend_from_slice(&bytes[..content]);
        }
        image
    }

    fn file(&self, path: &Path) -> io::Result<Arc<MemoryFile>> {
        self.0.lock().get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn next<'a>(image: &mut &'a [u8]) -> Option<(String, usize, &'a [u8])> {
    let (length, rest) = image.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (size, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = (u32::from_be_bytes(*length) as usize).min(rest.len());
    let (content, rest) = rest.split_at(length);
    *image = rest;
    Some((String::from_utf8_lossy(name).into_owned(), u32::from_be_bytes(*size) as usize, content))
}

#[async_trait]
impl Disk for MemoryDisk {
    async fn create_folder(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    async fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let files = self.0.lock();
        let names =
            files.keys().filter(|path| path.parent() == Some(folder)).filter_map(|path| path.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    async fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.file(path)?.0.lock().clone())
    }

    async fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().insert(path.to_owned(), Arc::new(MemoryFile(Mutex::new(bytes.to_vec()))));
        Ok(())
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.0.lock();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().remove(path);
        Ok(())
    }

    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if mode != OpenMode::Create {
            return Ok(self.file(path)?);
        }
        let mut files = self.0.lock();
        if files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(Arc::clone(files.entry(path.to_owned()).or_default()) as Arc<dyn File>)
    }

    async fn lock(&self, _folder: &Path) -> io::Result<Box<dyn FolderLock>> {
        Ok(Box::new(Held))
    }
}

#[async_trait]
impl File for MemoryFile {
    fn write_at(&self, position: u64, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut bytes = self.0.lock();
        let mut at = position as usize;
        for slice in slices.iter() {
            let end = at + slice.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[at..end].copy_from_slice(slice);
            at = end;
        }
        Ok(())
    }

    async fn read_at(&self, position: u64, bytes: usize) -> io::Result<Bytes> {
        let held = self.0.lock();
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(held.len());
        let end = start.saturating_add(bytes).min(held.len());
        Ok(Bytes::copy_from_slice(&held[start..end]))
    }

    async fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    async fn size(&self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }

    async fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut held = self.0.lock();
        if (held.len() as u64) < bytes {
            held.resize(bytes as usize, 0);
        }
        Ok(())
    }

    async fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.lock().truncate(bytes as usize);
        Ok(())
    }
}
