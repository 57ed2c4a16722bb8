//! The plain producer: not idempotent, acks=all, one request at a time, into the first topic. Of what is not answered it
//! sends some once more, so that those values may be there twice.

use std::time::Duration;

use klamm_checker::{Event, Part, Values};
use klamm_protocol::{
    ErrorCode, ProduceRequest, Records,
    produce::{PartitionProduceData, TopicProduceData},
};

use crate::{
    Dice, Log,
    batch::{Batch, Writer},
    client::{Client, Lost, passes},
    env::{SimNet, WALL_START_MS},
    model::{Phase, Shared, plain},
};

/// The plain producer of a run.
pub(crate) struct Plain {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) model: Shared,
    pub(crate) net: SimNet,
    pub(crate) log: Log,
    pub(crate) dice: Dice,
}

impl Plain {
    /// While the other producer is at work.
    pub(crate) async fn run(mut self) {
        let mut client = None;
        let mut sent = std::collections::BTreeMap::<Part, u32>::new();
        let mut again: Option<(i32, Batch)> = None;
        while self.model.borrow().phase == Phase::Producing {
            tokio::time::sleep(Duration::from_millis(self.dice.within(1..200))).await;
            let first = self.model.borrow().live().first().copied().filter(|topic| *topic == 0);
            if first.is_none() {
                continue;
            }
            let mut connected = match client.take() {
                Some(client) => client,
                None => match Client::connect(&self.name, &self.address, &self.net, &self.log).await {
                    Ok(client) => client,
                    Err(_) => continue,
                },
            };
            // Connecting may have taken long, and what comes behind the last read counts as lost.
            if self.model.borrow().phase != Phase::Producing {
                return;
            }
            let (index, batch) = again.take().unwrap_or_else(|| self.batch(&mut sent));
            self.model.borrow_mut().tell(Event::SendInvoke(batch.values));
            match self.send(&mut connected, index, &batch).await {
                Ok(Ok(offset)) => {
                    self.model.borrow_mut().tell(Event::SendOk { values: batch.values, offset });
                    client = Some(connected);
                }
                Ok(Err(error)) => {
                    self.log.note(&self.name, format_args!("{:?}: {error:?}", batch.values));
                    if !passes(error) {
                        self.model.borrow_mut().refuse(format!("{:?} refused: {error:?}", batch.values));
                    }
                    self.model.borrow_mut().tell(Event::SendInfo(batch.values));
                    client = Some(connected);
                }
                Err(lost) => {
                    self.log.note(&self.name, format_args!("lost its connection: {lost}"));
                    self.model.borrow_mut().lost(&self.name, &lost);
                    self.model.borrow_mut().tell(Event::SendInfo(batch.values));
                    again = self.dice.one_in(2).then_some((index, batch));
                }
            }
        }
    }

    fn batch(&mut self, sent: &mut std::collections::BTreeMap<Part, u32>) -> (i32, Batch) {
        let parts = self.model.borrow().topics[0].parts.clone();
        let index = self.dice.within(0..parts.len() as u64) as usize;
        let part = parts[index];
        let first = sent.entry(part).or_default();
        let writer = Writer { id: -1, epoch: -1, sequence: -1 };
        let time_ms = WALL_START_MS + i64::try_from(self.log.millis()).expect("runs are short");
        let batch = Batch::make(part, plain(part), *first, writer, time_ms, &mut self.dice);
        let Values { count, .. } = batch.values;
        *first += count;
        (index as i32, batch)
    }

    async fn send(
        &self,
        client: &mut Client,
        index: i32,
        batch: &Batch,
    ) -> Result<Result<i64, ErrorCode>, Lost> {
        let name = self.model.borrow().topics[0].name.clone();
        let partition = PartitionProduceData { index, records: Some(Records::from(batch.bytes.clone())) };
        let topic =
            TopicProduceData { name: name.into(), partition_data: vec![partition], ..Default::default() };
        let request =
            ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        let answer = client.ask(9, &request).await?;
        let response = answer.decode::<ProduceRequest<'_>>()?;
        let result = response.responses.first().and_then(|topic| topic.partition_responses.first());
        let result = result.ok_or_else(|| Lost::Answer("not one partition".to_owned()))?;
        Ok(if result.error_code == ErrorCode::NONE { Ok(result.base_offset) } else { Err(result.error_code) })
    }
}
