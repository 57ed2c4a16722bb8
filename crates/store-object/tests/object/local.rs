//! What `LocalFileSystem` promises: a process that ends in the middle of a put leaves nothing that counts.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use klamm_model::{Epoch, Slot};
use klamm_store::{Driver, Key, Listing, Name, PutError, Written};
use klamm_store_object::ObjectDriver;
use klamm_testing::TempDir;
use object_store::{
    ObjectStoreExt as _,
    memory::InMemory,
    throttle::{ThrottleConfig, ThrottledStore},
};

use super::client;

const NAME: Name = Name::Entry(Key { epoch: Epoch(1), slot: Slot(2) });

#[tokio::test]
async fn half_a_put_is_no_put() {
    let folder = TempDir::new();
    let entries = folder.file("cluster/shard-7/entry/00000001");
    std::fs::create_dir_all(&entries).unwrap();
    for staged in ["0000000000000002#1", "0000000000000002#2", "0000000000000003#1"] {
        std::fs::write(entries.join(staged), b"cut sho").unwrap();
    }
    let driver = client(folder.path());
    assert_eq!(driver.get(NAME).await.unwrap(), None);
    assert_eq!(driver.list(Listing::EntriesBelow(Slot(9))).await.unwrap(), []);
    driver.put(NAME, vec![Bytes::from("whole")], Written::ignore()).await.unwrap();
    assert_eq!(driver.get(NAME).await.unwrap(), Some(vec![Bytes::from("whole")]));
    assert_eq!(driver.list(Listing::EntriesBelow(Slot(9))).await.unwrap(), [NAME]);
}

#[tokio::test]
async fn strangers_are_not_listed() {
    let store = Arc::new(InMemory::new());
    for stranger in ["p/entry/00000001/readme", "p/entry/1/1", "p/head/latest", "px/head/0000000000000001"] {
        store.put(&stranger.into(), "any".into()).await.unwrap();
    }
    let driver = ObjectDriver::new(store, "p".into());
    driver.put(NAME, vec![], Written::ignore()).await.unwrap();
    for (listing, names) in [
        (Listing::EntriesBelow(Slot(u64::MAX)), &[NAME][..]),
        (Listing::EntriesFrom(Key { epoch: Epoch(1), slot: Slot(0) }), &[NAME]),
        (Listing::Heads, &[]),
    ] {
        assert_eq!(driver.list(listing).await.unwrap(), names);
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_has_a_deadline() {
    let slow = Duration::from_secs(3600);
    let config = ThrottleConfig {
        wait_put_per_call: slow,
        wait_get_per_call: slow,
        wait_list_per_call: slow,
        wait_delete_per_call: slow,
        ..ThrottleConfig::default()
    };
    let store = Arc::new(ThrottledStore::new(InMemory::new(), config));
    let driver = ObjectDriver::new(store, "p".into()).with_deadline(Duration::from_secs(2));
    let put = driver.put(NAME, vec![Bytes::from("slow")], Written::ignore()).await;
    assert!(matches!(put, Err(PutError::Unknown(_))), "{put:?}");
    assert!(driver.get(NAME).await.is_err());
    assert!(driver.list(Listing::Heads).await.is_err());
    assert!(driver.delete(&[NAME]).await.is_err());
}
