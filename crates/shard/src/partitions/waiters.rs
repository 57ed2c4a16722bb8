//! Fetches that wait for data. A waiter registers with each partition that it waits for, is told once, and
//! unregisters when it is dropped.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::PartitionView;

/// The waiters of one partition.
#[derive(Default)]
pub(super) struct Waiters(Mutex<Vec<Arc<Notify>>>);

impl Waiters {
    /// Tells all.
    pub(super) fn wake(&self) {
        self.0.lock().iter().for_each(|waiter| waiter.notify_one());
    }

    fn add(&self, waiter: &Arc<Notify>) {
        self.0.lock().push(Arc::clone(waiter));
    }

    fn remove(&self, waiter: &Arc<Notify>) {
        self.0.lock().retain(|other| !Arc::ptr_eq(other, waiter));
    }
}

/// Waits for any of several partitions to change.
#[derive(Default)]
pub struct Waiter {
    notify: Arc<Notify>,
    partitions: Vec<Arc<PartitionView>>,
}

impl Waiter {
    /// Also waits for this partition.
    pub fn watch(&mut self, partition: Arc<PartitionView>) {
        partition.waiters.add(&self.notify);
        self.partitions.push(partition);
    }

    /// Whether these are the partitions that it waits for, in the order in which they were watched. After a shard was loaded
    /// again, or a topic was made anew, the same partition is another one, and the old one tells nothing more.
    pub fn watches<'a>(&self, partitions: impl Iterator<Item = &'a Arc<PartitionView>>) -> bool {
        self.partitions.iter().map(Arc::as_ptr).eq(partitions.map(Arc::as_ptr))
    }

    /// Waits until one of the partitions changed since it was watched, or since the last call.
    pub async fn changed(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.partitions.iter().for_each(|partition| partition.waiters.remove(&self.notify));
    }
}
