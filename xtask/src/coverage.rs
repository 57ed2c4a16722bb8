//! Coverage: what of the recovery code the simulator's seeds reach. The simulator is built with rustc's instrumentation
//! into a folder of its own and run; LLVM's tools of rustc's version read what it wrote.
#![allow(
    clippy::disallowed_methods,
    reason = "a tool beside the broker: it runs programs and reads source files"
)]

use std::{
    collections::BTreeMap,
    env, fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// What a broker runs from its start to its first answer, and what writes what is read there.
const RECOVERY: &[(&str, &[&str])] = &[
    (
        "crates/store-file/src",
        &[
            "open",
            "open/active",
            "open/candidates",
            "open_merged",
            "scan",
            "read",
            "keys",
            "catalog",
            "segments",
            "merge",
            "snapshots",
            "writer",
            "writer/placing",
            "flush",
            "staged",
            "keeper",
            "driver",
            "shared",
            "folder",
            "store",
            "error",
            "format/chunk",
            "format/file_header",
            "format/footer",
            "format/head",
            "format",
            "format/name",
            "format/trailer",
        ],
    ),
    ("crates/store/src", &["acquire", "ahead", "carrier", "chain", "entry", "head", "merge", "segments"]),
    (
        "crates/shard/src",
        &[
            "recovery",
            "checkpoint",
            "cleaning",
            "pipeline",
            "runtime",
            "runtime/appending",
            "runtime/background",
        ],
    ),
    ("crates/partition/src", &["machine", "record", "snapshot", "producer", "epochs", "state"]),
    ("crates/cluster/src", &["machine", "record", "snapshot", "state"]),
    ("crates/group/src", &["machine", "record", "snapshot", "state", "codec"]),
];

/// Runs that many seeds and says what of the recovery code they reached.
pub fn run(root: &Path, seeds: u64) -> Result<String, String> {
    let tools = Tools::find()?;
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("coverage");
    let (sim, profiles) = (target.join("debug/sim"), target.join("profiles"));
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Some optimisation: it takes longer to build, and the seeds less than half.
    build.env("RUSTFLAGS", "-Cinstrument-coverage").env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    // Macros and build scripts are programs, too, and write their own.
    build.env("LLVM_PROFILE_FILE", profiles.join("build-%4m.profraw"));
    done(build.current_dir(root).args(["build", "-p", "klamm-sim", "--target-dir"]).arg(&target))?;
    // Those of the build, and of earlier ones, would not fit.
    let _ = fs::remove_dir_all(&profiles);
    // %m: processes add up in a few files.
    let raw = profiles.join("%4m.profraw");
    done(Command::new(&sim).env("LLVM_PROFILE_FILE", &raw).args(["--seeds", &seeds.to_string()]))?;
    done(Command::new(&sim).env("LLVM_PROFILE_FILE", &raw).arg("rot"))?;
    Ok(report(seeds, &tools.coverage(root, &profiles, &sim)?))
}

fn recovery() -> impl Iterator<Item = String> {
    RECOVERY.iter().flat_map(|(folder, names)| names.iter().map(move |name| format!("{folder}/{name}.rs")))
}

/// Runs a command; its standard output.
fn done(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} can't be run: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}\n{}{said}", output.status, String::from_utf8_lossy(&output.stdout)))
}

/// LLVM's tools; their version must be rustc's.
struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Tools {
    fn find() -> Result<Self, String> {
        let rustc = |arguments: &[&str]| {
            let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
            done(Command::new(rustc).args(arguments)).map(|told| String::from_utf8_lossy(&told).into_owned())
        };
        let told = rustc(&["-vV"])?;
        let field = |name: &str| {
            let found = told.lines().find_map(|line| line.strip_prefix(name));
            found.map(str::to_owned).ok_or_else(|| format!("rustc -vV has no {name}:\n{told}"))
        };
        let llvm = field("LLVM version: ")?.split('.').next().unwrap_or_default().to_owned();
        let component = Path::new(rustc(&["--print", "sysroot"])?.trim())
            .join("lib/rustlib")
            .join(field("host: ")?)
            .join("bin");
        let find = |name: &str| {
            let names = [component.join(name), format!("{name}-{llvm}").into(), name.into()];
            let fits = |path: &PathBuf| {
                let told = done(Command::new(path).arg("--version")).unwrap_or_default();
                String::from_utf8_lossy(&told).contains(&format!("LLVM version {llvm}."))
            };
            names.into_iter().find(fits).ok_or_else(|| {
                format!(
                    "{name} of LLVM {llvm} is missing: rustup component add llvm-tools, \
                     or Debian's package llvm-{llvm}"
                )
            })
        };
        Ok(Self { profdata: find("llvm-profdata")?, cov: find("llvm-cov")? })
    }

    /// What a program reached that wrote profiles into a folder.
    fn coverage(&self, root: &Path, profiles: &Path, program: &Path) -> Result<Vec<FileCoverage>, String> {
        let merged = profiles.with_extension("profdata");
        done(Command::new(&self.profdata).args(["merge", "-sparse", "-o"]).arg(&merged).arg(profiles))?;
        let mut export = Command::new(&self.cov);
        export.args(["export", "-skip-functions", "-instr-profile"]).arg(&merged).arg(program);
        let json = done(export.args(RECOVERY.iter().map(|(folder, _)| root.join(folder))))?;
        let all = serde_json::from_slice(&json).map_err(|error| format!("llvm-cov's answer: {error}"))?;
        recovery().map(|path| FileCoverage::of(root, path, &all)).collect()
    }
}

/// What was reached of a file.
#[derive(Debug, PartialEq)]
struct FileCoverage {
    path: String,
    /// Reached, and all.
    regions: (u64, u64),
    lines: (u64, u64),
    /// Lines with a region that was not reached, and the first of such regions. The `?` of an error that never came
    /// is none.
    missed: BTreeMap<usize, String>,
}

impl FileCoverage {
    fn of(root: &Path, path: String, all: &Value) -> Result<Self, String> {
        let full = root.join(&path);
        let files = all["data"][0]["files"].as_array().map_or(&[][..], Vec::as_slice);
        let found = files.iter().find(|file| file["filename"].as_str() == full.to_str());
        let found =
            found.ok_or_else(|| format!("{path} is not in the simulator; mend the list in coverage.rs"))?;
        let text = fs::read_to_string(&full).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self::from(path, found, &text))
    }

    fn from(path: String, file: &Value, text: &str) -> Self {
        let of = |what: &str| {
            let number = |name: &str| file["summary"][what][name].as_u64().unwrap_or(0);
            (number("covered"), number("count"))
        };
        let (mut missed, lines) = (BTreeMap::new(), text.lines().collect::<Vec<_>>());
        let segments = file["segments"].as_array().map_or(&[][..], Vec::as_slice);
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            // Line, column, count, has a count, is a region's begin, is a gap.
            let flag = |at: usize| segment[at].as_bool() == Some(true);
            if segment[2].as_u64() != Some(0) || !flag(3) || !flag(4) || flag(5) {
                continue;
            }
            let place = |of: &Value, at: usize| of[at].as_u64().unwrap_or(1) as usize - 1;
            let (line, from) = (place(segment, 0), place(segment, 1));
            let to = if place(next, 0) == line { place(next, 1) } else { usize::MAX };
            let chars = lines.get(line).into_iter().flat_map(|line| line.chars());
            let text: String = chars.skip(from).take(to - from).collect();
            if text != "?" {
                missed.entry(line + 1).or_insert(text);
            }
        }
        Self { path, regions: of("regions"), lines: of("lines"), missed }
    }

    /// The lines that were not reached, neighbours together, with the first one's text.
    fn places(&self) -> Vec<(RangeInclusive<usize>, &str)> {
        let mut places: Vec<(RangeInclusive<usize>, &str)> = Vec::new();
        for (line, text) in &self.missed {
            match places.last_mut() {
                // A line between them has nothing of its own, such as a brace.
                Some((place, _)) if *line <= place.end() + 2 => *place = *place.start()..=*line,
                _ => places.push((*line..=*line, text.trim())),
            }
        }
        places
    }
}

/// A table, and below it what was not reached.
fn report(seeds: u64, files: &[FileCoverage]) -> String {
    let mut said = format!(
        "{seeds} seeds and sim rot\n\n| file | regions reached | lines reached | places that were not |\n|---|---|---|---|\n"
    );
    let part = |(reached, all): (u64, u64)| format!("{reached} of {all} ({} %)", reached * 100 / all.max(1));
    let sum = |which: fn(&FileCoverage) -> (u64, u64)| {
        files.iter().map(which).fold((0, 0), |sum, (reached, all)| (sum.0 + reached, sum.1 + all))
    };
    for file in files {
        let path = file.path.replacen("crates/", "", 1).replacen("src/", "", 1);
        let (regions, lines, places) = (part(file.regions), part(file.lines), file.places().len());
        said += &format!("| {path} | {regions} | {lines} | {places} |\n");
    }
    let (regions, lines) = (part(sum(|file| file.regions)), part(sum(|file| file.lines)));
    let places: usize = files.iter().map(|file| file.places().len()).sum();
    said += &format!("| all | {regions} | {lines} | {places} |\n\nNot reached:\n");
    for file in files {
        for (place, text) in file.places() {
            let to = if place.end() > place.start() { format!("-{}", place.end()) } else { String::new() };
            said += &format!("{}:{}{to}: {text}\n", file.path, place.start());
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_reached_is_told_with_its_text() {
        let text = "fn open() {\n    read()?;\n    if torn { cut() }\n}\n";
        let file = serde_json::json!({
            "summary": { "regions": { "count": 4, "covered": 2 }, "lines": { "count": 4, "covered": 4 } },
            "segments": [
                [1, 11, 7, true, true, false], [2, 11, 0, true, true, false], [2, 12, 7, true, false, false],
                [3, 13, 0, true, true, true], [3, 15, 0, true, true, false], [3, 20, 7, true, false, false],
                [4, 2, 0, false, false, false],
            ],
        });
        let told = FileCoverage::from("crates/a/src/b.rs".to_owned(), &file, text);
        assert_eq!(told.missed, BTreeMap::from([(3, "cut()".to_owned())]));
        assert_eq!(told.regions, (2, 4));
        let said = report(9, &[told]);
        assert!(said.contains("| a/b.rs | 2 of 4 (50 %) | 4 of 4 (100 %) | 1 |"), "{said}");
        assert!(said.ends_with("crates/a/src/b.rs:3: cut()\n"), "{said}");
    }

    #[test]
    fn every_file_of_the_list_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in the workspace");
        let gone: Vec<_> = recovery().filter(|path| !root.join(path).is_file()).collect();
        assert!(gone.is_empty(), "{gone:?}");
    }
}
