//! The suite that every carrier passes.

use std::sync::Arc;

use async_trait::async_trait;
use klamm_store::{Name, suite::Harness};
use klamm_store_file::{FileStore, Opened};
use tokio::sync::Mutex;

use crate::temp::Temp;

struct Files {
    temp: Temp,
    opened: Mutex<Option<Opened>>,
}

#[async_trait]
impl Harness for Files {
    type Driver = FileStore;
    const CUTS_TORN_TAIL: bool = true;
    const FREED_SLOTS_STAY_TAKEN: bool = true;

    async fn fresh() -> Self {
        Self { temp: Temp::fast(), opened: Mutex::default() }
    }

    async fn handle(&self) -> Arc<FileStore> {
        let mut opened = self.opened.lock().await;
        if opened.is_none() {
            *opened = Some(self.temp.open().await);
        }
        Arc::clone(&opened.as_ref().unwrap().files)
    }

    async fn restart(&self) -> Result<(), String> {
        let mut opened = self.opened.lock().await;
        if let Some(old) = opened.take() {
            old.files.close().await;
        }
        *opened = Some(self.temp.try_open(crate::temp::small()).await.map_err(|error| error.to_string())?);
        Ok(())
    }

    async fn damage(&self, name: Name) -> bool {
        let (path, at, size) = match name {
            Name::Entry(key) => self.temp.find(key).expect("it is there"),
            Name::Head(_) => {
                let path = self.temp.path().join("head");
                let size = std::fs::read(&path).unwrap().len();
                (path, 0, size)
            }
        };
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at + size / 2] ^= 0x10;
        std::fs::write(&path, bytes).unwrap();
        true
    }

    async fn forget(&self, name: Name) -> bool {
        // Without the marker the whole journal is still in its files: nothing is lost.
        let Name::Entry(key) = name else { return false };
        let (path, at, size) = self.temp.find(key).expect("it is there");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at..at + size].fill(0);
        std::fs::write(&path, bytes).unwrap();
        true
    }
}

#[tokio::test]
async fn contract() {
    klamm_store::suite::journal::<Files>().await;
}

#[tokio::test]
async fn segments() {
    klamm_store::suite::segments::<Files>().await;
}
