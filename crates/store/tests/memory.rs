//! The memory carrier passes the suite.

use std::sync::Arc;

use async_trait::async_trait;
use klamm_store::{Driver, Name, Written, flatten, memory::MemoryStore, suite::Harness};

struct Memory(Arc<MemoryStore>);

#[async_trait]
impl Harness for Memory {
    type Driver = MemoryStore;
    const SEEDS: u64 = 300;

    async fn fresh() -> Self {
        Self(Arc::default())
    }

    async fn handle(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.0)
    }

    async fn damage(&self, name: Name) -> bool {
        let mut bytes = flatten(Driver::get(&*self.0, name).await.unwrap().expect("it is there")).to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        self.forget(name).await
            && Driver::put(&*self.0, name, vec![bytes.into()], Written::ignore()).await.is_ok()
    }

    async fn forget(&self, name: Name) -> bool {
        Driver::delete(&*self.0, &[name]).await.is_ok()
    }
}

#[tokio::test]
async fn contract() {
    klamm_store::suite::journal::<Memory>().await;
}

#[tokio::test]
async fn segments() {
    klamm_store::suite::segments::<Memory>().await;
}
