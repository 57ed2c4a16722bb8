//! What the tests share.

use std::{path::Path, sync::Arc};

use klamm_store_object::ObjectDriver;
use object_store::local::LocalFileSystem;

/// A client of its own for a folder.
pub(crate) fn client(folder: &Path) -> Arc<ObjectDriver> {
    let store = LocalFileSystem::new_with_prefix(folder).unwrap();
    Arc::new(ObjectDriver::new(Arc::new(store), "cluster/shard-7".into()))
}
