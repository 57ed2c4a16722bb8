//! Tidy rules over the workspace, and that each of them finds what it is for.
#![allow(clippy::disallowed_methods, reason = "a test that reads the source files")]

use std::{fs, path::Path};

use xtask::tidy::{LINES_MANY, check, inherits_lints, sources, unfinished};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn each(folder: &str, mut look: impl FnMut(&str, &str)) {
    for path in sources(&root().join(folder)).unwrap() {
        let text = fs::read_to_string(&path).unwrap();
        look(path.strip_prefix(root()).unwrap().to_str().unwrap(), &text);
    }
}

#[test]
fn crates_are_tidy() {
    let mut wrong = Vec::new();
    each("crates", |path, text| {
        wrong.extend(check(path, text));
        let lines = text.lines().count();
        if lines > LINES_MANY {
            println!("{path}: {lines} lines");
        }
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_unfinished() {
    let mut wrong = Vec::new();
    for folder in ["crates", "sim", "conformance", "journal-model", "bench", "faults", "xtask/src"] {
        each(folder, |path, text| wrong.extend(unfinished(path, text)));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|item| item.unwrap().path());
    let tools =
        ["sim", "conformance", "journal-model", "bench", "faults", "xtask"].map(|tool| root().join(tool));
    for folder in crates.chain(tools) {
        let manifest = folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(inherits_lints(&text), "{}: write [lints] workspace = true", manifest.display());
    }
}

#[test]
fn each_rule_finds_its_fault() {
    const HEAD: &str = "//! A header.\n";
    for (path, code, said) in [
        ("crates/x/src/a.rs", "fn f() { std::fs::read(p); }", Some("std::fs")),
        ("crates/x/src/a.rs", "use std::{\n    fs, io,\n    sync::Arc,\n};", Some("std::fs")),
        ("crates/x/src/a.rs", "use std::{io, net::{SocketAddr, TcpStream}};", Some("std::net")),
        ("crates/x/src/a.rs", "use std::net::TcpListener;", Some("std::net")),
        ("crates/x/src/a.rs", "let now = Instant::now();", Some("the time of day")),
        ("crates/x/src/a.rs", "fn f() { todo!() }", Some("was left")),
        ("crates/x/src/a.rs", "use std::{net::SocketAddr, pin::Pin};", None),
        ("crates/x/src/a.rs", "use std::net::{IpAddr, SocketAddr};", None),
        ("crates/x/src/a.rs", "// std::fs::read is for klamm-env\nfn f() {}", None),
        ("crates/x/src/a.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n}", None),
        ("crates/x/tests/a.rs", "use std::fs;", None),
        ("crates/env/src/a.rs", "use std::fs;", None),
    ] {
        let found = check(path, &format!("{HEAD}{code}"));
        match said {
            Some(said) => assert!(found.len() == 1 && found[0].contains(said), "{code}: {found:?}"),
            None => assert!(found.is_empty(), "{code}: {found:?}"),
        }
    }
    assert!(check("crates/x/src/a.rs", "fn f() {}")[0].contains("no //! header"));
    assert!(check("crates/x/src/a.rs", &format!("{HEAD}{}", "\n".repeat(700)))[0].contains("701 lines"));
    assert!(inherits_lints("[lints]\nworkspace = true\n"));
    assert!(!inherits_lints("[lints.rust]\nunsafe_code = \"allow\"\n"));
}
