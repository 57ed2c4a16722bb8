//! Which bits are flipped: of anything that is durable, but for the end of the active journal file, where a flipped bit
//! can't be told from a torn write that nobody was answered for.

use std::path::PathBuf;

use crate::{Dice, disk::SimDisk};

/// The end of an active file that is spared, in bytes: more than two entries.
const SPARED_BYTES: usize = 48 << 10;

/// Flips a bit of some file, each kind of file as likely as any other; says of which kind.
pub(super) fn flip(disk: &SimDisk, dice: &mut Dice) -> &'static str {
    let mut files: Vec<(&'static str, PathBuf, usize)> = Vec::new();
    disk.each_file(|path, bytes| {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
        let (kind, bytes) = match (parts.contains(&"snapshots"), path.extension().and_then(|is| is.to_str()))
        {
            (true, _) => ("a snapshot", used),
            (_, Some("seg")) => ("a merged segment", used),
            (_, Some("log")) if used == bytes.len() => ("a sealed file", used),
            (_, Some("log")) => ("the active file", used.saturating_sub(SPARED_BYTES)),
            (_, None) if path.ends_with("head") => ("a head marker", used),
            _ => return,
        };
        if bytes > 0 {
            files.push((kind, path.to_owned(), bytes));
        }
    });
    let mut kinds: Vec<_> = files.iter().map(|(kind, ..)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kind = *dice.pick(&kinds);
    files.retain(|(known, ..)| *known == kind);
    let (_, path, bytes) = dice.pick(&files);
    disk.flip(path, dice.within(0..*bytes as u64) as usize, dice.within(0..8) as u32);
    kind
}
