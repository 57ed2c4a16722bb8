//! Folders that stay open, so that making a name durable takes no new handle: a rename must not be left half done because
//! other parts of the process have used up their open files.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// How many stay open: a shard has three, and there are some dozens at most.
const OPEN_MAX: usize = 256;

/// The open folders. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folders(Arc<Mutex<BTreeMap<PathBuf, Arc<fs::File>>>>);

impl Folders {
    /// Makes the names in a folder durable.
    pub(crate) fn sync(&self, folder: &Path) -> io::Result<()> {
        self.open(folder)?.sync_all()
    }

    /// Opens the folder if it is not open, so that a later [`Folders::sync`] of it needs no handle.
    pub(crate) fn open(&self, folder: &Path) -> io::Result<Arc<fs::File>> {
        let now = fs::metadata(folder)?;
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(folder) {
            let known_as = known.metadata()?;
            if (known_as.dev(), known_as.ino()) == (now.dev(), now.ino()) {
                return Ok(Arc::clone(known));
            }
        }
        let file = Arc::new(fs::File::open(folder)?);
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(folder.to_owned(), Arc::clone(&file));
        Ok(file)
    }
}
