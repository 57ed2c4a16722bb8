//! The whole disk: names, locks, what is under way, and the faults.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use super::content::{Content, Fate};
use crate::{Dice, Log};

/// What is asked of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are the calls of env::Disk and env::File")]
pub enum Op {
    Folder,
    List,
    Read,
    Replace,
    Rename,
    Remove,
    Open,
    Create,
    Sync,
    Allocate,
    Truncate,
}

/// Where the disk is to stand still.
#[derive(Debug, Clone, Copy)]
pub struct Trap {
    /// At which kind of operation; None for any that changes something.
    pub op: Option<Op>,
    /// At files whose names end so; empty for all.
    pub on: &'static str,
    /// At which of them, from 0.
    pub after: u64,
}

/// How a broker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process: what was written is there, though not durable.
    Kill,
    /// The machine.
    PowerCut,
}

/// What became of unsynced writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// Writes of which nothing is left.
    pub lost: u64,
    /// Writes that are whole.
    pub kept: u64,
    /// Writes of which some sectors are left.
    pub torn: u64,
}

/// How the counts of crashes at files of a kind begin.
pub const AT_A_FILE: &str = "broker crashes: at a file *";
/// What brokers did, as their files tell: journal files that were sealed, segments that were merged, checkpoints.
pub const SEALED: &str = "journal files sealed";
/// See [`SEALED`].
pub const MERGED: &str = "segments merged";
/// See [`SEALED`].
pub const CHECKPOINTS: &str = "checkpoints";

/// The count of spells without space.
const FULL: &str = "full disk";

/// What a failed sync says.
pub(super) const DEVICE_FAILED: &str = "the simulated device failed";

/// How long operations take, in milliseconds: up to this, most of them.
#[derive(Debug)]
struct Pace {
    sync_ms_max: u64,
    change_ms_max: u64,
}

pub(super) struct State {
    pub(super) files: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    pub(super) folders: BTreeSet<PathBuf>,
    /// Names that a power cut may take back.
    pub(super) unsynced_names: BTreeSet<PathBuf>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) generation: u64,
    pub(super) trap: Option<Trap>,
    pub(super) frozen: bool,
    pace: Pace,
    dice: Dice,
    name: String,
    pub(super) log: Log,
    /// No space is left until somebody frees some.
    pub(super) full: bool,
    /// Files may have so many bytes in all.
    pub(super) bytes_max: Option<u64>,
    /// The sync after so many fails.
    pub(super) sync_fails_after: Option<u64>,
    /// The broker on it.
    pub(super) host: String,
    /// A fault was put in since the mount.
    pub(super) is_hurt: bool,
    /// This want of space was met already.
    spell_met: bool,
    /// The mount met it.
    pub(super) lacks_space: bool,
    /// A bit was flipped.
    pub(super) rotten: bool,
}

impl State {
    pub(super) fn new(name: &str, mut dice: Dice, log: Log) -> Self {
        let sync_ms_max = *dice.pick(&[2, 8, 25, 80]);
        Self {
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            unsynced_names: BTreeSet::new(),
            locks: BTreeSet::new(),
            generation: 0,
            trap: None,
            frozen: false,
            pace: Pace { sync_ms_max, change_ms_max: sync_ms_max.min(5) },
            dice,
            name: name.to_owned(),
            log,
            full: false,
            bytes_max: None,
            sync_fails_after: None,
            host: String::new(),
            is_hurt: false,
            spell_met: false,
            lacks_space: false,
            rotten: false,
        }
    }

    /// Refuses what comes from an earlier mount.
    pub(super) fn check(&self, generation: u64, path: &Path) -> io::Result<()> {
        if generation == self.generation {
            return Ok(());
        }
        Err(io::Error::other(format!("{} is of a broker that is gone", path.display())))
    }

    pub(super) fn unmount(&mut self) {
        self.generation += 1;
        self.locks.clear();
        self.frozen = false;
        self.trap = None;
        self.sync_fails_after = None;
        self.lacks_space = false;
        self.hurt(self.full || self.bytes_max.is_some());
    }

    pub(super) fn hurt(&mut self, is_hurt: bool) {
        self.is_hurt = is_hurt;
        self.log.tolerate(&self.host, is_hurt || self.rotten);
    }

    /// Space is wanting from now on, or is there again.
    pub(super) fn begin_spell(&mut self, wanting: bool) {
        (self.spell_met, self.lacks_space) = (false, false);
        self.hurt(self.is_hurt || wanting);
    }

    /// There is no space for what was asked. A spell that is met is a fault, and one however often it is.
    fn refuse_space(&mut self) -> io::Error {
        self.log.count(FULL, u64::from(!self.spell_met));
        self.log.count("work: calls without space", 1);
        (self.spell_met, self.lacks_space) = (true, true);
        io::ErrorKind::StorageFull.into()
    }

    /// How long the operation takes, in milliseconds, and whether it has its effect although it springs the trap.
    pub(super) fn begin(&mut self, generation: u64, op: Op, path: &Path) -> io::Result<(u64, bool)> {
        self.check(generation, path)?;
        self.log.note(&self.name, format_args!("{op:?} {}", path.display()));
        if self.full && matches!(op, Op::Replace | Op::Create | Op::Allocate | Op::Folder) {
            return Err(self.refuse_space());
        }
        if op == Op::Sync
            && let Some(after) = self.sync_fails_after
        {
            self.sync_fails_after = after.checked_sub(1);
            if after == 0 {
                self.hurt(true);
                self.log.count("work: failed syncs", 1);
                self.log.note(&self.name, format_args!("fails to sync {}", path.display()));
                return Err(io::Error::other(DEVICE_FAILED));
            }
        }
        let pause = match op {
            Op::List | Op::Open | Op::Read => u64::from(self.dice.one_in(8)),
            Op::Sync => self.dice.within(0..self.pace.sync_ms_max + 1),
            _ => self.dice.within(0..self.pace.change_ms_max + 1),
        };
        let changes = !matches!(op, Op::List | Op::Open | Op::Read);
        let name = path.to_string_lossy();
        let is_caught =
            |trap: &Trap| trap.op.map_or(changes, |wanted| wanted == op) && name.ends_with(trap.on);
        let mut dies = false;
        if let Some(Trap { op: wanted, on, after }) = self.trap.filter(is_caught) {
            self.trap = after.checked_sub(1).map(|after| Trap { op: wanted, on, after });
            if after == 0 {
                self.frozen = true;
                self.log.count(&format!("{AT_A_FILE}{on}"), u64::from(!on.is_empty()));
                // A sync that is done leaves nothing to lose.
                dies = self.dice.one_in(if wanted == Some(Op::Sync) { 4 } else { 2 });
                self.log.note(
                    &self.name,
                    format_args!("stands still, with{} that effect", if dies { "" } else { "out" }),
                );
            }
        }
        Ok((pause, dies))
    }

    /// The bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|content| content.lock().bytes().len() as u64).sum()
    }

    /// Refuses more bytes than there is space for.
    pub(super) fn grow(&mut self, more: u64, path: &Path) -> io::Result<()> {
        if more == 0 || !self.full && self.bytes_max.is_none_or(|max| self.bytes() + more <= max) {
            return Ok(());
        }
        self.log.note(&self.name, format_args!("no space for {more} bytes of {}", path.display()));
        Err(self.refuse_space())
    }

    /// How long an operation takes after its effect, in milliseconds.
    pub(super) fn end(&mut self) -> u64 {
        u64::from(self.dice.one_in(4))
    }

    /// Makes the names in the folder of a path durable.
    pub(super) fn sync_folder_of(&mut self, path: &Path) {
        self.unsynced_names.retain(|name| name.parent() != path.parent());
    }

    pub(super) fn wrote(&self, path: &Path, position: u64, bytes: &[u8]) {
        let crc = klamm_records::crc32c(bytes);
        let is_trailer = bytes.starts_with(b"KLTR") && !path.ends_with("merge.tmp");
        self.log.count(SEALED, u64::from(is_trailer));
        let (path, bytes) = (path.display(), bytes.len());
        self.log.note(&self.name, format_args!("Write {path} {position}+{bytes} {crc:08x}"));
    }

    pub(super) fn list(&self, folder: &Path) -> Option<Vec<String>> {
        if !self.folders.contains(folder) {
            return None;
        }
        let inside = |path: &&PathBuf| path.parent() == Some(folder);
        let paths = self.files.keys().filter(inside).chain(self.folders.iter().filter(inside));
        let mut names: Vec<_> =
            paths.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
        names.sort_unstable();
        Some(names)
    }

    pub(super) fn crash(&mut self, crash: Crash) -> Damage {
        let mut damage = Damage::default();
        if crash == Crash::Kill {
            return damage;
        }
        for name in std::mem::take(&mut self.unsynced_names) {
            if self.dice.one_in(2) {
                self.files.remove(&name);
            }
        }
        for (path, content) in &self.files {
            for fate in content.lock().cut_power(&mut self.dice) {
                self.log.note(&self.name, format_args!("{fate:?}: a write into {}", path.display()));
                match fate {
                    Fate::Lost => damage.lost += 1,
                    Fate::Kept => damage.kept += 1,
                    Fate::Torn => damage.torn += 1,
                }
            }
        }
        damage
    }
}
