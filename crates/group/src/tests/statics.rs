//! Static members (KIP-345) and leaders that need not assign (KIP-814).

use super::story::check;

const STABLE: &str = "
        a joins static=i; b joins static=j; 6s => a joined 1 range i-1[i-1 j-1]; b joined 1 range i-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
";

#[test]
fn a_restart_within_the_session_changes_nothing() {
    check(&format!(
        "{STABLE}
        9s; b beats; a beats => b lives; a lives
        B joins static=j    => B joined 1 range i-1[]
        look; B syncs       => Stable 1 i-1; B got 1
        b beats; b syncs; b joins => b beat FencedInstanceId; b sync FencedInstanceId; b join FencedInstanceId
        b commits t:0=1; b leaves => b offsets FencedInstanceId; b left FencedInstanceId
        B beats             => B lives
    "
    ));
}

#[test]
fn a_leader_that_restarts_need_not_assign() {
    // It may not think that it leads, unless it can be told not to assign.
    check(&format!(
        "{STABLE}
        A joins static=i    => A joined 1 range i-1[]
        look; A syncs       => Stable 1 i-2; A got 0
    "
    ));
    check(&format!(
        "{STABLE}
        A joins static=i v9 => A joined 1 range i-2[i-2 j-1] skip
        look; A syncs       => Stable 1 i-2; A got 0
        B joins static=j v9 => B joined 1 range i-2[]
    "
    ));
}

#[test]
fn the_new_id_is_durable_before_it_is_answered() {
    check(&format!(
        "{STABLE}
        hold; B joins static=j
        flow                => B joined 1 range i-1[]
        fails over; B beats; b beats => B lives; b beat FencedInstanceId
    "
    ));
    // A full disk: the old member is back.
    check(&format!(
        "{STABLE}
        full; B joins static=j => B join CoordinatorNotAvailable
        b beats; look       => b lives; Stable 1 i-1
        A joins static=i    => A join CoordinatorNotAvailable
        a beats; look       => a lives; Stable 1 i-1
        10s; look           => Empty 2
    "
    ));
    // Restarted twice before the journal answers.
    check(&format!(
        "{STABLE}
        hold; B joins static=j; C joins static=j => B join FencedInstanceId
        flow                => C joined 1 range i-1[]
    "
    ));
    check(&format!(
        "{STABLE}
        full; hold; B joins static=j; C joins static=j => B join FencedInstanceId
        flow; b beats; B beats as=j-2 => C join CoordinatorNotAvailable; b lives; B beat FencedInstanceId
    "
    ));
    // A rebalance begins before the journal answers: it answers.
    check(&format!(
        "{STABLE}
        hold; B joins static=j; a joins => a joined 2 range i-1[i-1 j-2]; B joined 2 range i-1[]
        flow; look          => CompletingRebalance 2 i-1
    "
    ));
}

#[test]
fn a_restart_with_other_protocols_rebalances() {
    check("
        a joins static=i knows=range,rr; b joins static=j knows=range,rr; 6s => a joined 1 range i-1[i-1 j-1]; b joined 1 range i-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
        B joins static=j knows=rr; look => PreparingRebalance 1 i-1
        a joins knows=range,rr => a joined 2 rr i-1[i-1 j-2]; B joined 2 rr i-1[]
    ");
    // Other topics don't: the leader will see them at the next rebalance.
    check(&format!(
        "{STABLE}
        B joins static=j topics=u; look => B joined 1 range i-1[]; Stable 1 i-1
        x joins static=j knows=rr => x join InconsistentGroupProtocol
    "
    ));
}

#[test]
fn a_restart_during_a_rebalance() {
    // While the leader assigns, it may know the old id only.
    check(
        "
        a joins static=i; b joins static=j; 6s => a joined 1 range i-1[i-1 j-1]; b joined 1 range i-1[]
        b syncs
        B joins static=j; look => b sync FencedInstanceId; PreparingRebalance 1 i-1
        a joins             => a joined 2 range i-1[i-1 j-2]; B joined 2 range i-1[]
    ",
    );
    // While members join, the old one's join is fenced.
    check(&format!(
        "{STABLE}
        b joins topics=u; B joins static=j => b join FencedInstanceId
        a joins             => a joined 2 range i-1[i-1 j-2]; B joined 2 range i-1[]
    "
    ));
    check(
        "
        a joins static=i; A joins static=i => a join FencedInstanceId
        3s                  => A joined 1 range i-2[i-2]
    ",
    );
}

#[test]
fn static_members_keep_their_place_until_their_session_ends() {
    check("
        a joins static=i session=100s rebalance=10s; b joins static=j session=100s rebalance=10s; 6s => a joined 1 range i-1[i-1 j-1]; b joined 1 range i-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
        a joins session=100s rebalance=10s; 9999ms
        1ms                 => a joined 2 range i-1[i-1 j-1]
        a syncs a=0,b=1     => a got 0
        9999ms; look        => Stable 2 i-1
        1ms; look           => PreparingRebalance 2 i-1
        a joins; b beats    => a joined 3 range i-1[i-1]; b beat UnknownMemberId
    ");
    // Nobody rejoins: wait on.
    check("
        a joins static=i session=100s rebalance=10s; b joins session=11s rebalance=10s; 6s => b joined 1 range i-1[]; a joined 1 range i-1[b-1 i-1]
        b syncs; a syncs a=0,b=1 => b got 1; a got 0
        11s; look; 70s; look => PreparingRebalance 1 i-1; PreparingRebalance 1 i-1
        a joins             => a joined 2 range i-1[i-1]
    ");
}

#[test]
fn an_instance_is_one_member() {
    check(&format!(
        "{STABLE}
        b beats static=i    => b beat FencedInstanceId
        b beats static=k    => b beat UnknownMemberId
        c joins static=j as=ghost => c join FencedInstanceId
        c joins static=k as=ghost => c join UnknownMemberId
    "
    ));
}
