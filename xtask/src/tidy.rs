//! Tidy rules: what no compiler checks. Pure functions of a file's path and text; `xtask/tests/tidy.rs` runs them.
#![allow(clippy::disallowed_methods, reason = "a tool beside the broker: it reads the source files")]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A file with more lines fails.
pub const LINES_MAX: usize = 700;
/// A file with more lines is listed.
pub const LINES_MANY: usize = 400;

/// What is left by somebody who wanted to come back.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];
/// What of `std::net` is a value, not a door.
const ADDRESSES: &[&str] = &["SocketAddr", "IpAddr", "Ipv4Addr", "Ipv6Addr", "AddrParseError"];

/// The .rs files below `folder` (generated ones and build folders left out), sorted.
pub fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder)? {
            let path = item?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !["generated", "target"].contains(&name) && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What is wrong with a source file; `path` is relative to the workspace.
pub fn check(path: &str, text: &str) -> Vec<String> {
    let mut wrong = unfinished(path, text);
    if !text.starts_with("//!") {
        wrong.push(format!("{path}: no //! header; say what the file is for and what always holds"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        wrong.push(format!("{path}: {lines} lines; split it ({LINES_MAX} at most)"));
    }
    if path.starts_with("crates/") && !is_test(path) && !path.starts_with("crates/env/") {
        let doors = doors(before_tests(text));
        wrong.extend(doors.iter().map(|door| format!("{path}: {door}; go through klamm-env")));
    }
    wrong
}

/// Macros that were left behind.
fn unfinished(path: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let left = UNFINISHED.iter().filter(|name| code.contains(&format!("{name}(")));
    left.map(|name| format!("{path}: {name} was left; finish it")).collect()
}

/// Whether a manifest takes over the workspace's lints.
pub fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.find(|line| !line.is_empty() && !line.starts_with('#')) == Some("workspace = true")
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/suite")
}

/// The text up to an inline module of tests.
fn before_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at])
}

/// The text without line comments and white space.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect()
}

/// Ways around klamm-env.
fn doors(text: &str) -> Vec<&'static str> {
    let code = code(text);
    let mut found = Vec::new();
    let net = |rest: &str| {
        let names = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or(rest);
        names.split(',').any(|name| {
            let word: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            !ADDRESSES.contains(&word.as_str()) && !word.is_empty()
        })
    };
    let first_of = |rest: &str| rest.split([',', ';', ')']).next().unwrap_or_default().to_owned();
    for (at, _) in code.match_indices("std::") {
        let rest = &code[at + 5..];
        let group = rest.strip_prefix('{').and_then(|rest| rest.split(";").next());
        if rest.starts_with("fs") || group.is_some_and(|g| members(g).iter().any(|m| m.starts_with("fs"))) {
            found.push("std::fs");
        }
        let mut nets: Vec<String> = Vec::new();
        if let Some(rest) = rest.strip_prefix("net::") {
            nets.push(if rest.starts_with('{') { rest.to_owned() } else { first_of(rest) });
        }
        nets.extend(
            group.into_iter().flat_map(members).filter_map(|m| Some(m.strip_prefix("net::")?.to_owned())),
        );
        if nets.iter().any(|rest| net(rest)) {
            found.push("std::net");
        }
    }
    if code.contains("Instant::now") || code.contains("SystemTime::now") {
        found.push("the time of day");
    }
    found.dedup();
    found
}

/// The members of an import group, whose opening brace is cut off; groups inside stay whole.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut out) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                out.push(String::new());
                continue;
            }
            _ => {}
        }
        out.last_mut().expect("never empty").push(c);
    }
    out
}
