//! The layers: which crate may import which, as one table, and a check of it over `cargo metadata`.
//! Invariant: a row allows only rows below it, so there are no cycles. Dev-dependencies are exempt: tests may look up.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    process::Command,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// What every crate in `crates/` may import of the others, from the top down.
pub const ALLOWED: &[(&str, &[&str])] = &[
    // The facade and the binary. Alone names concrete backends.
    (
        "klamm",
        &[
            "klamm-net",
            "klamm-broker",
            "klamm-client",
            "klamm-shard",
            "klamm-group",
            "klamm-cluster",
            "klamm-store-file",
            "klamm-store",
            "klamm-env",
            "klamm-model",
        ],
    ),
    // Bytes to frames and back. Knows no Kafka: the facade joins it to the broker.
    ("klamm-net", &["klamm-env"]),
    // The handlers translate between the protocol and the machines. No stores, no sockets.
    (
        "klamm-broker",
        &[
            "klamm-shard",
            "klamm-partition",
            "klamm-group",
            "klamm-cluster",
            "klamm-records",
            "klamm-protocol",
            "klamm-env",
            "klamm-model",
        ],
    ),
    // Judges what clients saw; the simulator and tests of processes use it.
    ("klamm-checker", &[]),
    // Talks to any broker over the wire, so it knows nothing of this one.
    ("klamm-client", &["klamm-records", "klamm-protocol", "klamm-env"]),
    // The runtime of machines over a store. Speaks no protocol.
    (
        "klamm-shard",
        &["klamm-partition", "klamm-machine", "klamm-store", "klamm-records", "klamm-env", "klamm-model"],
    ),
    // The machines. They never import each other.
    ("klamm-partition", &["klamm-machine", "klamm-records", "klamm-model"]),
    ("klamm-group", &["klamm-machine", "klamm-model"]),
    ("klamm-cluster", &["klamm-machine", "klamm-model"]),
    ("klamm-machine", &["klamm-model"]),
    // The carriers. They never import each other.
    ("klamm-store-file", &["klamm-store", "klamm-env", "klamm-model"]),
    ("klamm-store-object", &["klamm-store", "klamm-model"]),
    ("klamm-store", &["klamm-model"]),
    // The ground.
    ("klamm-records", &[]),
    ("klamm-protocol", &[]),
    ("klamm-env", &[]),
    ("klamm-model", &[]),
];

/// Crates that must run anywhere, WebAssembly too, and the same way each time.
pub const PURE: &[&str] = &[
    "klamm-checker",
    "klamm-partition",
    "klamm-group",
    "klamm-cluster",
    "klamm-machine",
    "klamm-records",
    "klamm-protocol",
    "klamm-model",
];

/// What a pure crate must not reach through any chain of normal dependencies.
pub const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "rustix",
    "libc",
    "nix",
    "getrandom",
    "async-io",
    "polling",
    "rayon",
    "chrono",
    "time",
    "klamm-env",
];

/// The platform for which optional edges are counted: a fixed one, so that the check says the same everywhere.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What the check looks at.
#[derive(Debug, Default)]
pub struct Graph {
    /// The workspace's crates and their folders, relative to the root.
    pub members: BTreeMap<String, String>,
    /// Normal and build dependencies of members, normal ones of all others, by name.
    pub edges: BTreeMap<String, BTreeSet<String>>,
    /// What each pure crate links when it is built alone. The edges are of all members together, dev-dependencies too,
    /// and so have features that nobody asked for in that crate.
    pub linked: BTreeMap<String, BTreeSet<String>>,
}

/// An edge that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The chain of crates, from the one at fault.
    pub edge: Vec<String>,
    /// The file to change.
    pub file: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  {}", self.file, self.edge.join(" -> "), self.remedy)
    }
}

/// Checks the workspace at `root`.
pub fn run(root: &Path) -> Result<String, String> {
    let graph = Graph::read(root)?;
    let violations = check(&graph);
    if violations.is_empty() {
        return Ok(format!("the layers hold: {} crates", ALLOWED.len()));
    }
    Err(violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("\n"))
}

/// All violations, in the order of the table.
pub fn check(graph: &Graph) -> Vec<Violation> {
    let mut found = Vec::new();
    let rows: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    for (name, folder) in graph.members.iter().filter(|(_, folder)| folder.starts_with("crates/")) {
        let violation = |edge: &[&String], remedy| Violation {
            edge: edge.iter().map(|name| (*name).clone()).collect(),
            file: format!("{folder}/Cargo.toml"),
            remedy,
        };
        let Some(allowed) = rows.get(name.as_str()) else {
            found.push(violation(
                &[name],
                format!("{name} is in no layer; give it a row in xtask/src/layers.rs"),
            ));
            continue;
        };
        for to in graph.of(name).filter(|to| graph.members.contains_key(*to)) {
            if !allowed.contains(&to.as_str()) {
                found.push(violation(&[name, to], remedy(graph, name, to, allowed)));
            }
        }
        if PURE.contains(&name.as_str())
            && let Some(chain) = graph.chain(name, IMPURE)
        {
            let last = chain.last().expect("a chain has an end");
            let remedy = format!(
                "{name} must run without an operating system; drop {}, or its feature that brings {last}",
                chain[1]
            );
            found.push(violation(&chain.iter().collect::<Vec<_>>(), remedy));
        }
    }
    found
}

fn remedy(graph: &Graph, from: &str, to: &str, allowed: &[&str]) -> String {
    let place = |name| ALLOWED.iter().position(|(row, _)| *row == name);
    let list = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
    let why = match (place(from), place(to)) {
        (_, None) => format!("{to} ({}) is a tool on the side; move what is needed", graph.members[to]),
        (Some(from), Some(to)) if to <= from => {
            "imports point down only; move the code down, or hand it in from above \
             (a trait, a closure, a value)"
                .to_owned()
        }
        _ => "go through the layer between, or change the table and design's Layers together".to_owned(),
    };
    format!("{from} may import {list}. {why}")
}

impl Graph {
    /// Reads `cargo metadata` of the workspace at `root`.
    pub fn read(root: &Path) -> Result<Self, String> {
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .other_options(["--filter-platform".to_owned(), PLATFORM.to_owned()])
            .exec()
            .map_err(|error| format!("cargo metadata: {error}"))?;
        let mut graph = Self::of_metadata(&metadata);
        for name in PURE.iter().filter(|name| graph.members.contains_key(**name)) {
            graph.linked.insert((*name).to_owned(), linked(root, name)?);
        }
        Ok(graph)
    }

    fn of_metadata(metadata: &Metadata) -> Self {
        let names: BTreeMap<_, _> = metadata.packages.iter().map(|p| (&p.id, p.name.to_string())).collect();
        let mut graph = Self::default();
        for package in metadata.workspace_packages() {
            let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
            let folder = folder.strip_prefix(&metadata.workspace_root).unwrap_or(folder);
            graph.members.insert(package.name.to_string(), folder.to_string());
            // Declared, not resolved: an optional import is an import.
            let declared = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
            graph.edges.insert(package.name.to_string(), declared.map(|d| d.name.clone()).collect());
        }
        for node in metadata.resolve.iter().flat_map(|resolve| &resolve.nodes) {
            let normal = |kind: &cargo_metadata::DepKindInfo| kind.kind == DependencyKind::Normal;
            let deps = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(normal));
            let edges = graph.edges.entry(names[&node.id].clone()).or_default();
            edges.extend(deps.map(|dep| names[&dep.pkg].clone()));
        }
        graph
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &String> {
        self.edges.get(name).into_iter().flatten()
    }

    /// The shortest chain from `from` to any of `to`.
    fn chain(&self, from: &str, to: &[&str]) -> Option<Vec<String>> {
        let linked = self.linked.get(from);
        let mut seen = BTreeSet::from([from.to_owned()]);
        let mut paths = std::collections::VecDeque::from([vec![from.to_owned()]]);
        while let Some(path) = paths.pop_front() {
            for next in self.of(path.last().expect("paths have an end")) {
                if linked.is_none_or(|linked| linked.contains(next)) && seen.insert(next.clone()) {
                    let longer = [&path[..], std::slice::from_ref(next)].concat();
                    if to.contains(&next.as_str()) {
                        return Some(longer);
                    }
                    paths.push_back(longer);
                }
            }
        }
        None
    }
}

/// The names of all that `package` links when it is built alone.
fn linked(root: &Path, package: &str) -> Result<BTreeSet<String>, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["tree", "-p", package, "-e", "normal", "--target", PLATFORM, "--prefix", "none"])
        .output()
        .map_err(|error| format!("cargo tree: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree -p {package}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}
