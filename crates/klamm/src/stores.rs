//! The concrete backends, named here alone.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use klamm_env::Env;
use klamm_model::{ShardId, StorageClass};
use klamm_store::{ShardStore, memory::MemoryStore};
use klamm_store_file::{DataFolder, Fatal, FileStore, FolderError, OpenError, Options};
use tokio::sync::watch;

/// Opens what shards are kept in, all under one folder that this process owns.
pub(crate) struct Stores {
    env: Env,
    folder: DataFolder,
    file_bytes: u64,
    opened: Mutex<Vec<Arc<FileStore>>>,
    /// Why nothing may be believed any more; None while all is well.
    failure: watch::Sender<Option<String>>,
}

impl Stores {
    /// Takes the data folder.
    pub(crate) async fn open(env: &Env, data: &Path, file_bytes: u64) -> Result<Self, FolderError> {
        let folder = DataFolder::open(&env.disk, data).await?;
        let (opened, failure) = (Mutex::default(), watch::Sender::new(None));
        Ok(Self { env: env.clone(), folder, file_bytes, opened, failure })
    }

    /// Tells why nothing may be believed any more.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    /// The store of a shard.
    pub(crate) async fn shard(&self, shard: ShardId, class: StorageClass) -> Result<ShardStore, OpenError> {
        if class == StorageClass::Memory {
            return Ok(MemoryStore::open(shard));
        }
        let failure = self.failure.clone();
        let fatal: Fatal = Arc::new(move |why: String| {
            failure.send_if_modified(|failure| {
                let first = failure.is_none();
                failure.get_or_insert(why.clone());
                first
            });
        });
        let options = Options { file_bytes: self.file_bytes, ..Options::default() };
        let folder = self.folder.shard(shard);
        let opened = FileStore::open(Arc::clone(&self.env.disk), &folder, shard, options, fatal).await?;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(opened.files);
        Ok(opened.store)
    }

    /// Ends the stores' own tasks; call it once the shards have stopped.
    pub(crate) async fn close(&self) {
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for files in opened {
            files.close().await;
        }
    }
}
