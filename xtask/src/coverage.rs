//! Coverage: which regions of the recovery code no seed of the simulator reaches. The simulator is built with rustc's
//! instrumentation into a folder of its own, run, and asked; LLVM's tools of rustc's version read what it wrote.
#![allow(
    clippy::disallowed_methods,
    reason = "a tool beside the broker: it runs programs and reads source files"
)]

use std::{
    env, fs,
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
            "open_merged",
            "scan",
            "read",
            "keys",
            "catalog",
            "segments",
            "merge",
            "snapshots",
            "writer",
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
            "format/mod",
            "format/name",
            "format/trailer",
        ],
    ),
    ("crates/store/src", &["carrier", "acquire", "chain", "entry", "merge", "segments"]),
    ("crates/shard/src", &["recovery", "checkpoint", "cleaning", "pipeline", "runtime"]),
    ("crates/partition/src", &["machine", "record", "snapshot", "producer", "epochs", "state"]),
    ("crates/cluster/src", &["machine", "record", "snapshot", "state"]),
    ("crates/group/src", &["machine", "record", "snapshot", "state", "codec"]),
];

/// Runs that many seeds and says what of the recovery code they reached.
pub fn run(root: &Path, seeds: u64) -> Result<String, String> {
    let tools = Tools::find()?;
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("coverage");
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Some optimisation: it takes longer to build, and the seeds less than half.
    build.env("RUSTFLAGS", "-Cinstrument-coverage").env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    let (sim, profiles) = (target.join("debug/sim"), target.join("profiles"));
    // Macros and build scripts are programs, too, and write their own.
    build.env("LLVM_PROFILE_FILE", profiles.join("build-%4m.profraw"));
    done(build.current_dir(root).args(["build", "-p", "klamm-sim", "--target-dir"]).arg(&target))?;
    // Those of the build, and of earlier ones, would not fit.
    let _ = fs::remove_dir_all(&profiles);
    // %m: processes add up in a few files.
    let raw = profiles.join("%4m.profraw");
    done(Command::new(&sim).env("LLVM_PROFILE_FILE", &raw).args(["--seeds", &seeds.to_string()]))?;
    done(Command::new(&sim).env("LLVM_PROFILE_FILE", &raw).arg("rot"))?;
    let merged = profiles.join("all.profdata");
    done(Command::new(tools.profdata).args(["merge", "-sparse", "-o"]).arg(&merged).arg(&profiles))?;
    let mut export = Command::new(tools.cov);
    export.args(["export", "-skip-functions", "-instr-profile"]).arg(&merged).arg(&sim);
    let json = done(export.args(RECOVERY.iter().map(|(folder, _)| root.join(folder))))?;
    let all = serde_json::from_slice(&json).map_err(|error| format!("llvm-cov's answer: {error}"))?;
    let files: Result<Vec<_>, String> = recovery().map(|path| FileCoverage::of(root, path, &all)).collect();
    Ok(report(seeds, &files?))
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
}

/// What was reached of a file.
#[derive(Debug, PartialEq)]
struct FileCoverage {
    path: String,
    /// Reached, and all.
    regions: (u64, u64),
    lines: (u64, u64),
    /// Regions that were not reached: line and text. The `?` of an error that never came are only counted.
    missed: Vec<(usize, String)>,
    errors_missed: usize,
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
        let (mut missed, mut errors_missed) = (Vec::new(), 0);
        let lines: Vec<&str> = text.lines().collect();
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
            if text == "?" {
                errors_missed += 1;
            } else {
                missed.push((line + 1, text));
            }
        }
        Self { path, regions: of("regions"), lines: of("lines"), missed, errors_missed }
    }
}

/// A table, and below it every region that was not reached.
fn report(seeds: u64, files: &[FileCoverage]) -> String {
    let mut said = format!(
        "{seeds} seeds and sim rot\n\n| file | regions reached | lines reached | errors passed on that never came |\n|---|---|---|---|\n"
    );
    let part = |(reached, all): (u64, u64)| format!("{reached} of {all} ({} %)", reached * 100 / all.max(1));
    let sum = |which: fn(&FileCoverage) -> (u64, u64)| {
        files.iter().map(which).fold((0, 0), |sum, (reached, all)| (sum.0 + reached, sum.1 + all))
    };
    for file in files {
        let path = file.path.replacen("crates/", "", 1).replacen("src/", "", 1);
        let (regions, lines) = (part(file.regions), part(file.lines));
        said += &format!("| {path} | {regions} | {lines} | {} |\n", file.errors_missed);
    }
    let errors: usize = files.iter().map(|file| file.errors_missed).sum();
    let (regions, lines) = (part(sum(|file| file.regions)), part(sum(|file| file.lines)));
    said += &format!("| all | {regions} | {lines} | {errors} |\n\nNot reached:\n");
    for file in files {
        for (line, text) in &file.missed {
            said += &format!("{}:{line}: {}\n", file.path, text.trim());
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
        assert_eq!(told.missed, [(3, "cut()".to_owned())].map(|(line, text)| (line, text)));
        assert_eq!((told.errors_missed, told.regions), (1, (2, 4)));
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
