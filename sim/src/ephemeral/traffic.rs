//! Writes into the topic in memory, and reads of it.

use klamm_checker::{Event, Poll};
use klamm_protocol::{
    ErrorCode, FetchRequest, ProduceRequest, Records,
    fetch::{FetchPartition, FetchTopic},
    produce::{PartitionProduceData, TopicProduceData},
};

use super::{ByIndex, CONSUMER, Ephemeral, LAST, TOPIC};
use crate::{
    batch::{Batch, Writer, values},
    client::{Client, Lost, passes},
    env::WALL_START_MS,
    model::{Phase, idempotent},
};

impl Ephemeral {
    /// A batch for some of the partitions; what is open first.
    pub(super) async fn write(&mut self, client: &mut Client) -> Result<(), Lost> {
        let (id, epoch) = self.producer.expect("it has one");
        let time_ms = WALL_START_MS + i64::try_from(self.log.millis()).expect("runs are short");
        let ends = self.model.borrow().phase == Phase::Reading;
        let mut sent = ByIndex::<Batch>::new();
        for (index, lane) in (0..).zip(&mut self.lanes) {
            if lane.open.is_none() && self.dice.one_in(2) {
                let writer = Writer { id, epoch, sequence: (lane.sent - lane.first) as i32 };
                let batch = if self.is_bulky && index == 0 {
                    Batch::bulk(lane.part, idempotent(lane.part), lane.sent, writer, time_ms)
                } else {
                    Batch::make(lane.part, idempotent(lane.part), lane.sent, writer, time_ms, &mut self.dice)
                };
                lane.sent += batch.values.count;
                lane.to_come = lane.to_come.saturating_sub(u32::from(ends));
                lane.open = Some(batch);
            }
            if let Some(batch) = &lane.open {
                self.model.borrow_mut().tell(Event::SendInvoke(batch.values));
                sent.insert(index, batch.clone());
            }
        }
        if sent.is_empty() {
            return Ok(());
        }
        let partition = |(index, batch): (&i32, &Batch)| PartitionProduceData {
            index: *index,
            records: Some(Records::from(batch.bytes.clone())),
        };
        let partition_data = sent.iter().map(partition).collect();
        let topic_data = vec![TopicProduceData { name: TOPIC.into(), partition_data, ..Default::default() }];
        let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data, ..Default::default() };
        let answer = client.ask(9, &request).await?;
        let response = answer.decode::<ProduceRequest<'_>>()?;
        let told = response.responses.first().map(|topic| &topic.partition_responses[..]).unwrap_or_default();
        for (index, batch) in &sent {
            let result = told.iter().find(|told| told.index == *index);
            let result = result.ok_or_else(|| Lost::Answer(format!("nothing about {:?}", batch.values)))?;
            match result.error_code {
                ErrorCode::NONE => {
                    self.lanes[*index as usize].open = None;
                    let (values, offset) = (batch.values, result.base_offset);
                    self.model.borrow_mut().tell(Event::SendOk { values, offset });
                    self.log.count("work: records into memory", u64::from(values.count));
                }
                // Offsets are being reserved.
                ErrorCode::NOT_ENOUGH_REPLICAS => {}
                error if passes(error) => {}
                error => self.refuse(format!("{:?} refused: {error:?}", batch.values)),
            }
        }
        Ok(())
    }

    /// One fetch of all partitions.
    pub(super) async fn read(&mut self, client: &mut Client) -> Result<(), Lost> {
        let consumer = if self.last { LAST } else { CONSUMER };
        let mut asked = ByIndex::new();
        for (index, lane) in (0..).zip(&mut self.lanes) {
            // Now and then all again that should be there.
            if !self.last && self.dice.one_in(30) {
                lane.next = lane.log_start;
                self.model.borrow_mut().tell(Event::Seek { consumer, part: lane.part });
            }
            if !lane.done {
                asked.insert(index, lane.next);
            }
        }
        let bytes_max = *self.dice.pick(&[1, 100_000, 2_000_000]);
        let partition = |(index, offset): (&i32, &i64)| FetchPartition {
            partition: *index,
            current_leader_epoch: -1,
            fetch_offset: *offset,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: bytes_max,
            ..Default::default()
        };
        let partitions = asked.iter().map(partition).collect();
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: *self.dice.pick(&[0, 0, 50]),
            min_bytes: 1,
            max_bytes: 10_000_000,
            session_epoch: -1,
            topics: vec![FetchTopic { topic: TOPIC.into(), partitions, ..Default::default() }],
            ..Default::default()
        };
        let begun = Some(self.model.borrow().checker.events());
        let answer = client.ask(*self.dice.pick(&[11, 12]), &request).await?;
        let response = answer.decode::<FetchRequest<'_>>()?;
        if response.error_code.is_err() {
            self.refuse(format!("a fetch of {TOPIC}: {:?}", response.error_code));
        }
        let told = response.responses.first().map(|topic| &topic.partitions[..]).unwrap_or_default();
        let mut gone = Vec::new();
        for (index, asked) in asked {
            let part = self.lanes[index as usize].part;
            let partition = told.iter().find(|told| told.partition_index == index);
            let partition = partition.ok_or_else(|| Lost::Answer(format!("nothing about {part:?}")))?;
            match partition.error_code {
                ErrorCode::NONE => {}
                ErrorCode::OFFSET_OUT_OF_RANGE => {
                    gone.push((index, asked));
                    continue;
                }
                error if passes(error) => continue,
                error => {
                    self.refuse(format!("{part:?}: a fetch from {asked} on: {error:?}"));
                    continue;
                }
            }
            let records = partition.records.as_ref().map(|records| records.in_frame(answer.frame()));
            let records = values(&records.unwrap_or_default(), part, asked).map_err(Lost::Answer)?;
            let lane = &mut self.lanes[index as usize];
            lane.next = records.last().map_or(asked, |(offset, _)| offset + 1);
            lane.log_start = partition.log_start_offset;
            lane.done = self.last && lane.next >= partition.high_watermark;
            self.model.borrow_mut().tell(Event::Poll(Poll {
                part,
                consumer,
                begun,
                asked: Some(asked),
                high_watermark: Some(partition.high_watermark),
                log_start: Some(partition.log_start_offset),
                last: self.last,
                records,
            }));
        }
        for (index, asked) in gone {
            self.begin_again(client, index, asked, consumer).await?;
        }
        Ok(())
    }

    /// Goes on at the log start, which must lie above where it was.
    async fn begin_again(
        &mut self,
        client: &mut Client,
        index: i32,
        asked: i64,
        consumer: u32,
    ) -> Result<(), Lost> {
        let begun = Some(self.model.borrow().checker.events());
        let part = self.lanes[index as usize].part;
        match client.log_start(TOPIC, index).await? {
            Ok(log_start) if log_start > asked => {
                let lane = &mut self.lanes[index as usize];
                (lane.next, lane.log_start) = (log_start, log_start);
                let mut model = self.model.borrow_mut();
                model.tell(Event::Seek { consumer, part });
                let (asked, log_start, last) = (Some(log_start), Some(log_start), self.last);
                model.tell(Event::Poll(Poll {
                    part,
                    consumer,
                    begun,
                    asked,
                    log_start,
                    last,
                    ..Poll::default()
                }));
            }
            Err(error) if passes(error) => {}
            told => self.refuse(format!("{part:?}: {asked} is out of range, it starts at {told:?}")),
        }
        Ok(())
    }
}
