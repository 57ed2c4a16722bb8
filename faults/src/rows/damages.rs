//! Damaged files of a broker that was killed. A flipped byte below what was acknowledged: either nobody needs it, and
//! everything is read; or the broker says so and serves nothing wrong; when the byte is mended, everything is there.
//! Bytes after the end, as a torn write leaves them: it starts, and everything is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use klamm_checker::{Event, check};

use super::rounds;
use crate::{
    bench::Bench,
    broker::{Broker, Started},
    folder::Folder,
    stop::Stop,
    trial::{Counts, Trial, read_again},
};

pub(super) fn run(bench: &mut Bench, count: u32, counts: &mut Counts) -> Result<(), Stop> {
    rounds(bench, count, 1, counts, |bench, _, folder, counts| {
        let number = counts.faults;
        let mut trial = Trial::start(bench, folder, &folder.path().join("data"), counts)?;
        trial.live(bench.millis(1000..3000))?;
        let (mut broker, mut history) = trial.finish()?;
        broker.kill();
        history.retain(|event| !matches!(event, Event::Poll(poll) if poll.last));
        counts.faults += 1;
        let (path, end) = journal_file(bench, broker.data(), number % 2 == 0)?;
        if number % 2 == 0 {
            flip(bench, folder, &mut broker, &history, (&path, end))
        } else {
            tear(bench, folder, &mut broker, &history, (&path, end))
        }
    })
}

fn flip(
    bench: &mut Bench,
    folder: &Folder,
    broker: &mut Broker,
    history: &[Event],
    (path, end): (&Path, u64),
) -> Result<(), Stop> {
    // The last entries of a file can't be told from a torn write.
    let at = bench.within(0..end * 3 / 4) as usize;
    let bit = 1 << bench.within(0..8);
    let what = format!("byte {at} of {end} of {}", path.display());
    change(path, |bytes| bytes[at] ^= bit)?;
    let log = broker.log_end();
    broker.launch(&[])?;
    let wrong = match broker.wait()? {
        Started::Ended(_) => Some("did not start".to_owned()),
        Started::Ready => {
            let read = read_again(bench, folder, broker, 8)?;
            let found = check(history.iter().chain(&read));
            // What is read must be right; that not all is, must be said.
            if let Some(lie) = found.iter().find(|each| is_lie(&each.kind())) {
                return Err(
                    broker.wrong(&format!("serves what was never written after a flip of {what}: {lie}"))
                );
            }
            found.first().map(ToString::to_string)
        }
    };
    let said = broker.log_since(log);
    let says = ["damage", "CRC", "corrupt", "chain"].iter().any(|word| said.contains(word));
    println!("    a flip of {what}: {}", wrong.as_deref().unwrap_or("nobody needs it"));
    if let Some(wrong) = wrong.filter(|_| !says) {
        return Err(broker.wrong(&format!("says nothing of damage after a flip of {what}, yet: {wrong}")));
    }
    broker.kill();
    change(path, |bytes| bytes[at] ^= bit)?;
    all_is_there(bench, folder, broker, history, &format!("a flip of {what} was mended"))
}

/// An anomaly that says what is false, as against what is missing.
fn is_lie(kind: &str) -> bool {
    !["Lost", "Vanished", "Unseen", "Refused", "Invisible", "WatermarkBack"].contains(&kind)
}

fn tear(
    bench: &mut Bench,
    folder: &Folder,
    broker: &mut Broker,
    history: &[Event],
    (path, end): (&Path, u64),
) -> Result<(), Stop> {
    // The last record ends with zeros (it has no headers), so its end is a little after the last byte that is none.
    let end = end + 16;
    let count = bench.within(1..3000) as usize;
    let from = bench.within(0..end - 16) as usize;
    // Bytes of the file itself: they look like parts of entries.
    change(path, |bytes| {
        let torn: Vec<u8> = bytes[from..].iter().copied().take(count).collect();
        let end = end as usize;
        bytes.resize(bytes.len().max(end + torn.len()), 0);
        bytes[end..end + torn.len()].copy_from_slice(&torn);
    })?;
    let what = format!("{count} bytes after the end of {}", path.display());
    println!("    {what}");
    all_is_there(bench, folder, broker, history, &what)
}

fn all_is_there(
    bench: &mut Bench,
    folder: &Folder,
    broker: &mut Broker,
    history: &[Event],
    after: &str,
) -> Result<(), Stop> {
    broker.start()?;
    let read = read_again(bench, folder, broker, 30)?;
    match check(history.iter().chain(&read)).first() {
        None => Ok(()),
        Some(first) => Err(broker.wrong(&format!("after {after}: {first}"))),
    }
}

/// A journal file and where its data ends: an active one, or, if `sealed`, any of the shard that holds the most.
fn journal_file(bench: &mut Bench, data: &Path, sealed: bool) -> Result<(PathBuf, u64), Stop> {
    let mut found = Vec::new();
    for shard in list(data)? {
        let mut files: Vec<_> = list(&shard.join("journal")).unwrap_or_default();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        files.sort();
        // The last is the active one.
        let any = bench.within(0..files.len().max(1) as u64) as usize;
        found.extend(if sealed && any < files.len() { Some(files.swap_remove(any)) } else { files.pop() });
    }
    found.sort();
    let ends: Result<Vec<_>, Stop> = found
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).map_err(Stop::io("read", &path))?;
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at as u64 + 1);
            Ok((path, end))
        })
        .collect();
    let ends = ends?;
    let most = ends.iter().map(|(_, end)| *end).max().unwrap_or(0);
    // Mostly where the records are, at times the metadata.
    let chosen = match bench.within(0..4) {
        0 => ends.into_iter().next(),
        _ => ends.into_iter().find(|(_, end)| *end == most),
    };
    chosen.filter(|(_, end)| *end > 0).ok_or_else(|| Stop::wrong("the broker left no journal file"))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let items = fs::read_dir(folder).map_err(Stop::io("list", folder))?;
    Ok(items.flatten().map(|item| item.path()).collect())
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), Stop> {
    let mut bytes = fs::read(path).map_err(Stop::io("read", path))?;
    change(&mut bytes);
    fs::write(path, bytes).map_err(Stop::io("write", path))
}
