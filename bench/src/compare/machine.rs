//! The machine, its disk, and the commit, for whoever reads the figures.

use std::{fs, io, os::unix::fs::FileExt as _, path::Path, process::Command, time::Instant};

use klamm_bench::{floor, outcome::Quantiles};

use super::report::{Disk, Machine};

const SYNCS: u64 = 100;

/// What the kernel says of the machine; of the file system that holds `folder`.
pub(crate) fn describe(folder: &Path) -> Machine {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpu.lines().find(|line| line.starts_with("model name"));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Machine {
        processor: processor.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_owned(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_bytes: memory.unwrap_or_default() * 1024,
        kernel: said("uname", &["-sr"]),
        file_system: said("stat", &["-f", "-c", "%T", &folder.display().to_string()]),
        load_average: load.split(' ').next().unwrap_or("unknown").to_owned(),
    }
}

/// What a command prints; "unknown" where there is none.
pub(crate) fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// How long the disk needs for a write of so many bytes and its fdatasync.
pub(crate) fn disk(folder: &Path, write_bytes: usize) -> io::Result<Disk> {
    let path = folder.join("sync.tmp");
    let file = floor::allocated(&path)?;
    let bytes = vec![7; write_bytes];
    let mut times_us = Vec::new();
    for at in 0..SYNCS {
        let began = Instant::now();
        let place = at * write_bytes as u64 % (floor::FILE_BYTES - write_bytes as u64);
        file.write_all_at(&bytes, place)?;
        file.sync_data()?;
        times_us.push(began.elapsed().as_micros() as u32);
    }
    fs::remove_file(&path)?;
    Ok(Disk { write_bytes, sync_us: Quantiles::of(times_us).expect("some syncs") })
}

/// Writes and removes so many bytes, so that the page cache is memory that the machine has.
pub(crate) fn warm_page_cache(folder: &Path, bytes: u64) -> io::Result<()> {
    let path = folder.join("warm.tmp");
    let piece = vec![7; 1 << 20];
    let mut file = fs::File::create(&path)?;
    (0..bytes >> 20).try_for_each(|_| io::Write::write_all(&mut file, &piece))?;
    fs::remove_file(&path)
}
