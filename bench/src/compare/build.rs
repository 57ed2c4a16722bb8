//! What the comparison runs, built if need be.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use super::ending;

/// The clone.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Where everything is.
pub(crate) struct Built {
    pub(crate) klamm: PathBuf,
    pub(crate) floor: PathBuf,
    pub(crate) load: PathBuf,
    pub(crate) librdkafka: PathBuf,
    pub(crate) kafka: PathBuf,
    pub(crate) slow_sync: PathBuf,
}

/// Builds what is not up to date, in the profile of this program.
pub(crate) fn all(klamm: Option<PathBuf>, folder: &Path) -> io::Result<Built> {
    let root = Path::new(ROOT);
    let own = std::env::current_exe()?;
    let beside = own.parent().ok_or_else(|| io::Error::other("this program is in no folder"))?;
    let target = beside.parent().ok_or_else(|| io::Error::other("its folder is in no folder"))?;
    let profile = if beside.ends_with("release") { "release" } else { "dev" };
    cargo(root, target, profile, &["-p", "klamm-bench", "--bins"])?;
    let klamm = match klamm {
        Some(klamm) => klamm.canonicalize()?,
        None => {
            cargo(root, target, profile, &["-p", "klamm"])?;
            beside.join("klamm")
        }
    };
    cargo(&root.join("bench/rdkafka"), target, "release", &[])?;
    let slow_sync = folder.join("slow_sync.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&slow_sync)
        .arg(root.join("bench/slow_sync.c"))
        .arg("-ldl");
    succeed(cc, "the library that slows syncs was not built")?;
    Ok(Built {
        klamm,
        floor: beside.join("floor"),
        load: beside.join("load"),
        librdkafka: target.join("release/klamm-bench-rdkafka"),
        kafka: root.join("conformance/oracle/kafka"),
        slow_sync,
    })
}

fn cargo(folder: &Path, target: &Path, profile: &str, what: &[&str]) -> io::Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(folder).args(["build", "--quiet", "--profile", profile]).args(what);
    command.arg("--target-dir").arg(target);
    succeed(command, "cargo did not build it")
}

fn succeed(mut command: Command, else_say: &str) -> io::Result<()> {
    let (mut child, _group) = ending::spawn(&mut command)?;
    if child.wait()?.success() { Ok(()) } else { Err(io::Error::other(format!("{else_say}: {command:?}"))) }
}
