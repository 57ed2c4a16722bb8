//! Reading the partitions of a fetch: look until there is enough, or the time is up.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use klamm_model::ShardId;
use klamm_protocol::ErrorCode;
use klamm_shard::{PartitionView, Room, Waiter};

use crate::{
    Broker,
    authorizer::Operation,
    errors,
    fetch_sessions::{PartitionKey, Wanted, WantedPartitions},
    session::Incoming,
};

/// What an answer has of batches that are not in memory yet, in bytes. It keeps them there until they are sent, so clients
/// that ask for much of what is old would take much memory; and what is sent while it is still in the processor's cache
/// costs half. Kafka's clients ask for the rest with their next fetch, for other partitions first.
const STORED_BYTES_MAX: usize = 4 << 20;

/// The bounds of a fetch.
pub(crate) struct Bounds {
    pub(crate) wait: Duration,
    pub(crate) bytes_min: u64,
    pub(crate) bytes_max: usize,
}

/// What came of a partition. There may be very many.
pub(crate) struct Outcome {
    /// Which of the wanted it is.
    pub(crate) place: usize,
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: i64,
    pub(crate) log_start: i64,
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) bytes: usize,
}

impl Outcome {
    fn error(place: usize, error: ErrorCode) -> Self {
        Self { place, error, high_watermark: -1, log_start: -1, pieces: Vec::new(), bytes: 0 }
    }
}

/// A partition that can be read.
struct Readable {
    shard: ShardId,
    view: Arc<PartitionView>,
}

impl Broker {
    /// Reads all wanted partitions, in order, once there are `bytes_min` bytes, something is wrong, or the time is up.
    pub(crate) async fn fetch(
        incoming: &Incoming,
        wanted: &WantedPartitions,
        bounds: &Bounds,
    ) -> Vec<Outcome> {
        let deadline = tokio::time::sleep(bounds.wait);
        tokio::pin!(deadline);
        let mut waiter = Waiter::default();
        let mut time_is_up = bounds.wait.is_zero();
        let mut shards_settled = BTreeSet::new();
        loop {
            let found: Vec<_> = wanted.iter().map(|(key, wanted)| find(incoming, key, wanted)).collect();
            let ahead = found.iter().zip(wanted.values()).filter_map(|(found, wanted)| {
                let readable = found.as_ref().ok()?;
                (wanted.offset > readable.view.watermarks().high_watermark).then_some(readable.shard)
            });
            // Beyond what is durable, but perhaps acknowledged with acks=1: look again once that is durable too.
            let mut look_again = false;
            for shard in ahead {
                if shards_settled.insert(shard) {
                    look_again = true;
                    // A shard that stopped is noticed by the next look.
                    let _ = incoming.broker.shards[&shard].shard.settled().await;
                }
            }
            if look_again {
                continue;
            }
            let mut available = 0;
            let mut settled = wanted.is_empty();
            for (found, wanted) in found.iter().zip(wanted.values()) {
                match found {
                    Ok(readable) => {
                        let marks = readable.view.watermarks();
                        // An offset out of range is answered at once.
                        settled |= wanted.offset > marks.high_watermark || wanted.offset < marks.log_start;
                        let enough = u64::from(wanted.bytes_max.max(0).unsigned_abs());
                        available += readable.view.available_bytes(wanted.offset, enough).min(enough);
                    }
                    Err(_) => settled = true,
                }
            }
            if settled || time_is_up || available >= bounds.bytes_min {
                drop(waiter);
                return read(&incoming.broker, &found, wanted, bounds.bytes_max).await;
            }
            if !waiter.watches(found.iter().flatten().map(|readable| &readable.view)) {
                // Watch first, then look again: nothing is missed between the two.
                waiter = Waiter::default();
                found.into_iter().flatten().for_each(|readable| waiter.watch(readable.view));
                continue;
            }
            tokio::select! { biased;
                () = waiter.changed() => {}
                () = &mut deadline => time_is_up = true,
            }
        }
    }
}

fn find(incoming: &Incoming, key: &PartitionKey, wanted: &Wanted) -> Result<Readable, ErrorCode> {
    let topic = incoming.topic(Operation::Read, &key.name, key.id)?;
    let located = incoming.broker.locate(topic, key.index)?;
    let (view, _) = located.view(wanted.leader_epoch)?;
    Ok(Readable { shard: located.shard_id, view })
}

/// Reads in order, until the response is full. The first batch of the first partition that has one comes whole.
async fn read(
    broker: &Broker,
    found: &[Result<Readable, ErrorCode>],
    wanted: &WantedPartitions,
    bytes_max: usize,
) -> Vec<Outcome> {
    let mut results = Vec::with_capacity(found.len());
    let mut left = Room { bytes: bytes_max, stored_bytes: STORED_BYTES_MAX };
    let mut nothing_yet = true;
    for (place, (found, wanted)) in found.iter().zip(wanted.values()).enumerate() {
        let readable = match found {
            Ok(readable) => readable,
            Err(error) => {
                results.push(Outcome::error(place, *error));
                continue;
            }
        };
        let room = Room { bytes: left.bytes.min(wanted.bytes_max.max(0).unsigned_abs() as usize), ..left };
        let view = &readable.view;
        // From before the read, and the high watermark from after it: no record of the answer lies outside of them.
        let log_start = view.watermarks().log_start;
        match broker.shards[&readable.shard].view.read(view, wanted.offset, room, nothing_yet).await {
            Ok(fetched) => {
                nothing_yet &= fetched.bytes == 0;
                left.bytes = left.bytes.saturating_sub(fetched.bytes);
                left.stored_bytes = left.stored_bytes.saturating_sub(fetched.stored_bytes);
                results.push(Outcome {
                    place,
                    error: ErrorCode::NONE,
                    high_watermark: view.watermarks().high_watermark,
                    log_start,
                    pieces: fetched.pieces,
                    bytes: fetched.bytes,
                });
            }
            Err(error) => results.push(Outcome::error(place, errors::of_read(&error))),
        }
    }
    results
}
