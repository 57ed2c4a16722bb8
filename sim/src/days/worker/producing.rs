//! A batch for each partition, sent until it is acknowledged.

use std::collections::BTreeMap;

use klamm_protocol::{
    ErrorCode, ProduceRequest, Records,
    produce::{PartitionProduceData, TopicProduceData},
};
use klamm_records::{BatchBuilder, Codec, Compression};

use super::{TOPICS, Worker};
use crate::{client::Lost, days::ledger::Sent};

impl Worker {
    /// A batch for each partition whose turn it is, sent until it is acknowledged.
    pub(super) async fn produce(&mut self, minute: u64) -> Result<(), String> {
        let time_ms = self.now_ms();
        let mut batches = BTreeMap::new();
        for ledger in &self.ledgers {
            let topic = TOPICS.iter().find(|topic| topic.0 == ledger.topic).expect("a topic of these");
            let (.., bytes_max, minutes) = topic;
            if !minute.is_multiple_of(*minutes) {
                continue;
            }
            let count = self.dice.within(1..5);
            let (id, epoch) = self.producer;
            let mut builder =
                BatchBuilder::new(Compression::of(Codec::None)).producer(id, epoch, ledger.end() as i32);
            for _ in 0..count {
                let mut value = vec![0; self.dice.within(bytes_max / 8..bytes_max / 4) as usize];
                self.dice.fill(&mut value);
                builder.push(time_ms, None, Some(&value), &[]);
            }
            let bytes = builder.build().expect("the batch fits");
            batches.insert((ledger.topic.to_owned(), ledger.index), (count as i64, bytes));
        }
        while !batches.is_empty() {
            let mut topics: BTreeMap<&String, Vec<PartitionProduceData<'_>>> = BTreeMap::new();
            for ((topic, index), (_, bytes)) in &batches {
                let records = Some(Records::from(bytes.clone()));
                topics.entry(topic).or_default().push(PartitionProduceData { index: *index, records });
            }
            let topic_data = topics.into_iter().map(|(name, partition_data)| TopicProduceData {
                name: name.clone().into(),
                partition_data,
                ..Default::default()
            });
            let topic_data = topic_data.collect();
            let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data, ..Default::default() };
            let client = self.client().await;
            let answer = match client.ask(9, &request).await {
                Ok(answer) => answer,
                Err(lost @ Lost::Answer(_)) => return Err(lost.to_string()),
                Err(_) => {
                    self.client = None;
                    continue;
                }
            };
            let response = answer.decode::<ProduceRequest<'_>>().map_err(|lost| lost.to_string())?;
            for topic in &response.responses {
                for told in &topic.partition_responses {
                    let key = (topic.name.to_string(), told.index);
                    match told.error_code {
                        ErrorCode::NONE => {
                            let (count, bytes) = batches.remove(&key).ok_or("an answer to nothing")?;
                            self.acknowledged(&key, told.base_offset, count, time_ms, bytes)?;
                        }
                        ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::REQUEST_TIMED_OUT => {}
                        error => return Err(format!("{key:?} refuses a batch: {error:?}")),
                    }
                }
            }
        }
        Ok(())
    }

    fn acknowledged(
        &mut self,
        key: &(String, i32),
        base: i64,
        count: i64,
        time_ms: i64,
        bytes: bytes::Bytes,
    ) -> Result<(), String> {
        let ledger = self.ledgers.iter_mut().find(|ledger| (ledger.topic, ledger.index) == (&key.0, key.1));
        let ledger = ledger.expect("what was sent has a ledger");
        if base != ledger.end() {
            return Err(format!("{key:?}: offset {base} is acknowledged, not {}", ledger.end()));
        }
        ledger.sent.push(Sent { base, last: base + count - 1, time_ms, bytes });
        self.records += count as u64;
        Ok(())
    }
}
