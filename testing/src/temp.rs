//! A temporary folder, removed with its value.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder of one test.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// A new, empty folder.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn new() -> Self {
        Self::within(&env::temp_dir())
    }

    /// In memory where there is such a place: syncs cost nothing, for tests that open hundreds of stores.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn fast() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::within(memory) } else { Self::new() }
    }

    fn within(parent: &Path) -> Self {
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("klamm-test-{}-{number}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Self(path),
                // Left by a process of the same id that was ended by force.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("can't make {}: {error}", path.display()),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Default for TempDir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_and_goes() {
        let next = NEXT.load(Ordering::Relaxed);
        let left = env::temp_dir().join(format!("klamm-test-{}-{next}", process::id()));
        fs::create_dir(&left).unwrap();
        let (one, two) = (TempDir::new(), TempDir::fast());
        assert!(one.path() != left && one.path() != two.path());
        fs::write(one.file("a"), "a").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists() && left.exists() && two.path().is_dir());
        fs::remove_dir(left).unwrap();
    }
}
