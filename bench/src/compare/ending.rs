//! Ctrl-C (and SIGTERM): all children end and the folder goes. Each child has a process group of its own, so that what it
//! started ends with it, and so that a terminal's Ctrl-C reaches this program alone.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid};
use tokio::signal::unix::{SignalKind, signal};

/// The groups of children. A child is started under the lock; whoever ends everything keeps it, so none starts later.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
/// How long children may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process group of a child and of what it started. Dropped when they have ended.
pub(crate) struct Group(i32);

impl Drop for Group {
    fn drop(&mut self) {
        GROUPS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Starts a child.
pub(crate) fn spawn(command: &mut Command) -> io::Result<(Child, Group)> {
    let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.process_group(0).spawn()?;
    let group = Pid::from_child(&child).as_raw_nonzero().get();
    groups.insert(group);
    Ok((child, Group(group)))
}

/// From now on a signal ends the children, removes `folder` and ends this program.
pub(crate) fn on_signal(folder: &Path) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        let code = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            }
        });
        end(&folder);
        std::process::exit(code);
    });
    Ok(())
}

fn end(folder: &Path) {
    eprintln!("stopped by a signal: the servers end, {} is removed", folder.display());
    let groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
    let each = || groups.iter().filter_map(|group| Pid::from_raw(*group));
    let tell = |signal| {
        for group in each() {
            // A group that is gone is what is wanted.
            let _ = kill_process_group(group, signal);
        }
    };
    tell(Signal::TERM);
    let until = Instant::now() + PATIENCE;
    while each().any(is_there) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    tell(Signal::KILL);
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        eprintln!("{} is left: {error}", folder.display());
    }
    std::mem::forget(groups);
}

/// Whether any process of the group is left. A child that ended counts until somebody asks how.
fn is_there(group: Pid) -> bool {
    let _ = waitpgid(group, WaitOptions::NOHANG);
    test_kill_process_group(group).is_ok()
}
