//! Snapshot chunks: a file each. One is written at a time, which also bounds what the background takes of the disk.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use klamm_store::{SnapshotError, Snapshots};

use crate::{
    FileStore,
    error::is_scarce,
    format::chunk::{self, CHUNK_AT, chunk_name, file_name},
};

#[async_trait]
impl Snapshots for FileStore {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SnapshotError> {
        let path = self.chunk_path(name)?;
        let _turn = self.snapshot_turn.lock().await;
        self.shared.disk.replace(&path, &chunk::encode(&bytes)).await.map_err(|error| {
            let what = format!("cannot write {}: {error}", path.display());
            if !is_scarce(&error) {
                self.shared.die(what.clone());
            }
            failed(name, what)
        })
    }

    async fn get(&self, name: &str) -> Result<Bytes, SnapshotError> {
        let path = self.chunk_path(name)?;
        let file = self.shared.disk.read(&path).await;
        let damaged = |what| SnapshotError::Damaged { name: name.to_owned(), what };
        let file = Bytes::from(file.map_err(|error| {
            let what = format!("cannot read {}: {error}", path.display());
            match error.kind() {
                io::ErrorKind::NotFound => SnapshotError::Missing(name.to_owned()),
                _ if is_scarce(&error) => failed(name, what),
                // A disk that can't read a file won't read it later.
                _ => damaged(what),
            }
        })?);
        let bytes = chunk::decode(&file)
            .map_err(|error| damaged(error.text(&path.display().to_string(), chunk::VERSION)))?;
        Ok(file.slice(CHUNK_AT..CHUNK_AT + bytes))
    }

    async fn list(&self) -> Result<Vec<String>, SnapshotError> {
        let folder = self.shared.folder.join("snapshots");
        let names = self.shared.disk.list(&folder).await;
        let names =
            names.map_err(|error| failed("", format!("cannot list {}: {error}", folder.display())))?;
        Ok(names.iter().filter_map(|file| chunk_name(file)).collect())
    }

    async fn delete(&self, name: &str) -> Result<(), SnapshotError> {
        let path = self.chunk_path(name)?;
        let removed = self.shared.disk.remove(&path).await;
        removed.map_err(|error| failed(name, format!("cannot remove {}: {error}", path.display())))
    }
}

impl FileStore {
    fn chunk_path(&self, name: &str) -> Result<std::path::PathBuf, SnapshotError> {
        let file = file_name(name).ok_or_else(|| failed(name, "the name is empty or too long".to_owned()))?;
        Ok(self.shared.folder.join("snapshots").join(file))
    }
}

fn failed(name: &str, what: String) -> SnapshotError {
    SnapshotError::Io { name: name.to_owned(), what }
}
