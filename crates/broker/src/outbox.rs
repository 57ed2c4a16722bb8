//! Effects of the cluster on other shards: delivered at least once, those of one topic in order, and closed by a record.
//! Every effect is idempotent, so a crash between delivery and the record repeats it without harm. One task delivers them,
//! and tries again what failed; whoever made an effect waits for it here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use klamm_cluster::{Cluster, Command, Effect, EffectKind, OFFSETS_RESERVED, Reply, ShardRole, Topic};
use klamm_group::{Command as GroupCommand, Reply as GroupReply, Request};
use klamm_model::{Bug, Offset, PartitionId, ProducerId, ShardId, StorageClass, TopicId, planted};
use klamm_partition::{Command as PartitionCommand, Reply as PartitionReply};
use klamm_shard::{Ack, ShardError};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

use crate::{Broker, Parts, producer_ids::ProducerIds};

/// Partitions that one command creates: its record fits into what shards keep for such on a full disk.
const CREATED_AT_ONCE: usize = 1000;

/// How long whoever made an effect waits for it.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// How long one delivery may take; then it is the turn of other shards, and it is tried again.
const DELIVERY_MAX: Duration = Duration::from_secs(4);
const _: () = assert!(
    2 * DELIVERY_MAX.as_secs() < WAIT_MAX.as_secs(),
    "one shard that is stuck makes nobody else late"
);

/// After this time what failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Why an effect was not delivered. It stands in the outbox, and is delivered another time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EffectError {
    #[error(transparent)]
    Shard(#[from] ShardError),
    #[error("the disk is full")]
    Full,
    #[error("its shard does not answer")]
    Late,
    #[error("topics in memory are not back yet")]
    NotRevived,
}

/// The task's handle; dropping it ends the task.
pub(crate) struct Outbox {
    wake: Arc<Notify>,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<()>,
}

/// What was delivered.
#[derive(Debug, Default)]
struct Progress {
    rounds: u64,
    /// All effects up to this number were tried.
    until: Option<u64>,
    /// Of them, those to be tried again.
    failed: BTreeSet<u64>,
}

impl Progress {
    fn has(&self, sequence: u64) -> bool {
        self.until.is_some_and(|until| sequence <= until) && !self.failed.contains(&sequence)
    }

    fn tried(&mut self, sequence: u64, delivered: bool) {
        self.until = self.until.max(Some(sequence));
        match delivered {
            true => self.failed.remove(&sequence),
            false => self.failed.insert(sequence),
        };
    }
}

impl Outbox {
    /// Starts the task; returns when each effect that stands there was tried once.
    pub(crate) async fn start(parts: Parts, producer_ids: Arc<ProducerIds>) -> Self {
        let (tell, progress) = watch::channel(Progress::default());
        let wake = Arc::new(Notify::new());
        let courier = Courier { parts, producer_ids, revived: false, progress: tell };
        let task = tokio::spawn(courier.run(Arc::clone(&wake)));
        let mut outbox = Self { wake, progress, task };
        // The task ends with this handle only.
        let _ = outbox.progress.wait_for(|progress| progress.rounds > 0).await;
        outbox
    }

    /// Waits until the effects on a topic that stand in this image are delivered; an error if one was not at the first try.
    async fn settled(&self, image: &Cluster, topic: TopicId) -> Result<(), ShardError> {
        let of_topic = image.outbox().filter(|(_, effect)| effect.topic == topic);
        let sequences: BTreeSet<u64> = of_topic.map(|(sequence, _)| sequence).collect();
        self.wake.notify_one();
        let mut progress = self.progress.clone();
        let tried = progress.wait_for(|progress| {
            let failed = sequences.iter().any(|sequence| progress.failed.contains(sequence));
            failed || sequences.iter().all(|sequence| progress.has(*sequence))
        });
        match tokio::time::timeout(WAIT_MAX, tried).await {
            Ok(Ok(progress)) if progress.failed.is_disjoint(&sequences) => Ok(()),
            Ok(_) | Err(_) => Err(ShardError::NotServing),
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Delivers. Invariant: a topic in memory that was there before this process gets nothing before it is revived, so that its
/// partitions do not begin at offsets that were used.
struct Courier {
    parts: Parts,
    producer_ids: Arc<ProducerIds>,
    revived: bool,
    progress: watch::Sender<Progress>,
}

impl Courier {
    async fn run(mut self, wake: Arc<Notify>) {
        loop {
            let all = self.round().await;
            self.progress.send_modify(|progress| progress.rounds += 1);
            let retry = async {
                match all {
                    true => std::future::pending().await,
                    false => tokio::time::sleep(RETRY).await,
                }
            };
            tokio::select! { biased;
                () = wake.notified() => {}
                () = retry => {}
            }
        }
    }

    /// Delivers every effect that stands in the image; says whether nothing is left to be tried again.
    async fn round(&mut self) -> bool {
        if !self.revived {
            match self.revive_memory().await {
                Ok(()) => self.revived = true,
                Err(error) => tracing::warn!(%error, "topics in memory are not served yet; trying again"),
            }
        }
        let image = self.parts.image.load();
        let (mut held, mut stuck, mut done) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for (sequence, effect) in image.outbox() {
            let mut delivered = self.progress.borrow().has(sequence);
            if !delivered && !held.contains(&effect.topic) && !stuck.contains(&effect.shard) {
                let delivery = tokio::time::timeout(DELIVERY_MAX, self.deliver(&image, effect)).await;
                match delivery.unwrap_or(Err(EffectError::Late)) {
                    Ok(()) => delivered = true,
                    Err(error) => {
                        if matches!(error, EffectError::Late) {
                            stuck.insert(effect.shard);
                        }
                        // Said once; it is tried for as long as it takes.
                        if !self.progress.borrow().failed.contains(&sequence) {
                            tracing::warn!(shard = %effect.shard, topic = %effect.topic, %error, "not delivered; trying again");
                        }
                    }
                }
            }
            match delivered {
                true => done.push(Command::EffectDone { sequence }),
                false => drop(held.insert(effect.topic)),
            }
            self.progress.send_modify(|progress| progress.tried(sequence, delivered));
        }
        if !done.is_empty() {
            // Nobody waits for the records: what they close is done. What is not closed is closed after another round.
            let cluster = self.parts.cluster.clone();
            tokio::spawn(async move { cluster.submit(done, Ack::Durable).await });
        }
        held.is_empty() && self.revived
    }

    async fn deliver(&self, image: &Cluster, effect: &Effect) -> Result<(), EffectError> {
        let commands = match &effect.kind {
            EffectKind::ForgetOffsets(name) => {
                let request = Request::ForgetTopic { topic: name.clone(), id: effect.topic };
                let shard = &self.parts.groups.shard;
                shard.ready().await.map_err(|_| ShardError::NotServing)?;
                return match shard.ask(GroupCommand { epoch: None, request }).await? {
                    GroupReply::Full => Err(EffectError::Full),
                    _ => Ok(()),
                };
            }
            // It was delivered before, perhaps, and its record was lost; the topic is gone since.
            EffectKind::Create(_) if image.topic(effect.topic).is_none() => return Ok(()),
            EffectKind::Create(partitions) => {
                creations(effect.topic, partitions, self.forgotten_below(image).await)
            }
            EffectKind::Drop => vec![PartitionCommand::Drop { topic: effect.topic }],
        };
        if !self.revived && self.is_memory(image, effect.shard) {
            return Err(EffectError::NotRevived);
        }
        self.tell(effect.shard, commands).await
    }

    /// Has a shard carry out commands, all of them.
    async fn tell(&self, shard: ShardId, commands: Vec<PartitionCommand>) -> Result<(), EffectError> {
        let shard = self.parts.shards.get(&shard).ok_or(ShardError::NotServing)?;
        // What is tried again and again must not fill its queue meanwhile.
        shard.shard.ready().await.map_err(|_| ShardError::NotServing)?;
        shard.shard.submit(commands, Ack::Durable).await?.iter().try_for_each(taken)
    }

    /// Producers with ids below this one may have written to another topic of the name that a new one has.
    async fn forgotten_below(&self, image: &Cluster) -> ProducerId {
        // The cluster counts in blocks; what is left of this broker's, nobody has yet.
        self.producer_ids.unused(image).await.min(image.forgotten_below())
    }

    fn is_memory(&self, image: &Cluster, shard: ShardId) -> bool {
        let in_memory = ShardRole::Partitions(StorageClass::Memory);
        image.shards().any(|(id, known)| id == shard && known.role == in_memory)
    }

    /// Topics in memory begin again after a restart, at offsets that were never used. What a full disk does not let us
    /// reserve is not lent: such a partition takes no records until there is space.
    async fn revive_memory(&self) -> Result<(), EffectError> {
        let image = self.parts.image.load();
        for topic in image.topics().filter(|topic| topic.class == StorageClass::Memory) {
            self.revive(topic).await?;
        }
        Ok(())
    }

    async fn revive(&self, topic: &Topic) -> Result<(), EffectError> {
        let (mut reserve, mut partitions) = (Vec::new(), Vec::new());
        for (index, partition) in (0..).zip(&topic.partitions) {
            let start = if planted(Bug::MemoryReusesOffsets) { 0 } else { partition.reserved_end };
            let end = partition.reserved_end + OFFSETS_RESERVED;
            let id = PartitionId { topic: topic.id, index };
            reserve.push(Command::ReserveOffsets { partition: id, end });
            partitions.push((partition.shard, (index, start, end)));
        }
        let replies = self.parts.cluster.submit(reserve, Ack::Durable).await?;
        let mut create = BTreeMap::<ShardId, Vec<_>>::new();
        for (reply, (shard, (index, start, end))) in replies.into_iter().zip(partitions) {
            let end = if reply == Reply::Full { start } else { end };
            create.entry(shard).or_default().push((index, start, end));
        }
        for (shard, partitions) in create {
            // Whoever had an id before the restart may have been forgotten by it.
            let forgotten_below = self.parts.image.load().next_producer_id();
            self.tell(shard, creations(topic.id, &partitions, forgotten_below)).await?;
        }
        Ok(())
    }
}

/// Commands that create partitions, each of a bounded size.
fn creations(
    topic: TopicId,
    partitions: &[(i32, Offset, Offset)],
    forgotten_below: ProducerId,
) -> Vec<PartitionCommand> {
    let create = |some: &[_]| PartitionCommand::Create { topic, partitions: some.to_vec(), forgotten_below };
    partitions.chunks(CREATED_AT_ONCE).map(create).collect()
}

fn taken(reply: &PartitionReply) -> Result<(), EffectError> {
    match reply {
        PartitionReply::Full => Err(EffectError::Full),
        _ => Ok(()),
    }
}

impl Broker {
    /// Changes a topic, and waits until the effects are delivered. Goes on if nobody waits any more.
    pub(crate) async fn change(
        self: &Arc<Self>,
        topic: TopicId,
        command: Command,
    ) -> Result<Reply, ShardError> {
        let broker = Arc::clone(self);
        let change = tokio::spawn(async move {
            let reply = match broker.cluster.ask(command).await {
                Ok(reply) => reply,
                Err(error) => {
                    // It may have taken effect all the same: that is seen when the shard has loaded again.
                    tokio::spawn(async move {
                        let _ = broker.cluster.ready().await;
                        broker.outbox.wake.notify_one();
                    });
                    return Err(error);
                }
            };
            broker.outbox.settled(&broker.image.load(), topic).await.map(|()| reply)
        });
        change.await.unwrap_or(Err(ShardError::NotServing))
    }

    /// Reserves more offsets of a partition in memory, another block: durably in shard 0 first, so that none is used twice.
    pub(crate) async fn reserve_offsets(&self, id: PartitionId) -> Result<(), EffectError> {
        let Some(known) = self.image.load().partition(id) else { return Ok(()) };
        let end = known.reserved_end + OFFSETS_RESERVED;
        if self.cluster.ask(Command::ReserveOffsets { partition: id, end }).await? == Reply::Full {
            return Err(EffectError::Full);
        }
        let shard = self.shards.get(&known.shard).ok_or(ShardError::NotServing)?;
        taken(&shard.shard.ask(PartitionCommand::Reserve { partition: id, end }).await?)
    }
}
