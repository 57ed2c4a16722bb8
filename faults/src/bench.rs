//! What all trials share: the binary, Python with librdkafka, and dice.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use crate::stop::Stop;

/// What all trials share.
pub(crate) struct Bench {
    pub(crate) binary: PathBuf,
    pub(crate) python: PathBuf,
    /// The bug that is planted in the brokers.
    pub(crate) bug: Option<&'static str>,
    /// No round has more faults.
    pub(crate) at_once_max: u32,
    dice: ChaCha8Rng,
}

impl Bench {
    /// Finds the binary and, after installing it if need be, Python's client.
    pub(crate) fn new(binary: Option<PathBuf>, seed: u64) -> Result<Self, Stop> {
        let beside = || Some(env::current_exe().ok()?.parent()?.join("klamm"));
        let named = || env::var_os("KLAMM_BIN").map(PathBuf::from);
        let binary = binary.or_else(named).or_else(beside).filter(|path| path.is_file());
        let binary = binary.ok_or_else(|| {
            Stop::wrong(
                "there is no klamm beside this program: cargo build -p klamm, or name it with --binary",
            )
        })?;
        let dice = ChaCha8Rng::seed_from_u64(seed);
        Ok(Self { binary, python: python()?, bug: None, at_once_max: u32::MAX, dice })
    }

    /// A number of a range.
    pub(crate) fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.dice.next_u64() % (range.end - range.start)
    }

    /// A time of a range of milliseconds.
    pub(crate) fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }
}

fn python() -> Result<PathBuf, Stop> {
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/setup");
    let output = Command::new(&setup).arg("python").output();
    let output = output.map_err(Stop::missing("conformance/setup python"))?;
    if !output.status.success() {
        return Err(Stop::Missing(format!(
            "no Python client: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    let home = || env::var_os("HOME").map_or_else(|| "/tmp".into(), PathBuf::from).join(".cache/klamm");
    let cache = env::var_os("KLAMM_CACHE").map_or_else(home, PathBuf::from);
    Ok(cache.join("python/bin/python"))
}
