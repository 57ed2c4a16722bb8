//! Tidy rules over the workspace, and that each of them finds what it is for.
#![allow(clippy::disallowed_methods, reason = "a test that reads the source files")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use xtask::{
    layers::Graph,
    tidy::{LINES_MANY, check, inherits_lints, sources},
};

/// Has made-up faults.
const MADE_UP: &str = "xtask/tests/tidy.rs";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folders of the workspace's members.
fn members() -> Vec<PathBuf> {
    Graph::read(root()).unwrap().members.values().map(|folder| root().join(folder)).collect()
}

#[test]
fn members_are_tidy() {
    let (mut wrong, mut looked_at) = (Vec::new(), 0);
    for source in members().iter().flat_map(|folder| sources(folder).unwrap()) {
        let path = source.strip_prefix(root()).unwrap().to_str().unwrap();
        let text = fs::read_to_string(&source).unwrap();
        looked_at += 1;
        if path != MADE_UP {
            wrong.extend(check(path, &text));
        }
        let lines = text.lines().count();
        if lines > LINES_MANY {
            println!("{path}: {lines} lines");
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(looked_at > 400, "there are more sources than {looked_at}");
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    for folder in members() {
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
        ("tool/src/a.rs", "use std::fs;", None),
        ("tool/src/a.rs", "fn f() { dbg!(1) }", Some("was left")),
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
