//! Producer ids: reserved in shard 0 in blocks, given out from memory. What is left of a block at a stop is lost.

use std::ops::Range;

use klamm_cluster::{Cluster, Command, Reply};
use klamm_model::ProducerId;
use klamm_protocol::ErrorCode;
use tokio::sync::Mutex;

use crate::{Broker, errors};

/// Ids in a block, as in Kafka.
const BLOCK: i64 = 1000;

/// The block in use.
#[derive(Default)]
pub(crate) struct ProducerIds(Mutex<Range<ProducerId>>);

impl ProducerIds {
    /// Nobody has an id from here on: this broker is the only one that gives them out.
    pub(crate) async fn unused(&self, image: &Cluster) -> ProducerId {
        let block = self.0.lock().await;
        if block.is_empty() { image.next_producer_id() } else { block.start }
    }
}

impl Broker {
    /// A producer id that nobody ever had.
    pub(crate) async fn producer_id(&self) -> Result<ProducerId, ErrorCode> {
        let mut block = self.producer_ids.0.lock().await;
        if block.is_empty() {
            let asked = self.cluster.ask(Command::ReserveProducerIds { count: BLOCK }).await;
            *block = match asked.map_err(|error| errors::of_shard(&error))? {
                Reply::ProducerIds(first) => first..first + BLOCK,
                _ => return Err(ErrorCode::KAFKA_STORAGE_ERROR),
            };
        }
        Ok(block.next().expect("the block is not empty"))
    }
}
