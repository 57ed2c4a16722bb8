//! A start that can't be: exit code 1, and a line that says what, where and what to do.

use std::fs;
use std::net::TcpListener;

use klamm_conformance::{Server, TempDir, run_klamm};

/// Starts it, and expects a refusal whose text has these parts.
fn refused(arguments: &[&str], variables: &[(&str, &str)], parts: &[&str]) {
    let finished = run_klamm(arguments, variables);
    let said = &finished.stderr;
    assert_eq!(finished.status.code(), Some(1), "{arguments:?} {variables:?}: {said}");
    assert!(said.starts_with("klamm: "), "{arguments:?}: {said}");
    assert!(finished.stdout.is_empty(), "{arguments:?}: nothing on standard output");
    for part in parts {
        assert!(said.contains(part), "{arguments:?} {variables:?}: no {part:?} in: {said}");
    }
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
}

#[test]
fn unknown_keys_are_named_and_the_nearest_suggested() {
    let dir = TempDir::new();
    let data = dir.file("data");
    let data = data.to_str().expect("text");
    let file = dir.file("klamm.toml");
    let path = file.to_str().expect("text");
    let with = |more: &[&'static str]| [&["--listen", "127.0.0.1:0", "--data", data][..], more].concat();
    refused(&with(&["-c", "num.partition=3"]), &[], &["num.partition", "num.partitions", "-c"]);
    refused(&with(&["-c", "quite.another=3"]), &[], &["quite.another", "--help"]);
    refused(&with(&["--lisen", "127.0.0.1:0"]), &[], &["--lisen", "--listen"]);
    refused(&with(&[]), &[("KLAMM_NUM_PARTITION", "3")], &["KLAMM_NUM_PARTITION", "KLAMM_NUM_PARTITIONS"]);
    let from_file = |text: &str, parts: &[&str]| {
        fs::write(&file, text).expect("a file");
        refused(&["--listen", "127.0.0.1:0", "--data", data, "--config", path], &[], parts);
    };
    from_file("\nnum.partition = 3\n", &["num.partition", "num.partitions", "line 2"]);
    from_file("num.partitions = \"many\"\n", &["num.partitions", "many", "line 1"]);
    from_file("num.partitions = 3\n[num]\npartitions = 4\n", &[path]);
    from_file("no toml at all", &["line 1"]);
    refused(&with(&["--config", "/no/such/file"]), &[], &["/no/such/file"]);
    assert!(!dir.file("data").exists(), "a refused start leaves no data");
}

#[test]
fn bad_values_say_what_is_expected() {
    let dir = TempDir::new();
    let data = dir.file("data");
    let data = data.to_str().expect("text");
    for (setting, part) in [
        ("num.partitions=0", "num.partitions"),
        ("num.partitions=-1", "num.partitions"),
        ("num.partitions=99999999999999999999", "num.partitions"),
        ("klamm.storage.class=tape", "disk"),
        ("auto.create.topics.enable=maybe", "true"),
        ("klamm.log=\x1b[31m", "klamm.log"),
        ("listen=nowhere", "listen"),
        ("message.max.bytes=200MiB", "socket.request.max.bytes"),
    ] {
        refused(&["--data", data, "-c", setting], &[], &[part]);
    }
    let finished = run_klamm(&["--data", data, "-c", "num.partitions=\x1b[31m\r\nFORGED"], &[]);
    assert!(!finished.stderr.contains('\x1b') && !finished.stderr.contains('\r'), "{:?}", finished.stderr);
}

#[test]
fn a_port_that_is_taken() {
    let dir = TempDir::new();
    let data = dir.file("data");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    refused(
        &["--listen", &address, "--data", data.to_str().expect("text")],
        &[],
        &[&address, "another process"],
    );
}

#[test]
fn folders_that_cannot_be_used() {
    let dir = TempDir::new();
    let file = dir.file("file");
    fs::write(&file, "not a folder").expect("a file");
    let file = file.to_str().expect("text");
    let at = |data: &str, parts: &[&str]| refused(&["--listen", "127.0.0.1:0", "--data", data], &[], parts);
    at(file, &[file, "data folder"]);
    at(&format!("{file}/below"), &[file, "data folder"]);
    at("/proc/klamm-data", &["/proc/klamm-data", "data folder"]); // Unwritable, for root too.

    let server = Server::start(&[]);
    let used = server.data();
    let used = used.to_str().expect("text");
    at(used, &[used, "in use by another process"]);
    drop(server);
}

#[test]
fn formats_of_a_later_release_and_damage() {
    let mut server = Server::start(&[]);
    assert!(server.terminate().success());
    let data = server.data();
    let path = data.to_str().expect("text");
    let at = |parts: &[&str]| refused(&["--listen", "127.0.0.1:0", "--data", path], &[], parts);
    let format = data.join("format");
    let good = fs::read(&format).expect("a format file");
    fs::write(&format, "klamm data format 99\n").expect("a file");
    at(&[path, "99", "newer release"]);
    for text in ["", "garbage", "klamm data format -1", "\x1b[31m\n\n"] {
        fs::write(&format, text).expect("a file");
        at(&[path, "format"]);
    }
    fs::remove_file(&format).expect("it was there");
    at(&[path, "format", "backup"]);
    fs::write(&format, &good).expect("a file");
    server.restart();
    assert!(server.terminate().success(), "with its format again it starts");
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["--version"]] {
        let finished = run_klamm(arguments, &[]);
        assert_eq!(finished.status.code(), Some(0), "{arguments:?}");
        assert!(!finished.stdout.is_empty() && finished.stderr.is_empty(), "{arguments:?}");
    }
}
