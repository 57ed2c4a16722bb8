//! The suite that every carrier passes: the ten rules of `docs/adr/0002` as named scenarios, deterministic, and a
//! randomized one with fixed seeds. Contract: a scenario gets an empty store and panics where a rule is broken.
//!
//! How a carrier's crate runs it:
//! ```ignore
//! struct Mine(/* whatever keeps one store */);
//!
//! #[async_trait]
//! impl Harness for Mine {
//!     type Driver = MyDriver;
//!     async fn fresh() -> Self { /* an empty store */ }
//!     async fn handle(&self) -> Arc<MyDriver> { /* one more client of that store */ }
//!     // optional: restart, damage, forget, CUTS_TORN_TAIL, SEEDS, SECONDS_MAX
//! }
//!
//! #[tokio::test]
//! async fn contract() { klamm_store::suite::journal::<Mine>().await }
//! ```
//! The suite builds [`Carrier`]s over the handles, all for one shard. Drivers over the driver (`faults`) hold puts and
//! land them late, lose answers, and stop a call while others work. Drivers that keep segments pass [`segments`], too. [`outcomes`] gives each scenario's result, so
//! that a test can plant a bug and see that the suite finds it.

mod basics;
mod damage;
mod faults;
mod merging;
mod owner;
mod races;
mod random;
mod takeover;
mod trim;
mod unanswered;

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use klamm_model::ShardId;

pub use faults::{Fate, Held, Lossy, Op};

use crate::{Carrier, Driver, Name, Segments};

/// The shard of every journal in the suite.
pub const SHARD: ShardId = ShardId(7);

/// How the suite reaches a carrier's store.
#[async_trait]
pub trait Harness: Sized + Send + Sync + 'static {
    /// The carrier's driver.
    type Driver: Driver;

    /// Whether a restart cuts a bad entry off the end of the journal (where a write may be torn by a power cut).
    /// Elsewhere a bad entry is damage wherever it is.
    const CUTS_TORN_TAIL: bool = false;
    /// Whether a slot below the head marker stays taken (where one process knows all). Elsewhere a late put may land
    /// in a slot that a trim freed, and rule 9 makes it harmless.
    const FREED_SLOTS_STAY_TAKEN: bool = false;
    /// How many seeds the randomized scenario runs.
    const SEEDS: u64 = 64;
    /// A scenario that takes longer hangs, and fails.
    const SECONDS_MAX: u64 = 120;

    /// An empty store; it lasts as long as the harness.
    async fn fresh() -> Self;

    /// One more handle on this store: another client where the carrier allows several, otherwise the same one.
    async fn handle(&self) -> Arc<Self::Driver>;

    /// All processes end without warning and the store comes up again. The suite dropped all handles before.
    /// An error means that the store noticed damage and refuses to open.
    async fn restart(&self) -> Result<(), String> {
        Ok(())
    }

    /// Flips bits of what is kept under a name, at the latest from the next restart on; false if the carrier can't.
    async fn damage(&self, name: Name) -> bool {
        let _ = name;
        false
    }

    /// Loses what is kept under a name, at the latest from the next restart on; false if the carrier can't.
    async fn forget(&self, name: Name) -> bool {
        let _ = name;
        false
    }
}

/// What came of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// The scenario, as `module::scenario`.
    pub scenario: &'static str,
    /// Why it failed.
    pub result: Result<(), String>,
}

macro_rules! scenarios {
    ($(#[$doc:meta])* $outcomes:ident[$($bound:tt)*] $($module:ident: $($scenario:ident)*;)*) => {
        $(#[$doc])*
        pub async fn $outcomes<H: $($bound)*>(wanted: impl Fn(&str) -> bool) -> Vec<Outcome> {
            let mut outcomes = Vec::new();
            $($(
                let name = concat!(stringify!($module), "::", stringify!($scenario));
                if wanted(name) {
                    let scenario = async { Box::pin($module::$scenario(H::fresh().await)).await };
                    let result = guarded(scenario, H::SECONDS_MAX).await;
                    outcomes.push(Outcome { scenario: name, result });
                }
            )*)*
            outcomes
        }
    };
}

// One table: what is not here does not run (and is reported as dead code).
scenarios! {
    /// Runs the wanted scenarios of the journal, each on a fresh store, and says what came of it.
    outcomes[Harness]
    basics: empty_journal append_read_tail reads_are_bounded large_entries handles_share_one_store many_in_flight
        put_if_absent_has_one_winner listings_are_sorted_and_exact deleted_reads_as_absent written_is_told;
    takeover: occupied_fences takeover_follows_the_last_entry late_puts_of_the_old_owner gap_in_flight
        scan_beside_the_own_takeover rival_takeovers_at_one_tail two_processes_with_one_id mine_means_identical_bytes
        candidate_overtaken_by_an_append epoch_is_never_resumed epochs_rise_above_the_claim;
    unanswered: lost_before_it_took_effect lost_after_it_took_effect lost_takeover unanswered_to_the_end
        unreadable_while_resolving refused_for_good;
    trim: keeps_takeovers_only trims_what_it_never_read leftovers_of_fenced_owners_go marker_before_deletes
        cut_in_the_middle marker_below_its_checkpoint highest_marker_counts trimmed_is_said;
    races: zombie_lands_after_a_trim late_takeover_into_a_trimmed_slot scan_during_trims acquire_during_trims
        trim_during_a_takeover;
    damage: broken_chain_halts torn_tail bad_last_entry missing_middle bad_middle lost_takeover_of_the_chain
        lost_head_entry lost_head_marker bad_head_marker;
    random: owners_crash_and_trim;
}

scenarios! {
    /// Runs the wanted scenarios of segments, each on a fresh store, and says what came of it.
    segment_outcomes[Harness<Driver: Segments>]
    merging: needed_is_kept_and_the_rest_goes runs_are_sorted nothing_left_is_nothing_written
        what_the_journal_needs_is_refused damage_is_not_copied merged_segments_merge_again over_a_gap
        readers_race_with_merges;
}

/// Runs every scenario of the journal; panics with all that failed.
pub async fn journal<H: Harness>() {
    all_passed(&outcomes::<H>(|_| true).await);
}

/// Runs every scenario of segments, for drivers that keep them; panics with all that failed.
pub async fn segments<H: Harness<Driver: Segments>>() {
    all_passed(&segment_outcomes::<H>(|_| true).await);
}

fn all_passed(outcomes: &[Outcome]) {
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|o| Some(format!("{}: {}", o.scenario, o.result.as_ref().err()?)))
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} scenarios failed\n{}",
        failed.len(),
        outcomes.len(),
        failed.join("\n")
    );
}

async fn guarded(
    scenario: impl Future<Output = ()> + Send + 'static,
    seconds_max: u64,
) -> Result<(), String> {
    match tokio::spawn(tokio::time::timeout(Duration::from_secs(seconds_max), scenario)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(format!("hangs for {seconds_max} s")),
        Err(error) if error.is_panic() => {
            let panic = error.into_panic();
            let text = panic.downcast_ref::<String>().cloned();
            Err(text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn journal_over<D: Driver>(driver: &Arc<D>) -> Arc<Carrier<D>> {
    Arc::new(Carrier::new(Arc::clone(driver), SHARD))
}

async fn open<H: Harness>(harness: &H) -> Arc<Carrier<H::Driver>> {
    journal_over(&harness.handle().await)
}
