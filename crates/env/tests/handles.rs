//! What a full table of open files must not break. The one test of this file: the limit is the whole process's.
#![allow(clippy::disallowed_methods, reason = "the test uses up the process's handles")]

use std::fs;

use klamm_env::{Disk, OpenMode, OsDisk};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[tokio::test]
async fn names_become_durable_without_a_new_handle() {
    let temporary = klamm_testing::TempDir::new();
    let folder = temporary.file("shard");
    let disk = OsDisk::default();
    disk.create_folder(&folder).await.unwrap();
    let (from, to) = (folder.join("next-0.tmp"), folder.join("0.log"));
    drop(disk.open(&from, OpenMode::Create).await.unwrap());

    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
    let mut taken = Vec::new();
    let none_left = loop {
        match fs::File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(none_left.raw_os_error(), Some(24));
    let renamed = disk.rename(&from, &to).await;
    let created = disk.open(&folder.join("next-1.tmp"), OpenMode::Create).await.map(drop);
    let removed = disk.remove(&to).await;
    drop(taken);

    renamed.expect("the folder is open");
    removed.expect("the folder is open");
    assert_eq!(created.unwrap_err().raw_os_error(), Some(24));
    assert_eq!(disk.list(&folder).await.unwrap(), [""; 0], "what could not be created is not there");
    disk.remove_folder(&folder).await.unwrap();

    // A folder that was made anew is another one, which the handle of the old one would not make durable.
    disk.create_folder(&folder).await.unwrap();
    drop(disk.open(&from, OpenMode::Create).await.unwrap());
    disk.rename(&from, &to).await.unwrap();
    assert_eq!(klamm_env::raise_open_files(), maximum);
    assert_eq!(getrlimit(Resource::Nofile).current, maximum);
}
