//! Retention: each interval, one walk over the partitions of this broker moves the starts of logs that their topics'
//! `retention.ms` and `retention.bytes` let go. Where a log should begin is [`Partitions::kept_from`]'s affair; what lies
//! before it is freed by the shard. What fails is logged, and looked at again in the next round.

use std::{sync::Arc, time::Duration};

use klamm_cluster::Topic;
use klamm_model::PartitionId;
use klamm_partition::{Command, Reply};
use klamm_shard::{Ack, Keep, Partitions};
use tokio::task::JoinHandle;

use crate::{Broker, LogConfig, broker::PartitionShard};

/// Moves of one shard that are asked for together.
const MOVES_MAX: usize = 128;

/// The task. Dropping this ends it.
pub struct Retention(JoinHandle<()>);

impl Retention {
    /// Starts the task; its first walk comes after an interval.
    pub fn start(broker: Arc<Broker>, interval: Duration) -> Self {
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                broker.retain().await;
            }
        }))
    }
}

impl Drop for Retention {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a topic keeps, if anything of it may go.
fn keep(log: &LogConfig, now_ms: i64) -> Option<Keep> {
    let since_ms = log.retention_ms.map(|age| now_ms.saturating_sub(age));
    let keep = Keep { since_ms, bytes: log.retention_bytes };
    (log.cleanup_delete && (since_ms.is_some() || keep.bytes.is_some())).then_some(keep)
}

impl Broker {
    /// One walk over all partitions.
    async fn retain(&self) {
        let mut moves = Moves::default();
        let topics: Vec<Arc<Topic>> = self.image.load().topics().cloned().collect();
        for topic in topics {
            let now_ms = self.env.clock.wall_ms();
            let Some(keep) = keep(&self.config.log.with(&topic.configs), now_ms) else { continue };
            for (index, partition) in (0..).zip(&topic.partitions) {
                let Some(shard) = self.shards.get(&partition.shard) else { continue };
                let id = PartitionId { topic: topic.id, index };
                if let Some(to) = start_to_be(&shard.view, id, &keep).await {
                    moves.add(shard, Command::MoveLogStart { partition: id, to: Some(to) }).await;
                }
                // Very many partitions are looked at without keeping others waiting.
                tokio::task::yield_now().await;
            }
        }
        moves.send().await;
    }
}

/// Where a log should begin, if not where it does.
async fn start_to_be(partitions: &Partitions, id: PartitionId, keep: &Keep) -> Option<i64> {
    let view = partitions.get(id)?;
    match partitions.kept_from(&view, keep).await {
        Ok(to) => (to > view.watermarks().log_start).then_some(to),
        Err(error) => {
            tracing::warn!(partition = %id, %error, "retention can't see what is old; trying again in the next round");
            None
        }
    }
}

/// Moves of one shard that were not asked for yet.
#[derive(Default)]
struct Moves {
    shard: Option<PartitionShard>,
    commands: Vec<Command>,
}

impl Moves {
    async fn add(&mut self, shard: &PartitionShard, command: Command) {
        let same = self.shard.as_ref().is_some_and(|known| Arc::ptr_eq(&known.view, &shard.view));
        if !same || self.commands.len() >= MOVES_MAX {
            self.send().await;
            self.shard = Some(shard.clone());
        }
        self.commands.push(command);
    }

    async fn send(&mut self) {
        let (Some(shard), false) = (self.shard.take(), self.commands.is_empty()) else { return };
        let commands = std::mem::take(&mut self.commands);
        let partitions = commands.len();
        match shard.shard.submit(commands, Ack::Durable).await {
            Ok(replies) if replies.iter().any(|reply| matches!(reply, Reply::Full)) => {
                tracing::warn!(
                    partitions,
                    "the disk has no space to say that old records go; trying again in the next round"
                );
            }
            // A partition that went meanwhile needs nothing.
            Ok(_) => tracing::debug!(partitions, "old records went"),
            Err(error) => {
                tracing::warn!(partitions, %error, "old records stay; trying again in the next round");
            }
        }
    }
}
