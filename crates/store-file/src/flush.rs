//! Makes writes durable: one task, one `sync_data` at a time for all the writes before it. Older files are synced
//! first; a new file gets its name after its header is durable, before anything in it is acknowledged.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use klamm_model::{Bug, planted};

use crate::{shared::Shared, writer::Dirty};

/// Runs until an error or until it is aborted.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        shared.dirty.notified().await;
        loop {
            let (dirty, ticket) = {
                let mut writer = shared.writer.lock();
                (std::mem::take(&mut writer.dirty), writer.written)
            };
            if dirty.is_empty() {
                break;
            }
            for file in dirty {
                if let Err(error) = sync(&shared, &file).await {
                    let path = shared.path(file.first);
                    shared.die(format!("cannot make {} durable: {error}", path.display()));
                    return;
                }
            }
            release(&shared, ticket);
        }
    }
}

async fn sync(shared: &Shared, file: &Dirty) -> io::Result<()> {
    if !planted(Bug::SkipSync) {
        file.file.sync_data().await?;
    }
    shared.syncs.fetch_add(1, Ordering::Relaxed);
    if let Some((from, to)) = &file.rename {
        shared.disk.rename(from, to).await?;
    }
    Ok(())
}

/// Answers all that waited for writes up to a ticket.
fn release(shared: &Shared, ticket: u64) {
    let ready: Vec<_> = {
        let mut writer = shared.writer.lock();
        if writer.dead.is_some() {
            return;
        }
        assert!(writer.synced <= ticket && ticket <= writer.written, "what is synced never goes back");
        writer.synced = ticket;
        let count = writer.waiters.partition_point(|waiter| waiter.ticket <= ticket);
        writer.waiters.drain(..count).collect()
    };
    ready.into_iter().for_each(crate::writer::Waiter::tell);
}
