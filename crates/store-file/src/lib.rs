//! The file carrier: one shard's folder on a disk. A journal file gets a footer index when it is complete and *is* a
//! segment from then on: data is written once. Only what is left of segments is written anew, when they are merged.
//!
//! Code map: [`DataFolder`] is a broker's folder, its lock and its format; [`FileStore`] is a shard's. `format/` holds
//! what is persisted, a file each. `open` and `scan` find what is there; `writer` takes puts and stages them; `flush` writes
//! what is `staged` and makes it durable, many entries with one `fdatasync`; `keeper` allocates ahead; `catalog` and `keys`
//! are the disposable index; `driver`, `segments` and `snapshots` are the three traits of `klamm-store`; `merge` writes
//! what is left of segments into one; `read` fetches bytes.
//! Invariants: a file is named `<first slot>.log` only when its header is durable; an answer Ok is given only for what
//! `sync_data` returned for; an error of a sync or of a write ends the process, but for a full disk in a file that has
//! its header and its name. What is refused takes all that waits behind it along.
//! `docs/adr/0003` and `0008` say why.

mod catalog;
mod driver;
mod error;
mod flush;
mod folder;
mod format;
mod keeper;
mod keys;
mod merge;
mod open;
mod open_merged;
mod read;
mod scan;
mod segments;
mod shared;
mod snapshots;
mod staged;
mod store;
mod writer;

pub use error::{FolderError, OpenError};
pub use folder::DataFolder;
pub use open::{Gap, Opened, Report};
pub use store::{Fatal, FileStore, Options};
