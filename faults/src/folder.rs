//! A temporary folder with what may be mounted in it: a small tmpfs, or ext4 in a file. All of it goes with the value;
//! what a run left behind that was ended by force, the next one removes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use crate::stop::Stop;

const PREFIX: &str = "klamm-faults-";
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder of one trial.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new, empty folder.
    pub(crate) fn new() -> Result<Self, Stop> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("{PREFIX}{}-{number}", process::id()));
        fs::create_dir_all(&path).map_err(Stop::io("make", &path))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Keeps the logs of a failed trial, and says where.
    pub(crate) fn keep_logs(&self) -> Option<PathBuf> {
        let kept = env::temp_dir().join(format!("{PREFIX}failed-{}", process::id()));
        fs::create_dir_all(&kept).ok()?;
        for name in ["klamm.log", "load.log"] {
            let _ = fs::copy(self.0.join(name), kept.join(name));
        }
        Some(kept)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes what runs left behind whose processes are gone.
pub(crate) fn sweep() {
    for item in fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
        let name = item.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            unmount(&item.path().join("mount"));
            let _ = fs::remove_dir_all(item.path());
        }
    }
}

/// A mounted file system. Unmounted with its value, so make it after the [`Folder`] and before the broker.
#[derive(Debug)]
pub(crate) struct Mount {
    path: PathBuf,
    /// The file that holds it, if it is one.
    image: Option<PathBuf>,
}

impl Mount {
    /// A tmpfs of that size.
    pub(crate) fn tmpfs(folder: &Folder, bytes: u64) -> Result<Self, Stop> {
        let path = place(folder)?;
        let size = format!("size={bytes}");
        run("mount", &["-t", "tmpfs", "-o", &size, "klamm-faults", text(&path)]).map_err(Stop::Missing)?;
        Ok(Self { path, image: None })
    }

    /// ext4 in a file of that size.
    pub(crate) fn ext4(folder: &Folder, bytes: u64) -> Result<Self, Stop> {
        let (path, image) = (place(folder)?, folder.path().join("image"));
        let file = fs::File::create(&image).and_then(|file| file.set_len(bytes));
        file.map_err(Stop::io("make", &image))?;
        run("mkfs.ext4", &["-q", "-F", text(&image)]).map_err(Stop::Missing)?;
        let mount = Self { path, image: Some(image) };
        mount.mount().map_err(Stop::Missing)?;
        Ok(mount)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn mount(&self) -> Result<(), String> {
        let image = self.image.as_deref().expect("only an image is mounted again");
        run("mount", &["-t", "ext4", "-o", "loop", text(image), text(&self.path)])
    }

    /// Unmounts and mounts again: ext4 replays its journal.
    pub(crate) fn again(&self) -> Result<(), Stop> {
        if !unmount(&self.path) {
            return Err(Stop::wrong(format!("{} can't be unmounted", self.path.display())));
        }
        self.mount().map_err(Stop::Wrong)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

fn place(folder: &Folder) -> Result<PathBuf, Stop> {
    let path = folder.path().join("mount");
    fs::create_dir_all(&path).map_err(Stop::io("make", &path))?;
    Ok(path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// Whether nothing is mounted there any more. A process that was killed holds its files for a moment.
fn unmount(path: &Path) -> bool {
    let mounted =
        || fs::read_to_string("/proc/mounts").is_ok_and(|all| all.contains(&format!(" {} ", text(path))));
    for _ in 0..50 {
        if !mounted() || run("umount", &[text(path)]).is_ok() {
            return true;
        }
        thread::sleep(Duration::from_millis(100));
    }
    false
}

/// Runs a command to its end; an error has what it said.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(name).args(arguments).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}: {}", output.status, said.trim()))
}
