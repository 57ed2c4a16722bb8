//! The object carrier passes the suite, over a store in memory and over a local folder, where every handle is a client of
//! its own.

use std::sync::Arc;

use async_trait::async_trait;
use klamm_store::{
    Driver, Name, Written, flatten,
    suite::{self, Harness},
};
use klamm_store_object::ObjectDriver;
use klamm_testing::TempDir;
use object_store::memory::InMemory;

use super::client;

/// Rewrites an object with one bit flipped.
async fn flip(driver: &ObjectDriver, name: Name) -> bool {
    let mut bytes = flatten(driver.get(name).await.unwrap().expect("it is there")).to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    driver.delete(&[name]).await.unwrap();
    driver.put(name, vec![bytes.into()], Written::ignore()).await.is_ok()
}

struct Memory(Arc<InMemory>);

#[async_trait]
impl Harness for Memory {
    type Driver = ObjectDriver;

    async fn fresh() -> Self {
        Self(Arc::default())
    }

    async fn handle(&self) -> Arc<ObjectDriver> {
        Arc::new(ObjectDriver::new(Arc::clone(&self.0) as _, "cluster/shard-7".into()))
    }

    async fn damage(&self, name: Name) -> bool {
        flip(&*self.handle().await, name).await
    }

    async fn forget(&self, name: Name) -> bool {
        self.handle().await.delete(&[name]).await.is_ok()
    }
}

struct Local(TempDir);

#[async_trait]
impl Harness for Local {
    type Driver = ObjectDriver;
    const SEEDS: u64 = 8;

    async fn fresh() -> Self {
        Self(TempDir::new())
    }

    async fn handle(&self) -> Arc<ObjectDriver> {
        client(self.0.path())
    }

    async fn damage(&self, name: Name) -> bool {
        flip(&*self.handle().await, name).await
    }

    async fn forget(&self, name: Name) -> bool {
        self.handle().await.delete(&[name]).await.is_ok()
    }
}

#[tokio::test]
async fn store_in_memory() {
    suite::journal::<Memory>().await;
}

#[tokio::test]
async fn local_folder() {
    suite::journal::<Local>().await;
}
