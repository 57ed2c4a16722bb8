//! The suite can fail: drivers with one bug each, and the scenarios that must notice.

use std::{marker::PhantomData, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use klamm_store::{
    Driver, DriverError, EntryKind, Header, Listing, Name, PutError, Value, Written, flatten,
    memory::MemoryStore,
    suite::{self, Harness, Outcome},
};

/// One bug. What is not overridden works.
#[async_trait]
trait Bug: Send + Sync + 'static {
    async fn put(store: &MemoryStore, name: Name, value: Value) -> Result<(), PutError> {
        Driver::put(store, name, value, Written::ignore()).await
    }
    async fn get(store: &MemoryStore, name: Name) -> Result<Option<Value>, DriverError> {
        Driver::get(store, name).await
    }
    async fn list(store: &MemoryStore, listing: Listing) -> Result<Vec<Name>, DriverError> {
        Driver::list(store, listing).await
    }
    async fn delete(store: &MemoryStore, names: &[Name]) -> Result<(), DriverError> {
        Driver::delete(store, names).await
    }
}

struct Mutant<B>(Arc<MemoryStore>, PhantomData<B>);

#[async_trait]
impl<B: Bug> Driver for Mutant<B> {
    async fn put(&self, name: Name, value: Value, _: Written) -> Result<(), PutError> {
        B::put(&self.0, name, value).await
    }
    async fn get(&self, name: Name) -> Result<Option<Value>, DriverError> {
        B::get(&self.0, name).await
    }
    async fn list(&self, listing: Listing) -> Result<Vec<Name>, DriverError> {
        B::list(&self.0, listing).await
    }
    async fn delete(&self, names: &[Name]) -> Result<(), DriverError> {
        B::delete(&self.0, names).await
    }
}

#[async_trait]
impl<B: Bug> Harness for Mutant<B> {
    type Driver = Self;
    const SEEDS: u64 = 300;
    const SECONDS_MAX: u64 = 60;

    async fn fresh() -> Self {
        Self(Arc::default(), PhantomData)
    }
    async fn handle(&self) -> Arc<Self> {
        Arc::new(Self(Arc::clone(&self.0), PhantomData))
    }
}

/// Whether a scenario found something wrong. One that was too slow, or did not try all that it should, found nothing.
fn finds(outcome: &Outcome) -> bool {
    let nothing = |why: &String| why.starts_with("hangs for") || why.starts_with("not tried");
    outcome.result.as_ref().is_err_and(|why| !nothing(why))
}

/// These scenarios of the suite fail, and find why. Others might only wait in vain for what the bug prevents.
async fn noticed<B: Bug>(by: &[&str]) {
    let outcomes = suite::outcomes::<Mutant<B>>(|scenario| by.contains(&scenario)).await;
    assert_eq!(outcomes.len(), by.len(), "each of {by:?} is a scenario");
    for outcome in &outcomes {
        assert!(finds(outcome), "{} did not notice: {:?}", outcome.scenario, outcome.result);
    }
}

macro_rules! mutants {
    ($($(#[doc = $doc:literal])* $test:ident, $bug:ident by [$($by:literal),*] { $($body:tt)* })*) => {$(
        $(#[doc = $doc])*
        struct $bug;
        #[async_trait]
        impl Bug for $bug { $($body)* }
        #[tokio::test]
        async fn $test() { noticed::<$bug>(&[$($by),*]).await; }
    )*};
}

mutants! {
    /// The last put wins.
    overwrites, Overwrites by [
        "basics::put_if_absent_has_one_winner", "takeover::late_puts_of_the_old_owner", "takeover::occupied_fences",
        "random::owners_crash_and_trim"
    ] {
        async fn put(store: &MemoryStore, name: Name, value: Value) -> Result<(), PutError> {
            let _ = Driver::delete(store, &[name]).await;
            Driver::put(store, name, value, Written::ignore()).await
        }
    }
    /// A taken name is answered as if the put had taken effect.
    says_ok_to_all, SaysOkToAll by [
        "basics::put_if_absent_has_one_winner", "takeover::occupied_fences", "takeover::two_processes_with_one_id"
    ] {
        async fn put(store: &MemoryStore, name: Name, value: Value) -> Result<(), PutError> {
            let _ = Driver::put(store, name, value, Written::ignore()).await;
            Ok(())
        }
    }
    /// Puts take effect only every other time.
    answers_early, AnswersEarly by ["basics::append_read_tail", "basics::many_in_flight"] {
        async fn put(store: &MemoryStore, name: Name, value: Value) -> Result<(), PutError> {
            match name {
                Name::Entry(key) if key.slot.0 % 2 == 1 => Ok(()),
                _ => Driver::put(store, name, value, Written::ignore()).await,
            }
        }
    }
    /// Large values lose their end.
    cuts_large_values, CutsLargeValues by ["basics::large_entries"] {
        async fn put(store: &MemoryStore, name: Name, value: Value) -> Result<(), PutError> {
            let whole = flatten(value);
            let kept: Bytes = whole.slice(..whole.len().min(1 << 20));
            Driver::put(store, name, vec![kept], Written::ignore()).await
        }
    }
    /// Listings come in no order.
    lists_backwards, ListsBackwards by ["basics::listings_are_sorted_and_exact", "trim::highest_marker_counts"] {
        async fn list(store: &MemoryStore, listing: Listing) -> Result<Vec<Name>, DriverError> {
            let mut names = Driver::list(store, listing).await?;
            names.reverse();
            Ok(names)
        }
    }
    /// Listings know nothing of the older epochs.
    lists_the_last_epoch, ListsTheLastEpoch by [
        "basics::listings_are_sorted_and_exact", "trim::leftovers_of_fenced_owners_go"
    ] {
        async fn list(store: &MemoryStore, listing: Listing) -> Result<Vec<Name>, DriverError> {
            let mut names = Driver::list(store, listing).await?;
            let last = names.iter().filter_map(|n| if let Name::Entry(key) = n { Some(key.epoch) } else { None }).max();
            names.retain(|name| !matches!(name, Name::Entry(key) if Some(key.epoch) != last));
            Ok(names)
        }
    }
    /// Nothing is deleted.
    keeps_all, KeepsAll by ["basics::deleted_reads_as_absent", "trim::keeps_takeovers_only", "trim::cut_in_the_middle"] {
        async fn delete(_: &MemoryStore, _: &[Name]) -> Result<(), DriverError> {
            Ok(())
        }
    }
    /// A deletion takes the takeovers along.
    deletes_takeovers, DeletesTakeovers by [
        "trim::keeps_takeovers_only", "trim::leftovers_of_fenced_owners_go", "races::zombie_lands_after_a_trim",
        "random::owners_crash_and_trim"
    ] {
        async fn delete(store: &MemoryStore, names: &[Name]) -> Result<(), DriverError> {
            let Some(below) = names.iter().filter_map(|n| if let Name::Entry(key) = n { Some(key.slot) } else { None }).max()
            else { return Driver::delete(store, names).await };
            let mut names = names.to_vec();
            for name in Driver::list(store, Listing::EntriesBelow(below)).await? {
                let value = Driver::get(store, name).await?.map(flatten);
                if value.is_some_and(|v| Header::decode(&v).is_ok_and(|h| h.kind == EntryKind::Takeover)) {
                    names.push(name);
                }
            }
            Driver::delete(store, &names).await
        }
    }
    /// Whole files go: what shares one with a deleted entry.
    deletes_too_much, DeletesTooMuch by ["basics::deleted_reads_as_absent"] {
        async fn delete(store: &MemoryStore, names: &[Name]) -> Result<(), DriverError> {
            let mut names = names.to_vec();
            let next = names.iter().filter_map(|n| match *n {
                Name::Entry(key) => Some(Name::Entry(klamm_store::Key { slot: key.slot.next(), ..key })),
                Name::Head(_) => None,
            });
            names.extend(next.collect::<Vec<_>>());
            Driver::delete(store, &names).await
        }
    }
    /// A read of a damaged or busy store says that nothing is there.
    forgets_reads, ForgetsReads by ["basics::append_read_tail", "takeover::takeover_follows_the_last_entry"] {
        async fn get(store: &MemoryStore, name: Name) -> Result<Option<Value>, DriverError> {
            match name {
                Name::Entry(key) if key.slot.0 == 3 => Ok(None),
                _ => Driver::get(store, name).await,
            }
        }
    }
}
