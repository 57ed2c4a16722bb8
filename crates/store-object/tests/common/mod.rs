//! A folder that goes with its test.
#![allow(clippy::disallowed_methods, reason = "a test makes and removes its own folder")]
#![allow(dead_code, reason = "each test uses a part")]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use klamm_env::{Entropy, OsEntropy};
use klamm_store_object::ObjectDriver;
use object_store::local::LocalFileSystem;

/// An empty folder.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let entropy: &dyn Entropy = &OsEntropy;
        let path = std::env::temp_dir().join(format!("klamm-object-{:016x}", entropy.u64()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A client of its own for a folder.
pub(crate) fn client(folder: &Path) -> Arc<ObjectDriver> {
    let store = LocalFileSystem::new_with_prefix(folder).unwrap();
    Arc::new(ObjectDriver::new(Arc::new(store), "cluster/shard-7".into()))
}
