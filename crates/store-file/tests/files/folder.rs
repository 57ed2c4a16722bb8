//! The data folder: its lock, its format, errors that say what to do.

use klamm_model::ShardId;
use klamm_store_file::{DataFolder, FolderError};

use crate::temp::{Temp, disk};

#[tokio::test]
async fn one_process_at_a_time() {
    let temp = Temp::new();
    let path = temp.path().join("deep/data");
    let folder = DataFolder::open(&disk(), &path).await.unwrap();
    assert_eq!(folder.shard(ShardId(12)), path.join("shard-0012"));
    let error = DataFolder::open(&disk(), &path).await.err().unwrap();
    assert!(matches!(error, FolderError::InUse { .. }));
    assert!(error.to_string().contains("is in use by another process"), "{error}");
    drop(folder);
    DataFolder::open(&disk(), &path).await.unwrap();
    assert_eq!(std::fs::read_to_string(path.join("format")).unwrap(), "klamm data format 2\n");
}

#[tokio::test]
async fn an_older_format_is_raised() {
    let temp = Temp::new();
    std::fs::write(temp.path().join("format"), "klamm data format 1\n").unwrap();
    std::fs::create_dir(temp.path().join("shard-0001")).unwrap();
    for _ in 0..2 {
        let folder = DataFolder::open(&disk(), temp.path()).await.unwrap();
        assert!(folder.shard(ShardId(1)).is_dir());
        assert_eq!(std::fs::read_to_string(temp.path().join("format")).unwrap(), "klamm data format 2\n");
    }
}

#[tokio::test]
async fn other_formats_are_refused() {
    let temp = Temp::new();
    let open = async || DataFolder::open(&disk(), temp.path()).await.err().unwrap().to_string();
    std::fs::write(temp.path().join("format"), "klamm data format 3\n").unwrap();
    let error = open().await;
    assert!(error.contains("has format 3; this release reads formats up to 2"), "{error}");
    std::fs::write(temp.path().join("format"), "something else").unwrap();
    let error = open().await;
    assert!(error.contains("format is not a format file of Klamm"), "{error}");
    std::fs::remove_file(temp.path().join("format")).unwrap();
    std::fs::create_dir(temp.path().join("shard-0001")).unwrap();
    let error = open().await;
    assert!(error.contains("the file is missing, yet there are shards"), "{error}");
}

#[tokio::test]
async fn a_folder_that_can_not_be_is_said() {
    let temp = Temp::new();
    let file = temp.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = DataFolder::open(&disk(), &file.join("data")).await.err().unwrap().to_string();
    assert!(error.starts_with("cannot create the data folder") && error.contains("file/data"), "{error}");
}
