//! Power cuts: ext4 in a file on a loop device is shut down by its ioctl, without flushing its journal. Everything that
//! was not synced is lost. The broker is stopped just before, at any point of its work, and never goes on: a sync that
//! races with the ioctl may succeed without having written, and a machine without power acknowledges nothing.

use std::{path::Path, time::Duration};

use rustix::process::Signal;

use super::rounds;
use crate::{
    bench::Bench,
    folder::{Mount, run as command},
    stop::Stop,
    trial::{Counts, Trial},
};

const AT_ONCE: u32 = 5;
/// The size of the disk.
pub(super) const DISK_BYTES: u64 = 192 << 20;
/// EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH; an ioctl would be unsafe code here.
const SHUTDOWN: &str = "import fcntl, os, struct, sys; \
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

pub(super) fn run(bench: &mut Bench, count: u32, counts: &mut Counts) -> Result<(), Stop> {
    rounds(bench, count, AT_ONCE, counts, |bench, now, folder, counts| {
        let mount = Mount::ext4(folder, DISK_BYTES)?;
        let mut trial = Trial::start(bench, folder, &mount.path().join("data"), counts)?;
        for _ in 0..now {
            trial.live(bench.millis(100..1500))?;
            trial.broker.signal(Signal::STOP)?;
            trial.live(Duration::from_millis(10))?;
            shut_down(&bench.python, mount.path())?;
            trial.counts.faults += 1;
            trial.kill()?;
            mount.again()?;
            trial.restart()?;
        }
        trial.finish().map(drop)
    })
}

/// Cuts the power of the file system at `path`.
pub(super) fn shut_down(python: &Path, path: &Path) -> Result<(), Stop> {
    let (python, path) = (python.to_str().expect("plain"), path.to_str().expect("plain"));
    command(python, &["-c", SHUTDOWN, path]).map_err(Stop::missing("ext4 can't be shut down"))
}
