//! LeaveGroup.

use super::story::check;

const STABLE: &str = "
        a joins; b joins; 6s => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
";

#[test]
fn a_member_leaves_and_the_others_rebalance() {
    check(&format!(
        "{STABLE}
        b leaves; look; b beats => b left ok; PreparingRebalance 1 a-1; b beat UnknownMemberId
        a beats; a joins    => a beat RebalanceInProgress; a joined 2 range a-1[a-1]
        b leaves            => b left UnknownMemberId
    "
    ));
}

#[test]
fn the_leader_leaves_in_each_state() {
    check(&format!(
        "{STABLE}
        a leaves; look      => a left ok; PreparingRebalance 1 b-1
        b joins             => b joined 2 range b-1[b-1]
        b syncs b=all       => b got all
    "
    ));
    check("
        a joins; b joins; c joins; 6s => a joined 1 range a-1[a-1 b-1 c-1]; b joined 1 range a-1[]; c joined 1 range a-1[]
        b syncs
        a leaves            => b sync RebalanceInProgress; a left ok
        c joins; look       => PreparingRebalance 1 b-1
        b joins             => b joined 2 range b-1[b-1 c-1]; c joined 2 range b-1[]
    ");
    check(&format!(
        "{STABLE}
        b joins topics=u
        a leaves            => b joined 2 range b-1[b-1]; a left ok
    "
    ));
    check(
        "
        a joins; b joins; 1s
        a leaves as=a-1     => a join UnknownMemberId; a left ok
        look; 5s            => PreparingRebalance 0 b-1; b joined 1 range b-1[b-1]
    ",
    );
}

#[test]
fn the_last_member_leaves() {
    check(&format!(
        "{STABLE}
        b leaves; a leaves; look => b left ok; a left ok; Empty 2
        list                => g:Empty:consumer
        c joins; 3s         => c joined 3 range c-1[c-1]
    "
    ));
    check(
        "
        a joins; 3s         => a joined 1 range a-1[a-1]
        hold; a syncs a=0
        a leaves; look      => a sync UnknownMemberId; a left ok; Empty 2
        flow; look          => Empty 2
    ",
    );
    check(
        "
        a joins; a leaves as=a-1 => a join UnknownMemberId; a left ok
        look; 3s; look      => PreparingRebalance 0; Empty 1
    ",
    );
}

#[test]
fn static_members_are_removed_by_their_instance_ids() {
    check("
        a joins static=i; b joins static=j; c joins; 6s => c joined 1 range i-1[]; a joined 1 range i-1[c-1 i-1 j-1]; b joined 1 range i-1[]
        removes i,k,j; look => - left ok UnknownMemberId ok; PreparingRebalance 1 c-1
        c joins             => c joined 2 range c-1[c-1]
        a beats             => a beat UnknownMemberId
    ");
    check(
        "
        a joins static=i; 3s => a joined 1 range i-1[i-1]
        a leaves as=ghost   => a left FencedInstanceId
        a leaves            => a left ok
    ",
    );
}
