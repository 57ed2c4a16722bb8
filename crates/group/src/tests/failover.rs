//! What a new coordinator knows.

use super::story::check;

const STABLE: &str = "
        a joins; b joins; 6s => a joined 1 range a-1[a-1 b-1]; b joined 1 range a-1[]
        b syncs; a syncs a=0,b=1 => a got 0; b got 1
";

#[test]
fn a_stable_group_is_stable() {
    check(&format!(
        "{STABLE}
        9s; fails over; look => Stable 1 a-1
        9999ms; a beats; b beats => a lives; b lives
        b syncs; b joins    => b got 1; b joined 1 range a-1[]
        a commits t:0=5; offsets => a offsets ok; t:0=5
        10s; look           => Empty 2
    "
    ));
    check(&format!(
        "{STABLE}
        fails over; 10s; look => Empty 2
    "
    ));
}

#[test]
fn who_waits_is_told_and_the_generation_before_is_back() {
    check(&format!(
        "{STABLE}
        b joins topics=u
        fails over          => b join NotCoordinator
        look; a beats; b beats => Stable 1 a-1; a lives; b lives
        b joins topics=u; a joins => a joined 2 range a-1[a-1 b-1]; b joined 2 range a-1[]
        b syncs; fails over => b sync NotCoordinator
        b beats; look       => b beat IllegalGeneration; Stable 1 a-1
    "
    ));
    check(
        "
        a joins v4          => a join MemberIdRequired
        fails over; look    => none
        a joins v4          => a join UnknownMemberId
    ",
    );
}

#[test]
fn an_empty_group_keeps_its_generation() {
    check(&format!(
        "{STABLE}
        10s; fails over; look => Empty 2
        c joins; 3s         => c joined 3 range c-1[c-1]
    "
    ));
}

#[test]
fn commands_of_an_ended_epoch_are_refused() {
    check(&format!(
        "{STABLE}
        a commits t:0=5     => a offsets ok
        hold; a commits t:0=6
        fails over          => a offsets NotCoordinator
    "
    ));
}
