//! The only client of these days: creates the topics, sends a batch a minute to each partition (idempotent, until it is
//! acknowledged), asks for crashes while one is on its way, and checks.

mod checking;
mod producing;
mod rotten;

use std::{rc::Rc, time::Duration};

use klamm_protocol::{
    CreateTopicsRequest, DeleteTopicsRequest, ErrorCode, InitProducerIdRequest,
    create_topics::{CreatableTopic, CreatableTopicConfig},
    delete_topics::DeleteTopicState,
};

use super::{
    INTERVAL_MS, Told,
    ledger::{Keeps, Ledger},
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
}

fn expect(what: &str, error: ErrorCode) -> Result<(), Lost> {
    match error {
        ErrorCode::NONE => Ok(()),
        error => Err(Lost::Answer(format!("the broker that {what} says {error:?}"))),
    }
}
