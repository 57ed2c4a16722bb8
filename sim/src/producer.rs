//! The producer: idempotent, acks=all, up to five requests in flight. As librdkafka does, it sends what was not
//! answered again, in order and with the same sequence numbers, until it is. Between batches it creates and deletes
//! topics and asks for new producer ids (`chores`).

mod chores;
mod lane;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use klamm_checker::{Event, Part};
use klamm_protocol::{
    ErrorCode, ProduceRequest, Records, Uuid,
    produce::{PartitionProduceData, TopicProduceData},
};

use self::{chores::Chore, lane::Lane};
use crate::{
    Dice, Log,
    batch::{Batch, Writer},
    client::{Client, Lost, passes},
    env::{SimNet, WALL_START_MS},
    model::{Phase, Shared, idempotent},
};

/// Requests in flight, as every Kafka client bounds them for idempotence.
const IN_FLIGHT_MAX: usize = 5;
/// Values are sent until there are about as many bytes.
const BYTES_MEAN: u64 = 4 << 20;

/// The producer of a run.
pub(crate) struct Producer {
    name: String,
    address: String,
    model: Shared,
    net: SimNet,
    log: Log,
    dice: Dice,
    client: Option<Client>,
    writer: Option<(i64, i16)>,
    lanes: BTreeMap<Part, Lane>,
    in_flight: VecDeque<Vec<Batch>>,
    bytes_left: u64,
    until_ms: Option<u64>,
    chore: Option<Chore>,
}

impl Producer {
    pub(crate) fn new(
        name: String,
        address: String,
        model: Shared,
        net: SimNet,
        log: Log,
        mut dice: Dice,
    ) -> Self {
        let bytes_left = dice.within(BYTES_MEAN / 4..BYTES_MEAN * 7 / 4);
        Self {
            name,
            address,
            model,
            net,
            log,
            dice,
            client: None,
            writer: None,
            lanes: BTreeMap::new(),
            in_flight: VecDeque::new(),
            bytes_left,
            until_ms: None,
            chore: None,
        }
    }

    /// Goes on for so many minutes, however much that is.
    pub(crate) fn until(self, minutes: Option<u64>) -> Self {
        Self { until_ms: minutes.map(|minutes| minutes * 60_000), ..self }
    }

    /// Until all is sent and acknowledged.
    pub(crate) async fn run(mut self) {
        while !self.is_done() {
            if self.client.is_none() {
                self.client =
                    Some(Client::connect_some_time(&self.name, &self.address, &self.net, &self.log).await);
            }
            if let Err(lost) = self.step().await {
                self.log.note(&self.name, format_args!("lost its connection: {lost}"));
                self.model.borrow_mut().lost(&self.name, &lost);
                self.lost();
            }
        }
        self.log.note(&self.name, format_args!("is done"));
        self.model.borrow_mut().phase = Phase::Produced;
    }

    fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.lanes.values().all(Lane::is_idle)
    }

    fn is_done(&self) -> bool {
        self.bytes_left == 0 && self.chore.is_none() && self.is_idle()
    }

    async fn step(&mut self) -> Result<(), Lost> {
        if let Some(until_ms) = self.until_ms {
            self.bytes_left = if self.log.millis() < until_ms { u64::MAX / 2 } else { 0 };
        }
        self.plan_chore();
        if self.chore.is_some() && self.is_idle() {
            return self.do_chore().await;
        }
        while self.in_flight.len() < IN_FLIGHT_MAX && !self.dice.one_in(4) {
            let batches = self.gather();
            if batches.is_empty() {
                break;
            }
            self.send(batches).await?;
        }
        if self.in_flight.is_empty() || self.dice.one_in(20) {
            tokio::time::sleep(Duration::from_millis(self.dice.within(1..30))).await;
        }
        if !self.in_flight.is_empty() { self.settle().await } else { Ok(()) }
    }

    /// One batch each for some partitions: those that wait first, new ones unless a chore waits for quiet.
    fn gather(&mut self) -> Vec<Batch> {
        let (id, epoch) = self.writer.expect("the first chore");
        let mut batches = Vec::new();
        for (part, lane) in &mut self.lanes {
            if lane.is_held() || !self.dice.one_in(2) {
                continue;
            }
            if let Some(batch) = lane.next_waiting() {
                batches.push(batch);
            } else if self.chore.is_none() && self.bytes_left > 0 {
                let writer = Writer { id, epoch, sequence: lane.sequence() };
                let time_ms = WALL_START_MS + i64::try_from(self.log.millis()).expect("runs are short");
                let batch =
                    Batch::make(*part, idempotent(*part), lane.sent(), writer, time_ms, &mut self.dice);
                self.bytes_left = self.bytes_left.saturating_sub(batch.bytes.len() as u64);
                lane.begin(&batch);
                self.model.borrow_mut().tell(Event::SendInvoke(batch.values));
                batches.push(batch);
            }
        }
        batches
    }

    async fn send(&mut self, batches: Vec<Batch>) -> Result<(), Lost> {
        let mut topics: BTreeMap<usize, Vec<PartitionProduceData<'_>>> = BTreeMap::new();
        for batch in &batches {
            let lane = &self.lanes[&batch.values.part];
            topics.entry(lane.topic).or_default().push(PartitionProduceData {
                index: lane.index,
                records: Some(Records::from(batch.bytes.clone())),
            });
        }
        let by_name =
            self.dice.one_in(2) || topics.keys().any(|topic| self.model.borrow().topics[*topic].id.is_none());
        let topic_data = topics.into_iter().map(|(topic, partition_data)| {
            let topic = &self.model.borrow().topics[topic];
            match topic.id.filter(|_| !by_name) {
                Some(topic_id) => TopicProduceData { topic_id, partition_data, ..Default::default() },
                None => {
                    TopicProduceData { name: topic.name.clone().into(), partition_data, ..Default::default() }
                }
            }
        });
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
            topic_data: topic_data.collect(),
            ..Default::default()
        };
        // From here on it may arrive, even if sending fails.
        self.in_flight.push_back(batches);
        let version = if by_name { *self.dice.pick(&[7, 9, 12]) } else { 13 };
        self.client.as_mut().expect("connected").send(version, &request).await
    }

    /// Takes the answer to the oldest request.
    async fn settle(&mut self) -> Result<(), Lost> {
        let answer = self.client.as_mut().expect("connected").receive().await?;
        let response = answer.decode::<ProduceRequest<'_>>()?;
        let mut results = BTreeMap::new();
        for topic in &response.responses {
            for partition in &topic.partition_responses {
                let key = (topic.name.to_string(), topic.topic_id, partition.index);
                results.insert(key, (partition.error_code, partition.base_offset));
            }
        }
        for batch in self.in_flight.pop_front().expect("an answer has its request") {
            let lane = self.lanes.get_mut(&batch.values.part).expect("lanes live while batches do");
            let mut model = self.model.borrow_mut();
            let topic = &model.topics[lane.topic];
            let by_id = topic.id.and_then(|id| results.get(&(String::new(), id, lane.index)));
            let by_name = results.get(&(topic.name.clone(), Uuid::ZERO, lane.index));
            let Some((error, offset)) = by_id.or(by_name).copied() else {
                return Err(Lost::Answer(format!("nothing about {:?}", batch.values.part)));
            };
            match error {
                ErrorCode::NONE => {
                    lane.acked(&batch, offset);
                    model.acked += 1;
                    model.tell(Event::SendOk { values: batch.values, offset });
                }
                error if passes(error) => lane.failed(batch),
                // What follows a batch that was not taken is not taken either.
                ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER if lane.is_held() => lane.failed(batch),
                ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER if lane.is_overtaken(&batch) => {
                    self.log.count("work: first batches of a producer overtaken, as in Kafka", 1);
                    model.tell(Event::SendFail(batch.values));
                    lane.given_up();
                }
                error => {
                    model.refuse(format!("{:?} refused: {error:?}", batch.values));
                    lane.given_up();
                }
            }
        }
        Ok(())
    }

    /// The connection is gone: all that was not answered waits again, in order.
    fn lost(&mut self) {
        self.client = None;
        for batch in self.in_flight.drain(..).flatten() {
            self.lanes.get_mut(&batch.values.part).expect("lanes live while batches do").unanswered(batch);
        }
    }
}
