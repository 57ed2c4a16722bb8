//! The only client of these days: creates the topics, sends a batch a minute to each partition (idempotent, until it is
//! acknowledged), asks for crashes while one is on its way, and checks.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use klamm_protocol::{
    CreateTopicsRequest, DeleteTopicsRequest, ErrorCode, FetchRequest, InitProducerIdRequest, ProduceRequest,
    Records,
    create_topics::{CreatableTopic, CreatableTopicConfig},
    delete_topics::DeleteTopicState,
    fetch::{FetchPartition, FetchTopic},
    produce::{PartitionProduceData, TopicProduceData},
};
use klamm_records::{BatchBuilder, Codec, Compression};

use super::{
    INTERVAL_MS, Told,
    ledger::{Keeps, Ledger, Sent},
};
use crate::{
    Dice, Log,
    client::{Client, Lost},
    disk::SimDisk,
    env::{SimNet, WALL_START_MS},
};

const MINUTE: Duration = Duration::from_secs(60);
/// How long the worker waits for an answer; each takes two steps of the simulation.
const PATIENCE: Duration = Duration::from_secs(30);
/// The broker is looked at after so many minutes each time.
const CHECK_MINUTES: u64 = 120;
/// One in so many minutes has a crash.
const CRASH_ONE_IN: u64 = 240;
/// Crashes are apart: a broker looks for old records only after its first interval.
const CRASH_PAUSE_MINUTES: u64 = 12;
/// When the topic that is deleted goes.
const DELETE_MINUTE: u64 = 13 * 60;
const DELETED: &str = "deleted";
/// A topic, its partitions, what it keeps, the largest batch in bytes, and how many minutes lie between two batches.
const TOPICS: [(&str, i32, Keeps, u64, u64); 6] = [
    ("an-hour", 2, Keeps::Hours(1), 4000, 1),
    ("six-hours", 2, Keeps::Hours(6), 4000, 1),
    ("a-day", 2, Keeps::Hours(24), 3000, 1),
    ("bytes", 1, Keeps::Bytes(300_000), 4000, 1),
    ("all", 1, Keeps::All, 400, 10),
    (DELETED, 1, Keeps::All, 4000, 1),
];

pub(super) struct Worker {
    net: SimNet,
    log: Log,
    dice: Dice,
    disk: SimDisk,
    told: Rc<Told>,
    client: Option<Client>,
    producer: (i64, i16),
    ledgers: Vec<Ledger>,
    records: u64,
    crashes: u64,
    checks: u64,
    /// Segments' bytes for each 100 bytes of batches, at most.
    worst_percent: u64,
}

impl Worker {
    pub(super) fn new(net: SimNet, log: Log, dice: Dice, disk: SimDisk, told: Rc<Told>) -> Self {
        let (client, producer, ledgers) = (None, (-1, -1), Vec::new());
        let (records, crashes, checks, worst_percent) = (0, 0, 0, 0);
        Self {
            net,
            log,
            dice,
            disk,
            told,
            client,
            producer,
            ledgers,
            records,
            crashes,
            checks,
            worst_percent,
        }
    }

    fn now_ms(&self) -> i64 {
        WALL_START_MS + i64::try_from(self.log.millis()).expect("runs are short")
    }

    pub(super) async fn run(mut self, hours: u64, rots: bool) -> Result<(), String> {
        self.create().await.map_err(|lost| lost.to_string())?;
        let mut crashed = 0;
        for minute in 1..=hours * 60 {
            tokio::time::sleep(MINUTE).await;
            let may_crash = minute % CHECK_MINUTES > 0 && minute >= crashed + CRASH_PAUSE_MINUTES;
            let crashes = may_crash && self.dice.one_in(CRASH_ONE_IN);
            if crashes {
                crashed = minute;
                self.ask_starts(false).await?;
                self.crashes += 1;
                self.told.crash.set(true);
            }
            self.produce(minute).await?;
            if crashes {
                // No log begins below where it did.
                self.ask_starts(false).await?;
            }
            if minute == DELETE_MINUTE {
                self.delete().await.map_err(|lost| lost.to_string())?;
            }
            if minute % CHECK_MINUTES == 0 {
                tokio::time::sleep(Duration::from_millis(INTERVAL_MS) + MINUTE).await;
                self.check().await?;
            }
        }
        if rots {
            return self.rot().await;
        }
        let Self { records, crashes, checks, worst_percent, .. } = self;
        let gone: i64 = self.ledgers.iter().map(|ledger| ledger.start).sum();
        *self.told.summary.borrow_mut() = format!(
            "{records} records sent, {gone} of them went by retention, {crashes} crashes, {checks} checks, \
             segments took at most {worst_percent} % of the batches"
        );
        Ok(())
    }

    /// A connection, however long it takes.
    async fn client(&mut self) -> &mut Client {
        while self.client.is_none() {
            let connected = Client::connect_within(PATIENCE, "worker", "broker:9092", &self.net, &self.log);
            match connected.await {
                Ok(client) => self.client = Some(client),
                Err(_) => tokio::time::sleep(Duration::from_secs(2)).await,
            }
        }
        self.client.as_mut().expect("connected")
    }

    async fn create(&mut self) -> Result<(), Lost> {
        let config = |(name, value): (&'static str, i64)| CreatableTopicConfig {
            name: name.into(),
            value: Some(value.to_string().into()),
        };
        let topics = TOPICS.map(|(name, partitions, keeps, ..)| {
            let (ms, bytes) = match keeps {
                Keeps::Hours(hours) => (hours * 3_600_000, -1),
                Keeps::Bytes(bytes) => (-1, bytes as i64),
                Keeps::All => (-1, -1),
            };
            CreatableTopic {
                name: name.into(),
                num_partitions: partitions,
                replication_factor: 1,
                configs: [("retention.ms", ms), ("retention.bytes", bytes)].map(config).into(),
                ..Default::default()
            }
        });
        let request = CreateTopicsRequest { topics: topics.into(), timeout_ms: 30_000, ..Default::default() };
        let answer = self.client().await.ask(7, &request).await?;
        for topic in answer.decode::<CreateTopicsRequest<'_>>()?.topics {
            expect("creates a topic", topic.error_code)?;
        }
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: -1,
            producer_id: -1,
            producer_epoch: -1,
        };
        let answer = self.client().await.ask(4, &request).await?;
        let told = answer.decode::<InitProducerIdRequest<'_>>()?;
        expect("gives a producer id", told.error_code)?;
        self.producer = (told.producer_id, told.producer_epoch);
        for (topic, partitions, keeps, ..) in TOPICS {
            let ledger = |index| Ledger { topic, index, keeps, sent: Vec::new(), start: 0 };
            self.ledgers.extend((0..partitions).map(ledger));
        }
        Ok(())
    }

    async fn delete(&mut self) -> Result<(), Lost> {
        let topics = vec![DeleteTopicState { name: Some(DELETED.into()), ..Default::default() }];
        let request = DeleteTopicsRequest { topics, timeout_ms: 30_000, ..Default::default() };
        let answer = self.client().await.ask(6, &request).await?;
        for topic in answer.decode::<DeleteTopicsRequest<'_>>()?.responses {
            expect("deletes a topic", topic.error_code)?;
        }
        self.ledgers.retain(|ledger| ledger.topic != DELETED);
        Ok(())
    }

    /// A batch for each partition whose turn it is, sent until it is acknowledged.
    async fn produce(&mut self, minute: u64) -> Result<(), String> {
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

    /// Where all logs start.
    async fn ask_starts(&mut self, is_quiet: bool) -> Result<(), String> {
        for number in 0..self.ledgers.len() {
            let (topic, index) = (self.ledgers[number].topic, self.ledgers[number].index);
            let asked_ms = self.now_ms();
            let told = self.client().await.log_start(topic, index).await.map_err(|lost| lost.to_string())?;
            let start = told.map_err(|error| format!("{topic}-{index}: {error:?}"))?;
            let told_ms = self.now_ms();
            self.ledgers[number].starts(start, asked_ms, told_ms, is_quiet)?;
        }
        Ok(())
    }

    async fn check(&mut self) -> Result<(), String> {
        self.checks += 1;
        self.ask_starts(true).await?;
        let live: u64 = self.ledgers.iter().map(Ledger::live_bytes).sum();
        let sealed = sealed_bytes(&self.disk);
        self.worst_percent = self.worst_percent.max(sealed * 100 / live);
        self.log.note("worker", format_args!("{sealed} bytes are sealed, {live} of batches are live"));
        if sealed * 10 >= live * 15 {
            return Err(format!("segments take {sealed} bytes, {live} of batches are live"));
        }
        for number in 0..self.ledgers.len() {
            let mut next = self.ledgers[number].start;
            while next < self.ledgers[number].end() {
                let from = next;
                next = match self.read(number, from).await? {
                    Ok(next) => next,
                    // Retention goes on meanwhile.
                    Err(ErrorCode::OFFSET_OUT_OF_RANGE) => {
                        self.ask_starts(true).await?;
                        self.ledgers[number].start
                    }
                    Err(error) => return Err(format!("{}: {error:?}", self.ledgers[number].topic)),
                };
                if next <= from {
                    return Err(format!("{}: nothing at offset {from}", self.ledgers[number].topic));
                }
            }
        }
        Ok(())
    }

    /// Fetches from an offset on, and compares; gives where to go on.
    async fn read(&mut self, number: usize, from: i64) -> Result<Result<i64, ErrorCode>, String> {
        let partition = FetchPartition {
            partition: self.ledgers[number].index,
            current_leader_epoch: -1,
            fetch_offset: from,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 4 << 20,
            ..Default::default()
        };
        let topic = self.ledgers[number].topic.into();
        let request = FetchRequest {
            replica_id: -1,
            max_bytes: 4 << 20,
            session_epoch: -1,
            topics: vec![FetchTopic { topic, partitions: vec![partition], ..Default::default() }],
            ..Default::default()
        };
        let answer = self.client().await.ask(12, &request).await.map_err(|lost| lost.to_string())?;
        let response = answer.decode::<FetchRequest<'_>>().map_err(|lost| lost.to_string())?;
        let told = response.responses.first().and_then(|topic| topic.partitions.first());
        let told = told.ok_or("a fetch says nothing of its partition")?;
        let ledger = &self.ledgers[number];
        if told.error_code != ErrorCode::NONE {
            return Ok(Err(told.error_code));
        }
        if told.high_watermark != ledger.end() {
            let (end, expected) = (told.high_watermark, ledger.end());
            return Err(format!("{}: it ends at {end}, not {expected}", ledger.topic));
        }
        let records = told.records.as_ref().map(|records| records.in_frame(answer.frame()));
        ledger.compare(from, &records.unwrap_or_default()).map(Ok)
    }

    /// Has a bit flipped while the broker is down, and reads everything.
    async fn rot(mut self) -> Result<(), String> {
        self.told.rot.set(true);
        self.told.crash.set(true);
        self.client = None;
        tokio::time::sleep(MINUTE).await;
        let mut said = 0;
        for number in 0..self.ledgers.len() {
            match self.read_rotten(number).await? {
                Some(errors) => said += errors,
                None => {
                    self.told.summary.borrow_mut().push_str(": the broker ended");
                    return Ok(());
                }
            }
        }
        let what = if said > 0 { ": readers were told" } else { ": nothing was missing" };
        self.told.summary.borrow_mut().push_str(what);
        Ok(())
    }

    /// Reads a partition, beyond what can't be read; gives how often it could not. None when the broker ended.
    async fn read_rotten(&mut self, number: usize) -> Result<Option<u64>, String> {
        let (mut next, mut errors) = (self.ledgers[number].start, 0);
        while next < self.ledgers[number].end() {
            if self.told.ended.get() {
                return Ok(None);
            }
            if self.client.is_none() {
                let connect = Client::connect_within(PATIENCE, "worker", "broker:9092", &self.net, &self.log);
                match connect.await {
                    Ok(client) => self.client = Some(client),
                    Err(_) => tokio::time::sleep(MINUTE).await,
                }
                continue;
            }
            match self.read(number, next).await {
                Ok(Ok(read)) if read > next => next = read,
                Ok(Ok(_)) => return Err(format!("{}: nothing at {next}", self.ledgers[number].topic)),
                Ok(Err(ErrorCode::OFFSET_OUT_OF_RANGE)) => {
                    self.ask_starts(false).await?;
                    let start = self.ledgers[number].start;
                    if start <= next {
                        return Err(format!("{}: it ends before {next}", self.ledgers[number].topic));
                    }
                    next = start;
                }
                Ok(Err(ErrorCode::KAFKA_STORAGE_ERROR | ErrorCode::NOT_LEADER_OR_FOLLOWER)) => {
                    errors += 1;
                    next = self.ledgers[number].after(next);
                }
                Ok(Err(error)) => return Err(format!("{}: {error:?}", self.ledgers[number].topic)),
                Err(_) if self.told.ended.get() => return Ok(None),
                Err(what) => return Err(what),
            }
        }
        Ok(Some(errors))
    }
}

/// What sealed and merged files take. A journal file that is not sealed ends with zeros.
fn sealed_bytes(disk: &SimDisk) -> u64 {
    let mut sum = 0;
    disk.each_file(|path, bytes| {
        let sealed = match path.extension().and_then(|is| is.to_str()) {
            Some("seg") => true,
            Some("log") => bytes[bytes.len().saturating_sub(64)..].iter().any(|byte| *byte != 0),
            _ => false,
        };
        sum += if sealed { bytes.len() as u64 } else { 0 };
    });
    sum
}

fn expect(what: &str, error: ErrorCode) -> Result<(), Lost> {
    match error {
        ErrorCode::NONE => Ok(()),
        error => Err(Lost::Answer(format!("the broker that {what} says {error:?}"))),
    }
}
