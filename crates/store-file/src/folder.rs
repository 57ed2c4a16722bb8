//! A broker's data folder: `DATA/format`, `DATA/lock`, `DATA/shard-NNNN/{head,journal/,snapshots/}`. Invariant: while
//! a [`DataFolder`] lives no other process has the folder.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use klamm_env::{Disk, FolderLock};
use klamm_model::ShardId;

use crate::FolderError;

/// The format of data folders that this release writes, and the newest that it reads. 2: there may be merged segments,
/// which a release of format 1 would not see. A folder of an older format is raised when it is opened.
const FORMAT: u32 = 2;
const FORMAT_PREFIX: &str = "klamm data format ";

/// A data folder that this process has for itself.
pub struct DataFolder {
    path: PathBuf,
    _lock: Box<dyn FolderLock>,
}

impl DataFolder {
    /// Makes the folder if need be, takes its lock and checks its format.
    pub async fn open(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, FolderError> {
        let failed = |what: &'static str| {
            let path = path.to_owned();
            move |error| FolderError::Io { what, path, error }
        };
        disk.create_folder(path).await.map_err(failed("create the data folder"))?;
        let lock = disk.lock(path).await.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => FolderError::InUse { path: path.to_owned() },
            _ => failed("lock the data folder")(error),
        })?;
        let names = disk.list(path).await.map_err(failed("list the data folder"))?;
        let format = path.join("format");
        if names.iter().any(|name| name == "format") {
            let bytes = disk.read(&format).await.map_err(failed("read the format of"))?;
            match decode_format(&bytes) {
                Ok(FORMAT) => {}
                Ok(1..FORMAT) => write_format(disk, &format).await.map_err(failed("raise the format of"))?,
                Ok(found) => return Err(FolderError::Newer { path: path.to_owned(), found, known: FORMAT }),
                Err(what) => return Err(FolderError::Format { path: format, what }),
            }
        } else if names.iter().any(|name| name.starts_with("shard-")) {
            let what = "the file is missing, yet there are shards; restore it from a backup".to_owned();
            return Err(FolderError::Format { path: format, what });
        } else {
            write_format(disk, &format).await.map_err(failed("write the format into"))?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a shard, for [`crate::FileStore::open`].
    pub fn shard(&self, shard: ShardId) -> PathBuf {
        self.path.join(format!("shard-{:04}", shard.0))
    }
}

async fn write_format(disk: &Arc<dyn Disk>, path: &Path) -> io::Result<()> {
    disk.replace(path, encode_format(FORMAT).as_bytes()).await
}

fn encode_format(version: u32) -> String {
    format!("{FORMAT_PREFIX}{version}\n")
}

fn decode_format(bytes: &[u8]) -> Result<u32, String> {
    let text = String::from_utf8_lossy(bytes);
    let version = text.strip_prefix(FORMAT_PREFIX).and_then(|rest| rest.trim_end().parse().ok());
    version.filter(|version| *version > 0).ok_or_else(|| {
        let start: String = text.chars().take(40).collect();
        format!("it says {start:?}, not \"{FORMAT_PREFIX}N\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_round_trip() {
        assert_eq!(decode_format(encode_format(FORMAT).as_bytes()), Ok(FORMAT));
        assert_eq!(decode_format(b"klamm data format 12"), Ok(12));
        for bad in [&b""[..], b"klamm data format ", b"klamm data format 0", b"klamm data format x", b"\xff"]
        {
            assert!(decode_format(bad).is_err());
        }
    }
}
