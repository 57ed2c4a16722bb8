//! JoinGroup: who comes in, who leads, which protocol, how long members wait.

use super::story::{check, check_with};
use crate::GroupConfig;

#[test]
fn the_first_rebalance_waits_for_more() {
    check(
        "
        a joins; 2s; b joins; 999ms
        1ms; 2999ms
        1ms                 => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
        look                => CompletingRebalance 1 a-1
    ",
    );
}

#[test]
fn a_lone_first_member_waits_once() {
    check(
        "
        a joins; 2999ms
        1ms                 => a joined 1 range a-1[a-1]
        a syncs a=all       => a got all
        a beats; look       => a lives; Stable 1 a-1
    ",
    );
}

#[test]
fn the_first_rebalance_ends_with_the_rebalance_timeout() {
    check("
        a joins rebalance=7s; 2s; b joins rebalance=7s; 2s; c joins rebalance=7s; 2s; d joins rebalance=7s; 999ms
        1ms                 => a joined 1 range a-1[a-1 b-1 c-1 d-1]; b joined 1 range a-1[]; c joined 1 range a-1[]; d joined 1 range a-1[]
    ");
}

#[test]
fn without_a_delay_the_first_member_is_answered_at_once() {
    let config = GroupConfig { initial_rebalance_delay_ms: 0, ..GroupConfig::default() };
    check_with(
        config,
        "
        a joins; 1ms        => a joined 1 range a-1[a-1]
        a syncs a=0         => a got 0
        b joins; a beats    => a beat RebalanceInProgress
        a joins             => a joined 2 range a-1[a-1 b-1]; b joined 2 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
    ",
    );
}

#[test]
fn dynamic_members_come_again_with_their_id() {
    check(
        "
        a joins v4          => a join MemberIdRequired
        look                => Empty 0
        a joins v4; 3s      => a joined 1 range a-1[a-1]
    ",
    );
    // One that never comes again is forgotten with its session, and with it the group.
    check(
        "
        a joins v4          => a join MemberIdRequired
        9999ms; look        => Empty 0
        1ms; look           => none
        a joins v4          => a join UnknownMemberId
    ",
    );
    // While one has not come again, the others wait for it.
    check(
        "
        a joins; 3s         => a joined 1 range a-1[a-1]
        a syncs a=0         => a got 0
        b joins v4          => b join MemberIdRequired
        c joins; a joins session=30s
        look                => PreparingRebalance 1 a-1
        10s                 => a joined 2 range a-1[a-1 c-1]; c joined 2 range a-1[]
    ",
    );
    check(
        "
        a joins v4          => a join MemberIdRequired
        a leaves; look      => a left ok; Empty 0
    ",
    );
}

#[test]
fn refusals() {
    check("
        a@nil joins         => a@nil join InvalidGroupId
        a@nil syncs; a@nil beats; a@nil leaves => a@nil sync InvalidGroupId; a@nil beat InvalidGroupId; a@nil left InvalidGroupId
        a joins session=5999ms => a join InvalidSessionTimeout
        a joins session=1801s  => a join InvalidSessionTimeout
        a joins as=ghost    => a join UnknownMemberId
        a joins as= knows=  => a join InconsistentGroupProtocol
        a joins as= type=   => a join InconsistentGroupProtocol
        look                => none
        a joins as=         =>
        x joins type=connect => x join InconsistentGroupProtocol
        x joins knows=rr    => x join InconsistentGroupProtocol
        x joins as=ghost    => x join UnknownMemberId
        3s                  => a joined 1 range a-1[a-1]
    ");
}

#[test]
fn protocols_are_voted_for() {
    check("
        a joins knows=range,rr,sticky; b joins knows=rr,range; c joins knows=rr,range,other; 6s => a joined 1 rr a-1[a-1 b-1 c-1]; b joined 1 rr a-1[]; c joined 1 rr a-1[]
    ");
    // A tie goes to the leader's preference.
    check(
        "
        a joins knows=rr,range; b joins knows=range,rr; 6s => a joined 1 rr a-1[a-1 b-1]; b joined 1 rr a-1[]
    ",
    );
    // What not all know is no candidate, however many know it.
    check("
        a joins knows=x,range; b joins knows=x,range; c joins knows=range; 6s => a joined 1 range a-1[a-1 b-1 c-1]; b joined 1 range a-1[]; c joined 1 range a-1[]
    ");
}

#[test]
fn rejoining() {
    let begin = "
        a joins; b joins; 6s => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
    ";
    // While the leader assigns: the answer again, or, with new metadata, a rebalance.
    check(&format!(
        "{begin}
        a joins; b joins    => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
        b syncs
        a joins topics=u    => b sync RebalanceInProgress
        look                => PreparingRebalance 1 a-1
        b joins             => a joined 2 range a-1[a-1 b-1]; b joined 2 range a-1[]
    "
    ));
    // In a stable group: a follower gets the answer again, a leader forces a rebalance.
    check(&format!(
        "{begin}
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
        b joins; look       => b joined 1 range a-1[]; Stable 1 a-1
        b syncs             => b got 1
        a joins; look       => PreparingRebalance 1 a-1
        b joins             => a joined 2 range a-1[a-1 b-1]; b joined 2 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
        b joins topics=u; a joins => a joined 3 range a-1[a-1 b-1]; b joined 3 range a-1[]
    "
    ));
    // A join that is repeated is answered once more, the older one at once.
    check(&format!(
        "{begin}
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
        a joins; a joins    => a join RebalanceInProgress
        b joins             => a joined 2 range a-1[a-1 b-1]; b joined 2 range a-1[]
    "
    ));
}

#[test]
fn members_that_do_not_rejoin_are_out() {
    check("
        a joins rebalance=20s session=25s; b joins rebalance=15s session=25s; 6s => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
        b joins topics=u rebalance=15s session=25s; a beats => a beat RebalanceInProgress
        19999ms; look       => PreparingRebalance 1 a-1
        1ms                 => b joined 2 range b-1[b-1]
        a beats             => a beat UnknownMemberId
    ");
}

#[test]
fn the_silent_do_not_hold_up_a_rebalance_for_longer_than_their_session() {
    check(
        "
        a joins; b joins; 6s => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
        5s; b joins topics=u
        4999ms; look        => PreparingRebalance 1 a-1
        1ms                 => b joined 2 range b-1[b-1]
    ",
    );
}

#[test]
fn a_new_member_whose_client_is_gone_is_forgotten() {
    let config = GroupConfig { new_member_join_timeout_ms: 20_000, ..GroupConfig::default() };
    check_with(
        config,
        "
        a joins session=60s; 3s => a joined 1 range a-1[a-1]
        a syncs a=0         => a got 0
        b joins; 19999ms
        1ms                 => b join UnknownMemberId
        a joins session=60s => a joined 2 range a-1[a-1]
    ",
    );
}

#[test]
fn groups_have_a_size() {
    let config = || GroupConfig { members_max: 2, ..GroupConfig::default() };
    check_with(
        config(),
        "
        a joins; b joins; c joins => c join GroupMaxSizeReached
        6s                  => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
        c joins             => c join GroupMaxSizeReached
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
        c joins; b joins    => c join GroupMaxSizeReached; b joined 1 range a-1[]
        b leaves; c joins   => b left ok
        a joins             => a joined 2 range a-1[a-1 c-1]; c joined 2 range a-1[]
    ",
    );
    // The last to rejoin is turned away when a new one took its place.
    check_with(
        config(),
        "
        a joins; b joins; 6s => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
        a joins; c joins    =>
        b joins             => b join GroupMaxSizeReached
        60s                 => a joined 2 range a-1[a-1 c-1]; c joined 2 range a-1[]
    ",
    );
}

#[test]
fn groups_do_not_wait_for_each_other() {
    check(
        "
        a joins; a@h joins; 1s; b@h joins; 2s => a joined 1 range a-1[a-1]
        a syncs a=0         => a got 0
        b joins; a joins    => a joined 2 range a-1[a-1 b-1]; b joined 2 range a-1[]
        2999ms
        1ms                 => a@h joined 1 range a-1[a-1 b-1]; b@h joined 1 range a-1[]
        list                => g:CompletingRebalance:consumer; h:CompletingRebalance:consumer
    ",
    );
}
