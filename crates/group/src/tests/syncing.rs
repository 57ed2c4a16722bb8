//! SyncGroup, heartbeats and sessions.

use super::story::check;

const BEGIN: &str = "
        a joins; b joins; 6s => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
";
const STABLE: &str = "
        a joins; b joins; 6s => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
";

#[test]
fn followers_wait_for_the_leader_and_the_journal() {
    check(&format!(
        "{BEGIN}
        b syncs; 1s; hold
        a syncs a=0,b=1; look => CompletingRebalance 1 a-1
        flow; look          => a got 0; b got 1; Stable 1 a-1
        b syncs; a syncs b=9 => b got 1; a got 0
    "
    ));
    // One that syncs late has its assignment at once; one that was given none has an empty one.
    check(&format!(
        "{BEGIN}
        a syncs a=0; b syncs => a got 0; b got
    "
    ));
}

#[test]
fn refusals() {
    check(&format!("{BEGIN}
        a syncs gen=0; a syncs gen=2 => a sync IllegalGeneration; a sync IllegalGeneration
        b syncs as=ghost    => b sync UnknownMemberId
        b syncs type=connect => b sync InconsistentGroupProtocol
        a@h syncs as=x; a@h beats as=x; a@h leaves as=x => a@h sync UnknownMemberId; a@h beat UnknownMemberId; a@h left UnknownMemberId
        a beats gen=0; b beats as=ghost; b beats => a beat IllegalGeneration; b beat UnknownMemberId; b lives
    "));
    check(&format!(
        "{STABLE}
        b joins topics=u; a syncs; a beats => a sync RebalanceInProgress; a beat RebalanceInProgress
        a leaves            => b joined 2 range b-1[b-1]; a left ok
    "
    ));
}

#[test]
fn a_sync_that_is_repeated_is_answered_once_more() {
    check(&format!(
        "{BEGIN}
        b syncs; b syncs    => b sync RebalanceInProgress
        hold; a syncs a=0,b=1
        a syncs a=8,b=9     => a sync RebalanceInProgress
        flow                => a got 0; b got 1
    "
    ));
}

#[test]
fn a_rebalance_overtakes_the_assignment() {
    check(&format!("{BEGIN}
        b syncs; hold; a syncs a=0,b=1
        c joins             => a sync RebalanceInProgress; b sync RebalanceInProgress
        flow; look          => PreparingRebalance 1 a-1
        a joins; b joins    => a joined 2 range a-1[a-1 b-1 c-1]; b joined 2 range a-1[]; c joined 2 range a-1[]
        b syncs; c syncs; a syncs a=0,b=1,c=2 => a got 0; b got 1; c got 2
    "));
}

#[test]
fn a_full_disk_delays_the_assignment() {
    check(&format!(
        "{BEGIN}
        b syncs; full
        a syncs a=0,b=1     => a sync CoordinatorNotAvailable; b sync CoordinatorNotAvailable
        look; free          => PreparingRebalance 1 a-1
        a joins; b joins    => a joined 2 range a-1[a-1 b-1]; b joined 2 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
    "
    ));
}

#[test]
fn an_assignment_that_is_too_large_is_refused() {
    check(&format!(
        "{BEGIN}
        b syncs; large
        a syncs a=0,b=1     => a sync TooLarge; b sync TooLarge
        a commits t:0=1     => a offsets TooLarge
        look; free          => PreparingRebalance 1 a-1
        a joins; b joins    => a joined 2 range a-1[a-1 b-1]; b joined 2 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
    "
    ));
}

#[test]
fn those_who_never_sync_are_out() {
    // The follower heartbeats, but does not sync.
    check(&format!("{BEGIN}
        a syncs a=0,b=1     => a got 0
        9s; a beats; b beats; 9s; a beats; b beats; 9s; a beats; b beats => a lives; b lives; a lives; b lives; a lives; b lives
        9s; a beats; b beats; 9s; a beats; b beats; 9s; a beats; b beats => a lives; b lives; a lives; b lives; a lives; b lives
        5999ms; b beats     => b lives
        1ms; look           => PreparingRebalance 1 a-1
        b beats; a joins    => b beat UnknownMemberId; a joined 2 range a-1[a-1]
    "));
    // The leader does not: its follower, which waits, is told to join again.
    check(&format!("{BEGIN}
        b syncs; 9s; a beats; 9s; a beats; 9s; a beats; 9s; a beats; 9s; a beats; 9s; a beats => a lives; a lives; a lives; a lives; a lives; a lives
        5999ms
        1ms                 => b sync RebalanceInProgress
        b joins             => b joined 2 range b-1[b-1]
    "));
}

#[test]
fn the_silent_are_out() {
    check(&format!(
        "{STABLE}
        5s; a beats; 4999ms; look => a lives; Stable 1 a-1
        1ms; look; a beats  => PreparingRebalance 1 a-1; a beat RebalanceInProgress
        a joins             => a joined 2 range a-1[a-1]
        b beats             => b beat UnknownMemberId
    "
    ));
    // A silent leader's heir is the eldest.
    check(&format!(
        "{STABLE}
        5s; b beats; 5s; look => b lives; PreparingRebalance 1 b-1
        b joins             => b joined 2 range b-1[b-1]
    "
    ));
    // All are silent: the group is empty.
    check(&format!(
        "{STABLE}
        10s; look           => Empty 2
        a joins anew; 3s    => a joined 3 range a-2[a-2]
    "
    ));
    // A follower that waits for the leader is excused; the leader is not.
    check(&format!(
        "{BEGIN}
        b syncs; 10s        => b sync RebalanceInProgress
        look; b joins       => PreparingRebalance 1 b-1; b joined 2 range b-1[b-1]
    "
    ));
}
