//! The task of a shard. One loop: durable entries are published and their replies released; requests are decided and
//! appended; files are sealed and checkpointed in the background, one at a time, and beside it segments are cleaned up.

mod appending;
mod background;

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use klamm_env::Env;
use klamm_machine::{At, Decision, Machine, NoRoom, Now};
use klamm_model::{BrokerId, Epoch, ShardId, Slot};
use klamm_store::{
    AppendError, Claim, EntryHash, Key, Nonce, SegmentError, Segments, ShardStore, entry::PAYLOAD_BYTES_MAX,
};
use tokio::sync::{mpsc, watch};

use self::background::{Done, sweep};
use crate::{
    Shard, ShardState, View,
    checkpoint::Boundary,
    cleaning::Cleaner,
    handle::{QUEUE_MAX, Request},
    pipeline::{Draft, InFlight, Waiting, poll_written},
    recovery::{self, Loaded},
    room::Room,
};

/// Entries in flight.
const IN_FLIGHT_MAX: usize = 64;
/// Requests that are decided in one go.
const DRAIN_MAX: usize = 256;
/// A drain is cut into entries of about this size.
const ENTRY_BYTES: usize = 4 << 20;
/// A request's records share the memory that they came in if they are at least this part of it; else they are copied out.
const PINNED_MAX: usize = 2;
/// The largest record: with what stands before it, it is no larger than an entry may be.
const RECORD_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - ENTRY_BYTES;
/// How long a failed background step or a failed load waits before it is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Each load that fails costs an entry and a scan: the next waits twice as long, but what heals serves within a minute. A
/// full disk is looked at more often.
const LOAD_RETRY_MAX: Duration = Duration::from_secs(30);

/// A shard's settings.
#[derive(Debug, Clone)]
pub struct ShardConfig {
    /// The shard.
    pub shard: ShardId,
    /// The broker that owns it.
    pub broker: BrokerId,
    /// The size at which a journal file is complete, in bytes.
    pub file_bytes: u64,
    /// The shard's epochs are above this one.
    pub epoch_above: Epoch,
}

impl<M: Machine> Shard<M> {
    /// Starts the shard's task; it takes over and loads first.
    pub fn start<V: View<M>>(env: Env, store: ShardStore, config: ShardConfig, view: V) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let (tell, state) = watch::channel(ShardState::Loading);
        let (stop, stopping) = watch::channel(false);
        let durable = Arc::new(AtomicU64::new(0));
        let context = Context { env, store, config, tell, stopping, durable: Arc::clone(&durable) };
        tokio::spawn(run(context, requests, view));
        Self { queue, state, stop, durable }
    }
}

impl Drop for Context {
    /// A task that panics (an invariant does not hold) serves no more, and says so.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell.send_replace(ShardState::Halted("an invariant was broken; see the log".to_owned()));
        }
    }
}

struct Context {
    env: Env,
    store: ShardStore,
    config: ShardConfig,
    tell: watch::Sender<ShardState>,
    stopping: watch::Receiver<bool>,
    durable: Arc<AtomicU64>,
}

/// Why an owner ended.
enum Exit {
    Stopped,
    Failed(AppendError),
}

async fn run<M: Machine, V: View<M>>(
    mut context: Context,
    mut requests: mpsc::Receiver<Request<M>>,
    mut view: V,
) {
    let shard = context.config.shard;
    let mut pause = RETRY;
    let mut drained = Vec::with_capacity(DRAIN_MAX);
    loop {
        let claim = Claim {
            shard,
            writer: context.config.broker,
            nonce: Nonce(context.env.entropy.bytes16()),
            time_ms: context.env.clock.wall_ms(),
            epoch_above: context.config.epoch_above,
        };
        let loaded = match recovery::recover(&context.store, claim, &mut view).await {
            Ok(loaded) => loaded,
            Err(error) if error.is_transient() => {
                tracing::warn!(%shard, %error, "the shard could not be loaded; trying again");
                tokio::select! { biased;
                    () = unwanted(&mut context.stopping) => break,
                    () = back_off(&*context.store.segments, pause) => {}
                }
                pause = LOAD_RETRY_MAX.min(pause * 2);
                continue;
            }
            Err(error) => {
                tracing::error!(%shard, %error, "the shard is halted and serves nothing");
                requests.close();
                context.tell.send_replace(ShardState::Halted(error.to_string()));
                return;
            }
        };
        pause = RETRY;
        context.durable.store(loaded.ownership.next.slot.0, Ordering::Release);
        context.tell.send_replace(ShardState::Serving(loaded.ownership.epoch));
        let mut owner = Owner::new(&context, loaded, &mut view);
        match owner.serve(&mut requests, &mut drained, context.stopping.clone()).await {
            Exit::Stopped => break,
            Exit::Failed(error) => {
                tracing::error!(%shard, %error, "the shard lost its journal; dropping its state and loading again");
                // Before those who wait are told: they go on when it has loaded.
                context.tell.send_replace(ShardState::Loading);
                drop(owner);
                drained.clear();
                while requests.try_recv().is_ok() {}
            }
        }
    }
    context.tell.send_replace(ShardState::Stopped);
}

/// Waits before a load is tried again: this long, or until there is space again if there was none.
async fn back_off(segments: &dyn Segments, pause: Duration) {
    // A store that is full looks for space when it is asked.
    let is_short = || segments.room().max(segments.room_owed()) == 0;
    let (mut was_short, mut waited) = (is_short(), Duration::ZERO);
    while waited < pause {
        let step = RETRY.min(pause - waited);
        tokio::time::sleep(step).await;
        waited += step;
        if std::mem::replace(&mut was_short, is_short()) && !was_short {
            return;
        }
    }
}

/// Waits until a stop is asked for, or there are no handles any more.
async fn unwanted(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn stop_asked(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

struct Owner<'a, M: Machine, V> {
    context: &'a Context,
    view: &'a mut V,
    machine: M,
    epoch: Epoch,
    nonce: Nonce,
    /// Where the next entry goes, and the hash of the one before it.
    next: Key,
    hash: EntryHash,
    /// All slots below are durable.
    durable: Slot,
    in_flight: VecDeque<InFlight<M>>,
    appends: FuturesOrdered<BoxFuture<'static, Result<(), AppendError>>>,
    /// Complete files, oldest first; the first may be in work.
    boundaries: VecDeque<Boundary<M>>,
    /// The first slot of the active file.
    file_start: Slot,
    trimmed: Slot,
    background: Option<BoxFuture<'static, Result<Done, SegmentError>>>,
    cleaner: Cleaner,
}

impl<'a, M: Machine, V: View<M>> Owner<'a, M, V> {
    fn new(context: &'a Context, loaded: Loaded<M>, view: &'a mut V) -> Self {
        let Loaded { machine, ownership, boundaries, file_start, named } = loaded;
        let sweep = sweep(context.config.shard, ownership.epoch, named, context.store.clone());
        let trimmed = ownership.head.map_or(Slot(0), |head| head.slot);
        Self {
            context,
            view,
            machine,
            epoch: ownership.epoch,
            nonce: ownership.nonce,
            next: ownership.next,
            hash: ownership.hash,
            durable: ownership.next.slot,
            in_flight: VecDeque::new(),
            appends: FuturesOrdered::new(),
            boundaries: boundaries.into(),
            file_start,
            trimmed,
            background: Some(sweep.map(Ok).boxed()),
            cleaner: Cleaner::new(context.config.shard, &context.store.segments),
        }
    }

    async fn serve(
        &mut self,
        requests: &mut mpsc::Receiver<Request<M>>,
        drained: &mut Vec<Request<M>>,
        mut stopping: watch::Receiver<bool>,
    ) -> Exit {
        let mut stop = false;
        loop {
            self.start_background();
            self.cleaner.start(self.view, self.trimmed, self.context.config.file_bytes);
            if stop && self.in_flight.is_empty() {
                return Exit::Stopped;
            }
            tokio::select! { biased;
                Some(appended) = self.appends.next(), if !self.appends.is_empty() => match appended {
                    Ok(()) => self.release(),
                    Err(error) => return Exit::Failed(error),
                },
                () = poll_fn(|cx| poll_written(&mut self.in_flight, cx)), if !self.in_flight.is_empty() => {}
                done = async { self.background.as_mut().expect("guarded").await }, if self.background.is_some() => {
                    self.background = None;
                    self.background_done(done).await;
                }
                cleaned = self.cleaner.step() => self.cleaner.done(cleaned, self.view),
                () = stop_asked(&mut stopping), if !stop => stop = true,
                count = requests.recv_many(drained, DRAIN_MAX), if !stop && self.in_flight.len() < IN_FLIGHT_MAX => {
                    stop = count == 0;
                    if let Err(error) = self.decide(drained).await {
                        return Exit::Failed(error);
                    }
                }
            }
        }
    }

    /// Decides drained requests and appends their records.
    async fn decide(&mut self, drained: &mut Vec<Request<M>>) -> Result<(), AppendError> {
        self.roll_if_due().await?;
        let now = Now { epoch: self.epoch, wall_ms: self.context.env.clock.wall_ms() };
        let mut room = Room::of(&*self.context.store.segments);
        let (mut draft, mut waiting) = (Draft::with_capacity(256), Vec::new());
        for request in drained.drain(..) {
            let mut replies = Vec::with_capacity(request.commands.len());
            let (mut full, mut bytes) = (Vec::new(), 0);
            draft.begin_request();
            for command in request.commands {
                let space = M::space_bytes(&command);
                let Decision { record, reply } = self.machine.decide(command, now);
                // Only a change takes space. A duplicate is told so on a full disk, too: refused, it could fall out of its
                // producer's window while its successors are taken.
                let Some(record) = record else {
                    replies.push(reply);
                    continue;
                };
                if !room.take(space, &record) {
                    replies.push(M::refuse(reply, NoRoom::Full));
                    continue;
                }
                if draft.bytes() >= ENTRY_BYTES {
                    full.push(std::mem::replace(&mut draft, Draft::with_capacity(256)));
                    room.next_entry();
                }
                let Some((record, record_bytes)) = draft.push(record, RECORD_BYTES_MAX) else {
                    replies.push(M::refuse(reply, NoRoom::TooLarge));
                    continue;
                };
                let slot = Slot(self.next.slot.0 + full.len() as u64);
                self.machine.replay(record, At { slot, epoch: self.epoch, time_ms: now.wall_ms });
                bytes += record_bytes;
                replies.push(reply);
            }
            if bytes < request.pinned_bytes / PINNED_MAX {
                full.iter_mut().chain([&mut draft]).for_each(Draft::copy_out);
            }
            // What the request filled goes first; it is answered with the last of its entries.
            for full in full {
                self.append_records(full, std::mem::take(&mut waiting), now.wall_ms).await;
            }
            waiting.push(Waiting { reply: request.reply, replies, ack: request.ack });
            if draft.bytes() >= ENTRY_BYTES {
                let full = std::mem::replace(&mut draft, Draft::with_capacity(256));
                self.append_records(full, std::mem::take(&mut waiting), now.wall_ms).await;
                room.next_entry();
            }
        }
        self.append_records(draft, waiting, now.wall_ms).await;
        Ok(())
    }
}
