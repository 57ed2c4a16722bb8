//! Offsets: committed, deleted, expired.

use super::story::{check, check_with};
use crate::GroupConfig;

const STABLE: &str = "
        a joins; b joins; 6s => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
";

#[test]
fn simple_consumers_commit() {
    check(
        "
        - commits t:0=5,t:1=6; - commits t:0=7 => - offsets ok ok; - offsets ok
        offsets; list       => t:0=7 t:1=6; g:Empty:
        a commits u:0=1 gen=-1 => a offsets ok
        a joins; 3s         => a joined 1 range a-1[a-1]
    ",
    );
}

#[test]
fn commits_to_no_group() {
    check(
        "
        - commits t:0=5 gen=0 v9 => - offsets GroupIdNotFound
        - commits t:0=5 gen=0 => - offsets IllegalGeneration
        - commits t:0=5 long => - offsets OffsetMetadataTooLarge
        look; offsets       => none; none
    ",
    );
}

#[test]
fn commits_in_each_state() {
    check("
        a joins v4          => a join MemberIdRequired
        - commits t:0=1     => - offsets ok
        a commits t:0=2 gen=0 => a offsets UnknownMemberId
        a joins             =>
        - commits t:0=3     => - offsets UnknownMemberId
        3s                  => a joined 1 range a-1[a-1]
        a commits t:0=4; a commits t:0=4 gen=0 => a offsets RebalanceInProgress; a offsets IllegalGeneration
        hold; a syncs a=0; a commits t:0=5 => a offsets RebalanceInProgress
        flow                => a got 0
        a commits t:0=6; offsets => a offsets ok; t:0=6
        a commits t:0=7 gen=0; a commits t:0=7 gen=2 => a offsets IllegalGeneration; a offsets IllegalGeneration
        a commits t:0=7 as=ghost; - commits t:0=7 => a offsets UnknownMemberId; - offsets UnknownMemberId
        a commits t:0=7 gen=-1 => a offsets IllegalGeneration
        b joins             =>
        a commits t:0=8; offsets => a offsets ok; t:0=8
        a leaves as=a-1     => b joined 2 range b-1[b-1]; a left ok
        a commits t:0=9     => a offsets UnknownMemberId
        b leaves            => b left ok
        b commits t:0=9; - commits t:0=9; offsets => b offsets UnknownMemberId; - offsets ok; t:0=9
    ");
}

#[test]
fn a_commit_is_a_sign_of_life() {
    check(&format!(
        "{STABLE}
        9s; a commits t:0=1; b beats; 9s; a beats; b beats => a offsets ok; b lives; a lives; b lives
    "
    ));
}

#[test]
fn long_metadata_is_refused_alone() {
    check(&format!(
        "{STABLE}
        a commits t:0=1 long; offsets => a offsets OffsetMetadataTooLarge; none
        full; a commits t:0=1 => a offsets CoordinatorNotAvailable
    "
    ));
}

#[test]
fn answers_wait_for_the_journal() {
    check(&format!(
        "{STABLE}
        hold; a commits t:0=1; - commits t:0=1 => - offsets UnknownMemberId
        flow                => a offsets ok
    "
    ));
}

#[test]
fn groups_are_deleted_when_nobody_is_in_them() {
    check(&format!(
        "
        deletes group       => - delete GroupIdNotFound
        {STABLE}
        a commits t:0=1; deletes group => a offsets ok; - delete NonEmptyGroup
        10s; deletes group  => - deleted
        look; offsets       => none; none
        deletes group       => - delete GroupIdNotFound
        c joins; 3s         => c joined 1 range c-1[c-1]
        deletes group       => - delete NonEmptyGroup
    "
    ));
    check(
        "
        a joins v4; deletes group => a join MemberIdRequired; - deleted
        a joins; 20s        => a join UnknownMemberId
    ",
    );
}

#[test]
fn offsets_in_use_are_not_deleted() {
    check(&format!(
        "
        deletes t:0         => - offsets GroupIdNotFound
        {STABLE}
        a commits t:0=1,u:0=2,u:1=3 => a offsets ok ok ok
        deletes t:0,u:0,x:9 => - offsets GroupSubscribedToTopic ok ok
        offsets             => t:0=1 u:1=3
        10s; deletes t:0,u:1; offsets => - offsets ok ok; none
    "
    ));
    check(
        "
        a joins type=connect; 3s => a joined 1 range a-1[a-1]
        deletes t:0         => - offsets NonEmptyGroup
    ",
    );
}

#[test]
fn offsets_go_with_their_topic() {
    check(&format!(
        "{STABLE}
        a commits t:0=1,u:0=2 => a offsets ok ok
        forgets t; forgets t; offsets => u:0=2
    "
    ));
}

fn soon() -> GroupConfig {
    GroupConfig { offsets_retention_ms: 3_600_000, offsets_check_ms: 60_000, ..GroupConfig::default() }
}

#[test]
fn offsets_of_simple_consumers_expire_one_by_one() {
    check_with(
        soon(),
        "
        - commits t:0=1     => - offsets ok
        30m; - commits t:1=2; offsets => - offsets ok; t:0=1 t:1=2
        29m; offsets        => t:0=1 t:1=2
        1m; offsets; look   => t:1=2; Empty 0
        30m; offsets; look  => none; none
    ",
    );
    check_with(
        soon(),
        "
        - commits t:0=1 retain=5m; - commits t:1=2 => - offsets ok; - offsets ok
        4m; offsets; 1m; offsets => t:0=1 t:1=2; t:1=2
    ",
    );
}

#[test]
fn offsets_of_a_group_expire_when_it_was_empty_for_long() {
    check_with(
        soon(),
        "
        a joins session=30m; 3s => a joined 1 range a-1[a-1]
        a syncs a=0; a commits t:0=1 => a got 0; a offsets ok
        29m; a beats; 29m; a beats; 29m; offsets => a lives; a lives; t:0=1
        2m; look; offsets   => Empty 2; t:0=1
        58m; offsets        => t:0=1
        2m; offsets; look   => none; none
    ",
    );
}

#[test]
fn topics_that_members_are_subscribed_to_do_not_expire() {
    check_with(
        soon(),
        "
        a joins session=30m; 3s => a joined 1 range a-1[a-1]
        a syncs a=0; a commits t:0=1,u:0=2 => a got 0; a offsets ok ok
        29m; a beats; 29m; a beats; 5m; offsets => a lives; a lives; t:0=1
    ",
    );
    // What members of other kinds of groups use is not known.
    check_with(
        soon(),
        "
        a joins session=30m type=connect; 3s => a joined 1 range a-1[a-1]
        a syncs a=0; a commits t:0=1,u:0=2 => a got 0; a offsets ok ok
        29m; a beats; 29m; a beats; 5m; offsets => a lives; a lives; t:0=1 u:0=2
    ",
    );
}

#[test]
fn empty_groups_without_offsets_go() {
    check_with(
        soon(),
        "
        a joins; 3s; a leaves; look => a joined 1 range a-1[a-1]; a left ok; Empty 2
        1m; look            => none
    ",
    );
    // One that is written to while its end is decided stays.
    check_with(
        soon(),
        "
        a joins; 3s; a leaves => a joined 1 range a-1[a-1]; a left ok
        hold; 57s; - commits t:0=1
        flow; look; offsets => - offsets ok; Empty 2; t:0=1
        1m; look            => Empty 2
    ",
    );
    // One that is joined meanwhile goes on with its generations.
    check_with(
        soon(),
        "
        a joins; 3s; a leaves => a joined 1 range a-1[a-1]; a left ok
        hold; 57s; a joins anew
        flow; 3s            => a joined 3 range a-2[a-2]
        a syncs a=0         => a got 0
    ",
    );
}
