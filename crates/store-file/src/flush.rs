//! Makes what was put durable: one task; what waits is written past the page cache and synced, while more gathers. A new
//! file gets its name after its header is durable, before anything in it is acknowledged.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use klamm_env::Blocks;
use klamm_model::{Bug, Slot, planted};
use klamm_store::Written;

use crate::{
    error::is_full,
    shared::Shared,
    staged::{self, Staged},
};

/// Runs until an error or until it is aborted.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut end = None;
    loop {
        shared.dirty.notified().await;
        loop {
            let next = shared.writer.lock().staged.pop_front();
            let Some(mut staged) = next else { break };
            match flush(&shared, &mut end, &mut staged).await {
                Ok(()) => release(&shared, staged.ticket),
                Err(error) if is_full(&error) && shared.take_back(&staged, &error) => {}
                Err(error) => {
                    let path = shared.path(staged.first);
                    shared.die(format!("cannot make {} durable: {error}", path.display()));
                    return;
                }
            }
        }
    }
}

/// Writes and syncs. `end`: the end of the file that was written last.
async fn flush(shared: &Shared, end: &mut Option<(Slot, Blocks)>, staged: &mut Staged) -> io::Result<()> {
    let mut blocks = match end.take() {
        Some((first, blocks)) if first == staged.first => blocks,
        _ => staged::blocks(shared.gate.clone(), &shared.handle_of(staged.first)?, staged.position).await?,
    };
    assert_eq!(blocks.end(), staged.position, "entries lie back to back");
    blocks.reserved(staged.allocated);
    let pieces = std::mem::take(&mut staged.pieces);
    // Those who only wait for the write are told before the sync; where there are none, both are one call.
    let at_once = !planted(Bug::SkipSync) && !staged.written.iter().any(Written::is_wanted);
    let blocks = staged.file.append(blocks, pieces, at_once).await?;
    shared.wrote(staged.first, staged.end());
    staged.written.drain(..).for_each(Written::tell);
    if !at_once && !planted(Bug::SkipSync) {
        staged.file.sync_data().await?;
    }
    shared.syncs.fetch_add(1, Ordering::Relaxed);
    if let Some((from, to)) = &staged.rename {
        shared.disk.rename(from, to).await?;
    }
    *end = Some((staged.first, blocks));
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
