//! Two seeds as they are run by hand, and one twice.

use std::process::Command;

fn sim(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments).output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn two_seeds_pass() {
    let (passed, text) = sim(&["--seeds", "1000..1002"]);
    assert!(passed && text.contains("test result: ok. 2 passed; 0 failed"), "{text}");
}

#[test]
fn a_seed_replays_with_an_equal_log() {
    let (passed, text) = sim(&["meta", "--seed", "1002"]);
    assert!(passed && text.contains("equal twice"), "{text}");
}

#[test]
fn two_seeds_differ() {
    let hash = |seed| klamm_sim::run(seed, None).log.hash();
    assert_ne!(hash(1003), hash(1004));
}

#[test]
fn bad_arguments_are_refused() {
    for arguments in [&["--seeds", "5..5"][..], &["--seed", "x"], &["meta"], &["--seed", "1", "--seeds", "2"]]
    {
        let (passed, text) = sim(arguments);
        assert!(!passed && text.contains("--help"), "{text}");
    }
}

#[test]
fn owners_compete_in_an_object_store() {
    let (passed, text) = sim(&["objects", "--seeds", "1000..1002"]);
    assert!(passed && text.contains("test result: ok. 2 passed; 0 failed"), "{text}");
    assert!(text.contains(" takeovers\n") && text.contains(" object put: "), "{text}");
    let (passed, text) = sim(&["objects", "--seed", "1002", "--twice"]);
    assert!(passed && text.contains("equal twice"), "{text}");
}
