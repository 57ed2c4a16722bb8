//! Why a folder or a shard could not be opened. Each message names the file and says what to do.

use std::{io, path::PathBuf};

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error("the data folder {} is in use by another process; stop it, or choose another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Written by a later release.
    #[error(
        "the data folder {} has format {found}; this release reads formats up to {known}: use a newer release",
        path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this release knows.
        known: u32,
    },
    /// Not a data folder, or a broken one.
    #[error("{} is not a format file of Klamm: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The disk refuses.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The answer.
        error: io::Error,
    },
}

/// Why a shard's folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file of a later release.
    #[error("{}: {what} has version {found}; this release reads up to {known}: use a newer release", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        what: &'static str,
        /// Its version.
        found: u8,
        /// The newest version that this release knows.
        known: u8,
    },
    /// Bytes that are not what was written.
    #[error("{} is damaged at byte {position}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        position: u64,
        /// What was found.
        what: String,
    },
    /// The disk refuses.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The answer.
        error: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { what, path, error }
    }
}

/// Linux's numbers for "too many open files", in the system and in the process.
const FILES_EXHAUSTED: [i32; 2] = [23, 24];

/// Whether the disk is full: the one error of a write that is answered and not fatal.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the table of open files is full.
fn is_without_files(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| FILES_EXHAUSTED.contains(&number))
}

/// Whether there was no space, or no open file, to begin with something; it is answered and tried again.
pub(crate) fn is_scarce(error: &io::Error) -> bool {
    is_full(error) || is_without_files(error)
}

/// What the operator can do about [`is_scarce`].
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    if is_without_files(error) {
        "raise the limit of open files (ulimit -n), or lower max.connections"
    } else {
        "delete records or make space"
    }
}
