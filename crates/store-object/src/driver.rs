//! The driver over any object store. Invariant: Ok only after the store's own Ok; `Exists` only when the store said so;
//! whatever else happens to a put is `Unknown`, unless the store can't have done it.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use klamm_model::Slot;
use klamm_store::{Driver, DriverError, Key, Listing, Name, PutError, Small, Value, Written, value_bytes};
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, path::Path,
};
use tokio::time::{error::Elapsed, sleep, timeout};

use crate::names;

/// How long a call may take, apart from the time that its bytes need.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How long an append may take in all, apart from the time that its bytes need. A store that is silent for so long is told to
/// the owner, who begins again with a scan.
const APPEND_MAX: Duration = Duration::from_secs(60);
/// The slowest transfer that is waited for: 4 MiB/s.
const BYTES_PER_MS_MIN: u64 = 4 << 10;
/// Entries are small and each takes a round trip: so many are got at a time.
const GETS_AHEAD: usize = 16;
/// How often a call that may be repeated is made before its failure counts: a scan makes thousands of them, and one that fails
/// is the end of it.
const TRIES: u32 = 5;
/// The pause before the second try; each further one is twice as long. A store that throttles wants fewer calls.
const PAUSE: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A shard's objects.
#[derive(Debug)]
pub struct ObjectDriver {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    deadline: Duration,
}

impl ObjectDriver {
    /// A driver for the objects under a prefix, with the usual deadline.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix, deadline: DEADLINE }
    }

    /// With another deadline for each call.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    async fn within<T>(&self, bytes: u64, call: impl Future<Output = T> + Send) -> Result<T, Elapsed> {
        timeout(self.deadline + transfer(bytes), call).await
    }

    /// The answer says how large the object is before its bytes come: those of a larger one are not asked for.
    async fn get_once(&self, name: Name, bytes_max: u64) -> Result<Small, Failure> {
        let path = names::path(&self.prefix, name);
        let object = match self.within(0, self.store.get(&path)).await.map_err(late("get"))? {
            Ok(object) => object,
            Err(Error::NotFound { .. }) => return Ok(Small::Value(None)),
            Err(error) => return Err(failed("get")(error)),
        };
        let bytes = object.meta.size;
        if bytes > bytes_max {
            return Ok(Small::Larger);
        }
        match self.within(bytes, object.bytes()).await.map_err(late("get"))? {
            Ok(bytes) => Ok(Small::Value(Some(vec![bytes]))),
            Err(Error::NotFound { .. }) => Ok(Small::Value(None)),
            Err(error) => Err(failed("get")(error)),
        }
    }

    async fn list_once(&self, listing: Listing) -> Result<Vec<Name>, Failure> {
        let (mut objects, mut found) = (self.objects(listing), Vec::new());
        while let Some(object) = self.within(0, objects.try_next()).await.map_err(late("list"))?.transpose() {
            let object = object.map_err(failed("list"))?;
            found.extend(names::name(&self.prefix, &object.location).filter(|name| wanted(listing, *name)));
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    async fn delete_once(&self, names: &[Name]) -> Result<(), Failure> {
        let paths: Vec<_> = names.iter().map(|name| Ok(names::path(&self.prefix, *name))).collect();
        let mut deleted = self.store.delete_stream(stream::iter(paths).boxed());
        let mut result = Ok(());
        // One that fails stops none of the others.
        while let Some(one) = self.within(0, deleted.next()).await.map_err(late("delete"))? {
            match one {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => result = Err(failed("delete")(error)),
            }
        }
        result
    }

    /// The objects to look at for a listing. The store may list more than asked for, and in any order.
    fn objects(&self, listing: Listing) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        match listing {
            Listing::Heads => self.store.list(Some(&names::heads(&self.prefix))),
            // Takeovers and the untrimmed journal: no more than a scan reads anyway.
            Listing::EntriesBelow(_) => self.store.list(Some(&names::entries(&self.prefix))),
            Listing::EntriesFrom(Key { epoch, slot }) => {
                let before = match slot.0.checked_sub(1) {
                    None => names::epoch(&self.prefix, epoch),
                    Some(before) => names::path(&self.prefix, Name::Entry(Key { epoch, slot: Slot(before) })),
                };
                self.store.list_with_offset(Some(&names::entries(&self.prefix)), &before)
            }
        }
    }
}

/// The time that so many bytes need at most.
fn transfer(bytes: u64) -> Duration {
    Duration::from_millis(bytes / BYTES_PER_MS_MIN)
}

/// Why a call that may be repeated failed, and whether that is of use.
struct Failure {
    error: DriverError,
    refused: bool,
}

fn failed(what: &'static str) -> impl Fn(Error) -> Failure {
    move |error| Failure { refused: refused(&error), error: DriverError::new(what, error) }
}

fn late(what: &'static str) -> impl Fn(Elapsed) -> Failure {
    move |_| Failure { refused: false, error: DriverError::new(what, "no answer in time") }
}

/// Whether the store will say the same again.
fn refused(error: &Error) -> bool {
    matches!(
        error,
        Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::InvalidPath { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::UnknownConfigurationKey { .. }
    )
}

/// The pause before a call is made again that failed so many times.
fn pause(failed: u32) -> Duration {
    PAUSE.saturating_mul(1 << (failed - 1).min(10)).min(PAUSE_MAX)
}

/// Makes a call again that failed, unless it was refused. It is one that may be made any number of times: it changes nothing, or deletes.
async fn again<T, F>(call: impl Fn() -> F + Send) -> Result<T, DriverError>
where
    F: Future<Output = Result<T, Failure>> + Send,
{
    let mut tried = 0;
    loop {
        tried += 1;
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(failure) if failure.refused || tried == TRIES => return Err(failure.error),
            Err(_) => sleep(pause(tried)).await,
        }
    }
}

fn put_error(error: Error) -> PutError {
    match error {
        Error::AlreadyExists { .. } => PutError::Exists,
        error if refused(&error) => PutError::Refused(error.to_string()),
        // A store may answer a race of two creates with a conflict; who won is found by reading back.
        other => PutError::Unknown(other.to_string()),
    }
}

fn wanted(listing: Listing, name: Name) -> bool {
    match (listing, name) {
        (Listing::Heads, Name::Head(_)) => true,
        (Listing::EntriesBelow(slot), Name::Entry(key)) => key.slot < slot,
        (Listing::EntriesFrom(from), Name::Entry(key)) => key >= from,
        _ => false,
    }
}

#[async_trait]
impl Driver for ObjectDriver {
    async fn put(&self, name: Name, value: Value, _: Written) -> Result<(), PutError> {
        let (path, bytes) = (names::path(&self.prefix, name), value_bytes(&value) as u64);
        let options = PutOptions::from(PutMode::Create);
        let put = self.store.put_opts(&path, PutPayload::from_iter(value), options);
        match self.within(bytes, put).await {
            Ok(answer) => answer.map(drop).map_err(put_error),
            Err(_) => Err(PutError::Unknown(format!("put {path}: no answer in time"))),
        }
    }

    async fn get(&self, name: Name) -> Result<Option<Value>, DriverError> {
        match again(|| self.get_once(name, u64::MAX)).await? {
            Small::Value(value) => Ok(value),
            Small::Larger => unreachable!("no object is so large"),
        }
    }

    async fn get_small(&self, name: Name, bytes_max: usize) -> Result<Small, DriverError> {
        again(|| self.get_once(name, bytes_max as u64)).await
    }

    async fn list(&self, listing: Listing) -> Result<Vec<Name>, DriverError> {
        again(|| self.list_once(listing)).await
    }

    async fn delete(&self, names: &[Name]) -> Result<(), DriverError> {
        again(|| self.delete_once(names)).await
    }

    fn gets_ahead(&self) -> usize {
        GETS_AHEAD
    }

    fn append_max(&self, bytes: usize) -> Option<Duration> {
        // Its bytes go there, and come back when they are looked at.
        Some(APPEND_MAX + 2 * transfer(bytes as u64))
    }

    async fn rest(&self, failed: u32) {
        sleep(pause(failed)).await;
    }
}
