//! Imports point down only: the workspace as it is, and made-up violations that the check must find.

use std::{collections::BTreeSet, path::Path};

use xtask::layers::{ALLOWED, Graph, IMPURE, PURE, check, run};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn the_layers_hold() {
    if let Err(violations) = run(root()) {
        panic!("{violations}");
    }
}

#[test]
fn rows_allow_only_what_is_used_and_below() {
    for (at, (name, allowed)) in ALLOWED.iter().enumerate() {
        for to in *allowed {
            let below = ALLOWED[at + 1..].iter().any(|(row, _)| row == to);
            assert!(below, "{name} may import {to}, which is not below it in the table");
        }
    }
    let rows: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let graph = Graph::read(root()).unwrap();
    for (name, allowed) in ALLOWED {
        for to in *allowed {
            assert!(graph.edges[*name].contains(*to), "{name} does not import {to}; take it out of its row");
        }
    }
    for name in rows.iter().chain(PURE) {
        assert!(graph.members.contains_key(*name), "{name} is in a table and not in the workspace");
    }
    assert!(IMPURE.contains(&"tokio"));
}

/// A workspace of which all is well, with one more edge: what is found.
fn with_edge(from: &str, to: &str) -> Vec<String> {
    let mut graph = Graph::default();
    for (name, _) in ALLOWED {
        let folder = format!("crates/{}", name.strip_prefix("klamm-").unwrap_or(name));
        graph.members.insert((*name).to_owned(), folder);
    }
    graph.members.insert("klamm-bench".to_owned(), "bench".to_owned());
    graph.edges.insert("helper".to_owned(), ["libc".to_owned()].into());
    assert_eq!(check(&graph), [], "nothing is wrong without the edge");
    graph.edges.entry(from.to_owned()).or_default().insert(to.to_owned());
    check(&graph).iter().map(ToString::to_string).collect()
}

#[test]
fn made_up_violations_are_found() {
    for (from, to, said) in [
        ("klamm-shard", "klamm-broker", "imports point down only"),
        ("klamm-partition", "klamm-cluster", "klamm-partition may import klamm-machine"),
        ("klamm-partition", "klamm-protocol", "klamm-partition may import klamm-machine"),
        ("klamm-broker", "klamm-store-file", "go through the layer between"),
        ("klamm-store-file", "klamm-store-object", "klamm-store-file may import klamm-store"),
        ("klamm-net", "klamm-model", "klamm-net may import klamm-env."),
        ("klamm-model", "klamm-model", "klamm-model may import nothing"),
        ("klamm-shard", "klamm-bench", "klamm-bench (bench) is a tool on the side"),
        ("klamm-records", "helper", "klamm-records -> helper -> libc"),
        ("klamm-cluster", "tokio", "klamm-cluster must run without an operating system; drop tokio"),
    ] {
        let found = with_edge(from, to);
        assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
        let folder = from.strip_prefix("klamm-").unwrap();
        assert!(found[0].starts_with(&format!("crates/{folder}/Cargo.toml: {from} -> {to}")), "{}", found[0]);
        assert!(found[0].contains(said), "{}", found[0]);
    }
}

#[test]
fn a_crate_without_a_row_is_found() {
    let mut graph = Graph::default();
    graph.members.insert("klamm-new".to_owned(), "crates/new".to_owned());
    graph.members.insert("klamm-sim".to_owned(), "sim".to_owned());
    let found = check(&graph);
    assert_eq!(found.len(), 1);
    assert!(found[0].remedy.contains("klamm-new is in no layer"));
}
