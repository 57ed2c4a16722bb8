//! The object carrier over stores of its library.
#![allow(clippy::disallowed_methods, reason = "tests look into their folders and start processes")]

mod ahead;
mod contract;
mod local;
mod processes;

use std::{path::Path, sync::Arc};

use klamm_store_object::ObjectDriver;
use object_store::local::LocalFileSystem;

/// A client of its own for a folder.
pub(crate) fn client(folder: &Path) -> Arc<ObjectDriver> {
    let store = LocalFileSystem::new_with_prefix(folder).unwrap();
    Arc::new(ObjectDriver::new(Arc::new(store), "cluster/shard-7".into()))
}
