//! The page on the command line shows what really happens: its console blocks are run, in order, against one `klamm dev`.
//! Numbers and ids may differ, and where a line of the page is `…` anything may follow.
#![allow(clippy::disallowed_methods, reason = "a test starts processes of its own")]

use std::{path::Path, time::Duration};

use klamm_testing::{Process, Signal, command};

const KLAMM: &str = env!("CARGO_BIN_EXE_klamm");

/// A command and what the page shows of its output.
struct Example {
    line: String,
    output: Vec<String>,
}

/// The console blocks of a page.
fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (line, line.strip_prefix("$ ")) {
            ("```console", _) => inside = true,
            ("```", _) => inside = false,
            (_, Some(command)) if inside => {
                examples.push(Example { line: command.to_owned(), output: Vec::new() });
            }
            _ if inside => examples.last_mut().expect("a command comes first").output.push(line.to_owned()),
            _ => {}
        }
    }
    examples
}

/// A line without what differs from run to run: numbers, ids, the width of columns.
fn plain(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let word = if word.len() >= 22 && word.ends_with(')') { "ID)" } else { word };
        let mut plain = String::new();
        for character in word.chars() {
            match character {
                '0'..='9' if plain.ends_with('#') => {}
                '0'..='9' => plain.push('#'),
                other => plain.push(other),
            }
        }
        plain.replace("#.#", "#")
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_command_line() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let examples = examples(&page);
    assert!(examples.len() > 20, "the page has {} commands", examples.len());
    let limit = Duration::from_secs(30);
    let mut broker =
        Process::spawn(command(KLAMM).args(["dev", "--listen", "127.0.0.1:0"])).expect("it starts");
    let address = broker.ready(limit).expect("it serves");
    let folder = Path::new(KLAMM).parent().expect("it lies in a folder").display();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let mut wrong = Vec::new();
    for Example { line, output } in examples {
        if line == "klamm dev" {
            continue; // it runs already
        }
        let result = command("sh")
            .args(["-c", &format!("{{ {line}; }} 2>&1")])
            .env("PATH", &path)
            .env("KLAMM_BOOTSTRAP", &address)
            .output()
            .expect("there is a shell");
        let said = String::from_utf8_lossy(&result.stdout).into_owned();
        let wanted: Vec<_> = output.iter().map(|line| plain(line)).collect();
        let found: Vec<_> = said.lines().map(plain).collect();
        let same = match wanted.iter().position(|line| line == "…") {
            Some(end) => found.len() >= end && found[..end] == wanted[..end],
            None => found == wanted,
        };
        if !same {
            wrong.push(format!("$ {line}\n{said}"));
        }
    }
    broker.signal(Signal::TERM).expect("it runs");
    assert!(broker.wait(limit).is_some(), "it ends, and removes its folder");
    assert!(wrong.is_empty(), "docs/cli.md shows something else than:\n{}", wrong.join("\n"));
}
