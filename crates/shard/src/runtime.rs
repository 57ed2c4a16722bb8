//! The task of a shard. One loop: durable entries are published and their replies released; requests are decided and
//! appended; files are sealed and checkpointed in the background, one at a time, and beside it segments are cleaned up.

use std::{
    collections::{BTreeSet, VecDeque},
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, Either, ready},
    stream::FuturesOrdered,
};
use klamm_env::Env;
use klamm_machine::{At, Decision, Machine, NoRoom, Now};
use klamm_model::{BrokerId, Bug, Epoch, ShardId, Slot, planted};
use klamm_store::{
    AppendError, Claim, Entry, EntryHash, EntryKind, Head, Header, Key, Nonce, SegmentError, SegmentInfo,
    ShardStore, Written,
    entry::{PAYLOAD_BYTES_MAX, crc32c},
};
use tokio::sync::{mpsc, watch};

use crate::{
    Published, Shard, ShardState, View,
    checkpoint::{Boundary, Checkpoint, sweep_left_over},
    cleaning::Cleaner,
    handle::{Ack, QUEUE_MAX, Request},
    pipeline::{Content, Draft, InFlight, Told, Waiting, poll_written},
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
/// Each load that fails costs an entry and a scan: the next waits twice as long, but what heals serves within a minute.
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
                    () = tokio::time::sleep(pause) => {}
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

/// Waits until a stop is asked for, or there are no handles any more.
async fn unwanted(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn stop_asked(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Makes the head known, then deletes what it replaces. May be repeated.
async fn trim(store: &ShardStore, head: &Head, checkpoint: &Checkpoint) -> Result<(), String> {
    store.journal.trim(head.clone()).await.map_err(|error| error.to_string())?;
    checkpoint.sweep(&*store.snapshots).await.map_err(|error| error.to_string())
}

/// On a full disk each owner may leave a part of its first snapshot: it goes before there is another.
async fn sweep(shard: ShardId, epoch: Epoch, named: BTreeSet<String>, store: ShardStore) -> Done {
    if let Err(error) = sweep_left_over(&*store.snapshots, epoch, &named).await {
        tracing::warn!(%shard, %error, "what earlier owners left of snapshots is there until the next checkpoint");
    }
    Done::Swept
}

/// A step of background work that is done.
enum Done {
    Swept,
    /// None: it was sealed before.
    Sealed(Option<SegmentInfo>, Checkpoint),
    Trimmed(Slot),
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

    async fn append_records(&mut self, draft: Draft<M>, waiting: Vec<Waiting<M>>, time_ms: i64) {
        if draft.is_empty() {
            // Nothing changed, but what was read may not be durable yet.
            match self.in_flight.back_mut() {
                Some(last) => last.waiting.extend(waiting),
                None => waiting.into_iter().for_each(Waiting::release),
            }
            return;
        }
        let (payload, placed) = draft.finish();
        assert!(payload.iter().map(Bytes::len).sum::<usize>() <= PAYLOAD_BYTES_MAX, "drafts are cut");
        self.append(EntryKind::Records, payload, Content::Records(placed), waiting, time_ms).await;
    }

    async fn append(
        &mut self,
        kind: EntryKind,
        payload: Vec<Bytes>,
        content: Content<M>,
        waiting: Vec<Waiting<M>>,
        time_ms: i64,
    ) {
        let header = Header {
            kind,
            shard: self.context.config.shard,
            key: self.next,
            epoch: self.epoch,
            writer: self.context.config.broker,
            nonce: self.nonce,
            previous: self.hash,
            durable: self.durable,
            time_ms,
            payload_bytes: u32::try_from(payload.iter().map(Bytes::len).sum::<usize>())
                .expect("payloads are bounded"),
            payload_crc: crc32c(payload.iter().map(|piece| &piece[..])),
        };
        self.hash = header.hash();
        if let Some(boundary) =
            self.boundaries.back_mut().filter(|boundary| boundary.slots.end == self.next.slot)
        {
            boundary.entry = Some((self.next.epoch, self.hash));
        }
        // Whoever waits for the write alone is told of it; for the others the sync is one step with it.
        let told_early = waiting.iter().any(|waiting| waiting.ack == Ack::Written);
        let (written, told) = if told_early {
            let (written, told) = Written::channel();
            (written, Told::Waiting(told))
        } else {
            (Written::ignore(), Told::Done)
        };
        let journal = Arc::clone(&self.context.store.journal);
        let mut append = async move { journal.append(Entry { header, payload }, written).await }.boxed();
        // The first poll gives the entry its place; entries are written in the order of their slots.
        let append = match poll_fn(|context| Poll::Ready(append.as_mut().poll(context))).await {
            Poll::Ready(result) => Either::Left(ready(result)),
            Poll::Pending => Either::Right(append),
        };
        self.appends.push_back(append.boxed());
        let mut entry = InFlight { key: self.next, time_ms, content, waiting, told };
        if planted(Bug::AnswerEarly) {
            entry.waiting.drain(..).for_each(Waiting::release);
        }
        if planted(Bug::ServePastHighWatermark)
            && let Content::Records(records) = &entry.content
        {
            let at = At { slot: entry.key.slot, epoch: self.epoch, time_ms };
            self.view.publish(Published { key: entry.key, at, records });
        }
        self.in_flight.push_back(entry);
        self.next.slot = self.next.slot.next();
    }

    /// The oldest entry in flight is durable.
    fn release(&mut self) {
        let entry = self.in_flight.pop_front().expect("one entry an append");
        assert_eq!(entry.key.slot, self.durable, "replies are released in slot order");
        self.durable = entry.key.slot.next();
        self.context.durable.store(self.durable.0, Ordering::Release);
        match entry.content {
            Content::Records(_) if planted(Bug::ServePastHighWatermark) => {}
            Content::Records(records) => {
                let at = At { slot: entry.key.slot, epoch: self.epoch, time_ms: entry.time_ms };
                self.view.publish(Published { key: entry.key, at, records: &records });
            }
            Content::Checkpoint(checkpoint) => self.trim(checkpoint),
        }
        entry.waiting.into_iter().for_each(Waiting::release);
    }

    /// Begins a new file when the active one is complete, and no other waits to be sealed.
    async fn roll_if_due(&mut self) -> Result<(), AppendError> {
        let segments = &self.context.store.segments;
        if segments.active_bytes() < self.context.config.file_bytes
            || !self.boundaries.is_empty()
            || self.file_start == self.next.slot
        {
            return Ok(());
        }
        let at = self.next.slot;
        match segments.roll(at).await {
            Ok(()) => {}
            // The active file goes on as far as there is space; the next requests ask again.
            Err(SegmentError::Full(_)) => return Ok(()),
            Err(error) => return Err(AppendError::Io(at, error.to_string())),
        }
        self.boundaries.push_back(Boundary {
            slots: self.file_start..at,
            sealed: false,
            machine: self.machine.clone(),
            entry: None,
        });
        self.file_start = at;
        Ok(())
    }

    fn start_background(&mut self) {
        if self.background.is_some() {
            return;
        }
        if self.in_flight.iter().any(|entry| matches!(entry.content, Content::Checkpoint(_))) {
            return; // its trim is next
        }
        if let Some(boundary) = self.boundaries.front()
            && boundary.entry.is_some()
            && boundary.slots.end <= self.durable
        {
            self.seal(Duration::ZERO);
        }
    }

    fn seal(&mut self, wait: Duration) {
        let boundary = self.boundaries.front().expect("called for a boundary");
        let (slots, machine, epoch, store) =
            (boundary.slots.clone(), boundary.machine.clone(), self.epoch, self.context.store.clone());
        let batches = (!boundary.sealed).then(|| self.view.batches(&slots));
        self.background = Some(
            async move {
                tokio::time::sleep(wait).await;
                let end = slots.end;
                let info = match batches {
                    Some(batches) => Some(store.segments.seal(slots, batches).await?),
                    None => None,
                };
                loop {
                    match Checkpoint::save(&machine, end, epoch, &*store.snapshots).await {
                        Ok(checkpoint) => return Ok(Done::Sealed(info, checkpoint)),
                        Err(error) => tracing::warn!(%error, "a snapshot was not saved; trying again"),
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
            .boxed(),
        );
    }

    fn trim(&mut self, checkpoint: Checkpoint) {
        let boundary = self.boundaries.pop_front().expect("a checkpoint is made of a boundary");
        assert_eq!(boundary.slots.end, checkpoint.slot, "checkpoints are made in order");
        let (key_epoch, hash) = boundary.entry.expect("a boundary is sealed once its entry is there");
        let store = self.context.store.clone();
        let head = Head { slot: checkpoint.slot, key_epoch, hash, checkpoint: checkpoint.encode() };
        self.background = Some(
            async move {
                // Nothing below may go before; on a full disk there may be no later checkpoint to wait for.
                while let Err(error) = trim(&store, &head, &checkpoint).await {
                    tracing::warn!(%error, "the journal was not trimmed; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                Ok(Done::Trimmed(head.slot))
            }
            .boxed(),
        );
    }

    async fn background_done(&mut self, done: Result<Done, SegmentError>) {
        match done {
            Ok(Done::Sealed(info, checkpoint)) => {
                info.iter().for_each(|info| self.view.sealed(info));
                let time_ms = self.context.env.clock.wall_ms();
                let payload = vec![checkpoint.encode()];
                self.append(
                    EntryKind::Checkpoint,
                    payload,
                    Content::Checkpoint(checkpoint),
                    Vec::new(),
                    time_ms,
                )
                .await;
            }
            Ok(Done::Swept) => {}
            Ok(Done::Trimmed(slot)) => self.trimmed = slot,
            Err(error) => {
                let shard = self.context.config.shard;
                tracing::warn!(%shard, %error, "a file was not sealed; trying again");
                self.seal(RETRY);
            }
        }
    }
}
