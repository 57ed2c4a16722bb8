//! All rules together hold; each of them is needed. The bounds are the smallest that show it, so that a debug
//! build needs seconds. `--nocapture` prints the shortest traces.

use klamm_journal_model::{Bounds, Outcome, Rule, Rules, Violation, search, trace};

const SMALL: Bounds = Bounds {
    brokers: 2,
    takeovers: 1,
    trims: 1,
    appends: 1,
    in_flight: 2,
    faults: 0,
    ahead: 0,
    states_max: 1_000_000,
};

#[track_caller]
fn check_holds(bounds: Bounds) -> Option<usize> {
    let report = search(Rules::ALL, bounds, |_, _| ());
    if let Outcome::Broken { violation, actions } = &report.outcome {
        panic!("{violation}:\n{}", trace::lines(&report.model, actions).join("\n"));
    }
    assert_eq!(
        report.outcome,
        Outcome::Holds,
        "the bounds are too large for a test: {} states",
        report.states
    );
    report.witness_depth
}

#[test]
fn the_rules_hold_and_get_somewhere() {
    let witness = check_holds(SMALL);
    assert!(witness.is_some(), "no run takes over, trims, appends and scans");
}

#[test]
fn the_rules_hold_for_rival_candidates() {
    check_holds(Bounds { takeovers: 2, trims: 0, appends: 2, ..SMALL });
}

#[test]
fn the_rules_hold_for_three_brokers() {
    check_holds(Bounds { brokers: 3, takeovers: 2, trims: 0, appends: 1, ..SMALL });
}

#[test]
fn the_rules_hold_for_two_trims() {
    check_holds(Bounds { takeovers: 0, trims: 2, ..SMALL });
}

#[test]
fn the_rules_hold_for_scans_that_read_ahead() {
    check_holds(Bounds { ahead: 1, ..SMALL });
    check_holds(Bounds { ahead: 1, appends: 2, trims: 0, in_flight: 1, faults: 1, ..SMALL });
}

#[test]
fn the_rules_notice_lost_and_damaged_entries() {
    check_holds(Bounds { appends: 2, trims: 0, in_flight: 1, faults: 1, ..SMALL });
}

/// Without `rule` the shortest run that goes wrong has `steps` steps and breaks `expected`.
#[track_caller]
fn check_needed(rule: Rule, bounds: Bounds, expected: Violation, steps: usize) {
    let report = search(Rules::ALL.without(rule), bounds, |_, _| ());
    let Outcome::Broken { violation, actions } = &report.outcome else {
        panic!("nothing goes wrong without {rule}: {} states", report.states);
    };
    println!("without {rule}: {}", rule.without());
    for (at, line) in trace::lines(&report.model, actions).iter().enumerate() {
        println!("{:>3}. {line}", at + 1);
    }
    println!("violated: {violation}\n");
    assert_eq!((*violation, actions.len()), (expected, steps), "{rule}");
}

#[test]
fn every_rule_is_needed() {
    use Violation::*;
    let no_trim = Bounds { trims: 0, ..SMALL };
    let two = Bounds { appends: 2, ..no_trim };
    for rule in Rule::ALL {
        let (bounds, violation, steps) = match rule {
            Rule::PutIfAbsent => (no_trim, AckedOffChain, 10),
            Rule::SameBytes => (two, FalseAlarm, 10),
            Rule::Hash => (Bounds { appends: 0, faults: 1, ..SMALL }, ScanMissesAcked, 19),
            Rule::KeyEpoch => (two, FalseAlarm, 16),
            Rule::OldOwnersKey => (no_trim, AckedOffChain, 10),
            Rule::AckInOrder => (two, AckedOffChain, 4),
            Rule::ReadBack => (no_trim, AckedOffChain, 2),
            Rule::NeverSkip => (two, AckedOffChain, 11),
            Rule::NewTakeover => (Bounds { appends: 3, ..no_trim }, FalseAlarm, 17),
            Rule::EpochAbove => (two, FalseAlarm, 16),
            Rule::Nonce => (Bounds { takeovers: 2, appends: 0, ..no_trim }, TwoOwners, 18),
            Rule::CheckpointAcked => (SMALL, FalseAlarm, 6),
            Rule::MarkerDurable => (SMALL, ScanMissesAcked, 14),
            Rule::HighestMarker => (Bounds { takeovers: 0, trims: 2, appends: 0, ..SMALL }, FalseAlarm, 17),
            Rule::TakeoversStay => (SMALL, AckedOffChain, 19),
            Rule::MarkerAgain => (SMALL, ScanMissesAcked, 15),
            Rule::ScanCounts => (Bounds { in_flight: 1, faults: 1, ..two }, OwnerMissesAcked, 12),
            Rule::ConfirmMarker => (SMALL, OwnerOffChain, 18),
            Rule::DamageHalts => (Bounds { faults: 1, ..no_trim }, ScanMissesAcked, 8),
            Rule::LookBeyond => (Bounds { in_flight: 1, faults: 1, ..two }, ScanMissesAcked, 10),
            Rule::ReadAgain => (Bounds { appends: 3, ..no_trim }, FalseAlarm, 11),
        };
        check_needed(*rule, bounds, violation, steps);
    }
}

/// The hash, and a scan that counts, matter only to a carrier that loses entries: put-if-absent and the last look
/// at the marker (rules 1 and 9) refuse everything else.
#[test]
fn hash_and_counting_scan_are_for_faulty_carriers() {
    for rule in [Rule::Hash, Rule::ScanCounts] {
        let report = search(Rules::ALL.without(rule), SMALL, |_, _| ());
        assert_eq!(report.outcome, Outcome::Holds, "{rule}");
    }
}

#[test]
fn two_searches_agree() {
    let run = || {
        let report = search(Rules::ALL.without(Rule::TakeoversStay), SMALL, |_, _| ());
        (report.states, report.outcome)
    };
    assert_eq!(run(), run());
}
