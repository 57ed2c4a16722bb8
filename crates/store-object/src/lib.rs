//! The object carrier: a journal as numbered objects, each put on condition that its name is free.
//!
//! ```text
//! <prefix>/entry/<key-epoch, 8 hex digits>/<slot, 16 hex digits>      one object for each journal entry
//! <prefix>/head/<slot, 16 hex digits>                                 head markers, the highest counts
//! ```
//! Contract: a prefix holds one shard. The store must have conditional create (`PutMode::Create`), strong reads and
//! strong listings after a put, and answer a put only when it is durable, as S3, GCS and Azure do. Any number of
//! processes may use one prefix; what they do to each other is settled by the rules of `docs/adr/0002` alone.
//!
//! Every call has a deadline. A put that passes it is [`Unknown`](klamm_store::PutError::Unknown): it may still land, and
//! [`Carrier`] reads back, then puts the same bytes again, until a minute is over for the append as a whole (and the time that
//! its bytes need): then the append is [`Unknown`](klamm_store::AppendError::Unknown), and the owner drops its state. What the
//! store refuses is not asked again. Written and durable coincide.
//!
//! **`LocalFileSystem` is for tests of this contract, not a durable class.** What it promises (object_store 0.14.2):
//! - Create is atomic, between processes too: the bytes go to a staged file `<name>#<n>`, which is linked to its name;
//!   linking fails if the name is taken. A process that ends in the middle leaves a staged file, which no listing and
//!   no get shows, and which nobody removes.
//! - Nothing is synced by default: an answered put is lost with the machine's power. `with_fsync(true)` syncs the file before
//!   the link, and its folder after it. That is still too little here: a put that was linked, and whose folder is not yet
//!   synced, already makes a repeated put find its own bytes and take them for durable; a failed sync is an
//!   answer like any other, and what is read afterwards comes from the page cache. Deletes are never synced, which is harmless
//!   (a later trim deletes again). Use the `disk` class on local disks.

mod driver;
mod names;

use std::sync::Arc;

use klamm_model::ShardId;
use klamm_store::Carrier;
use object_store::{ObjectStore, path::Path};

pub use driver::{DEADLINE, ObjectDriver};

/// The journal of a shard under a prefix that holds nothing else.
pub fn journal(store: Arc<dyn ObjectStore>, prefix: Path, shard: ShardId) -> Carrier<ObjectDriver> {
    Carrier::new(Arc::new(ObjectDriver::new(store, prefix)), shard)
}
