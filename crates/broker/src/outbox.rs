//! Effects of the cluster on other shards: delivered at least once, in order, and closed by a record.
//! Every effect is idempotent, so a crash between delivery and the record repeats it without harm.

use std::{collections::BTreeMap, sync::Arc};

use klamm_cluster::{Command, Effect, EffectKind, OFFSETS_RESERVED, Reply};
use klamm_group::{Command as GroupCommand, Request};
use klamm_model::{Bug, PartitionId, ProducerId, ShardId, StorageClass, planted};
use klamm_partition::{Command as PartitionCommand, Reply as PartitionReply};
use klamm_shard::{Ack, ShardError};
use tokio::sync::Mutex;

use crate::Broker;

/// One delivery at a time; the number of the last effect that was delivered.
#[derive(Default)]
pub(crate) struct Outbox(Mutex<Option<u64>>);

impl Broker {
    /// Delivers every effect that stands in the image, and those of topics in memory that a restart undid.
    pub async fn start(&self) -> Result<(), ShardError> {
        self.revive_memory().await?;
        self.settle().await
    }

    /// Delivers every effect that stands in the image.
    pub(crate) async fn settle(&self) -> Result<(), ShardError> {
        let mut delivered = self.outbox.0.lock().await;
        let image = self.image.load();
        for (sequence, effect) in image.outbox() {
            if delivered.is_some_and(|last| sequence <= last) {
                continue;
            }
            self.deliver(effect).await?;
            *delivered = Some(sequence);
            // Nobody waits for the record: what it closes is done.
            let cluster = self.cluster.clone();
            tokio::spawn(async move { cluster.ask(Command::EffectDone { sequence }).await });
        }
        Ok(())
    }

    async fn deliver(&self, effect: &Arc<Effect>) -> Result<(), ShardError> {
        if let EffectKind::ForgetOffsets(name) = &effect.kind {
            let request = Request::ForgetTopic { topic: name.clone(), id: effect.topic };
            return self.groups.shard.ask(GroupCommand { epoch: None, request }).await.map(drop);
        }
        let Some(shard) = self.shards.get(&effect.shard) else { return Err(ShardError::NotServing) };
        let command = match &effect.kind {
            EffectKind::Create(partitions) => PartitionCommand::Create {
                topic: effect.topic,
                partitions: partitions.clone(),
                forgotten_below: self.forgotten_below().await,
            },
            EffectKind::Drop => PartitionCommand::Drop { topic: effect.topic },
            EffectKind::ForgetOffsets(_) => unreachable!("delivered above"),
        };
        match shard.shard.ask(command).await? {
            // It stands in the outbox, and is delivered another time.
            PartitionReply::Full => Err(ShardError::Busy),
            _ => Ok(()),
        }
    }

    /// Producers with ids below this one may have written to another topic of the name that a new one has.
    async fn forgotten_below(&self) -> ProducerId {
        // The cluster counts in blocks; what is left of this broker's, nobody has yet.
        let unused = self.producer_ids_unused().await;
        unused.min(self.image.load().forgotten_below())
    }

    /// Topics in memory begin again after a restart, at offsets that were never used. What a full disk does not let us
    /// reserve is not lent: such a partition takes no records until there is space.
    async fn revive_memory(&self) -> Result<(), ShardError> {
        let image = self.image.load();
        for topic in image.topics().filter(|topic| topic.class == StorageClass::Memory) {
            let (mut reserve, mut create) = (Vec::new(), Vec::new());
            for (index, partition) in (0..).zip(&topic.partitions) {
                let start = if planted(Bug::MemoryReusesOffsets) { 0 } else { partition.reserved_end };
                let end = partition.reserved_end + OFFSETS_RESERVED;
                let id = PartitionId { topic: topic.id, index };
                reserve.push(Command::ReserveOffsets { partition: id, end });
                create.push((partition.shard, (index, start, end)));
            }
            let mut by_shard = BTreeMap::<ShardId, Vec<_>>::new();
            let replies = self.cluster.submit(reserve, Ack::Durable).await?;
            for (reply, (shard, (index, start, end))) in replies.into_iter().zip(create) {
                let end = if reply == Reply::Full { start } else { end };
                by_shard.entry(shard).or_default().push((index, start, end));
            }
            for (shard, partitions) in by_shard {
                let shard = self.shards.get(&shard).ok_or(ShardError::NotServing)?;
                // Whoever had an id before the restart may have been forgotten by it.
                let forgotten_below = image.next_producer_id();
                let command = PartitionCommand::Create { topic: topic.id, partitions, forgotten_below };
                shard.shard.ask(command).await?;
            }
        }
        Ok(())
    }

    /// Reserves more offsets of a partition in memory, another block: durably in shard 0 first.
    pub(crate) async fn reserve_offsets(&self, id: PartitionId) -> Result<(), ShardError> {
        let known = self.image.load().topic(id.topic).and_then(|topic| {
            let partition = topic.partitions.get(usize::try_from(id.index).ok()?)?;
            Some((partition.shard, partition.reserved_end + OFFSETS_RESERVED))
        });
        let Some((shard, end)) = known else { return Ok(()) };
        if self.cluster.ask(Command::ReserveOffsets { partition: id, end }).await? == Reply::Full {
            tracing::warn!(partition = %id, "the disk is full: offsets were not reserved");
            return Ok(());
        }
        let shard = self.shards.get(&shard).ok_or(ShardError::NotServing)?;
        shard.shard.ask(PartitionCommand::Reserve { partition: id, end }).await.map(drop)
    }
}
