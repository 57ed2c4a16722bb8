//! Reads partitions from given offsets. One fetch is under way at each leader; what comes first is given first.
//!
//! Contract: a position moves only when its records are handed out; dropping the future of [`Fetcher::poll`] loses
//! nothing. Sessions are not used: each fetch names its partitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use klamm_protocol::{
    ErrorCode, FetchRequest,
    fetch::{FetchPartition, FetchTopic, PartitionData},
};
use tokio::task::JoinSet;

use crate::{At, Client, Error, Record, Result, TopicPartition, connection::Answer, decode};

/// Which records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// All; also those of open and aborted transactions.
    ReadUncommitted,
    /// Only what is committed.
    #[default]
    ReadCommitted,
}

/// How long a broker waits for records.
const WAIT_MS_MAX: i32 = 500;
const PARTITION_BYTES_MAX: i32 = 1 << 20;
const FETCH_BYTES_MAX: i32 = 50 << 20;

/// What came of a partition.
#[derive(Debug)]
pub struct Fetched {
    /// The partition.
    pub of: TopicPartition,
    /// Its records.
    pub records: Vec<Record>,
    /// The offset after them.
    pub next: i64,
    /// Where the partition ends for this reader.
    pub end: i64,
}

impl Fetched {
    /// Whether nothing is left to read at the moment.
    pub fn at_end(&self) -> bool {
        self.next >= self.end
    }
}

type Done = (i32, Result<Answer<FetchRequest<'static>>>);

/// Reads partitions.
pub struct Fetcher {
    client: Client,
    isolation: Isolation,
    positions: BTreeMap<TopicPartition, i64>,
    busy: BTreeSet<i32>,
    fetches: JoinSet<Done>,
    failures: u32,
}

impl Fetcher {
    /// Reads from these offsets on.
    pub fn new(client: Client, isolation: Isolation, positions: BTreeMap<TopicPartition, i64>) -> Self {
        let (busy, fetches) = Default::default();
        Self { client, isolation, positions, busy, fetches, failures: 0 }
    }

    /// The next offset of each partition.
    pub fn positions(&self) -> &BTreeMap<TopicPartition, i64> {
        &self.positions
    }

    /// Goes on at another offset.
    pub fn seek(&mut self, of: &TopicPartition, offset: i64) {
        if let Some(position) = self.positions.get_mut(of) {
            *position = offset;
        }
    }

    /// What came next; empty when nothing came within half a second.
    pub async fn poll(&mut self) -> Result<Vec<Fetched>> {
        self.start().await?;
        if self.fetches.is_empty() {
            tokio::time::sleep(Duration::from_millis(WAIT_MS_MAX as u64)).await;
            return Ok(vec![]);
        }
        let Some(done) = self.fetches.join_next().await else { return Ok(vec![]) };
        let (leader, answer) = done.map_err(|error| Error::Other(format!("a fetch ended: {error}")))?;
        self.busy.remove(&leader);
        match answer.and_then(|answer| self.take(&answer)) {
            Ok(fetched) => {
                self.failures = 0;
                Ok(fetched)
            }
            Err(error) => {
                let pass = error.is_retriable() || matches!(error, Error::TimedOut { .. });
                self.failures += 1;
                if !pass || self.failures > 30 {
                    return Err(error);
                }
                tokio::time::sleep(Duration::from_millis(100 * u64::from(self.failures.min(10)))).await;
                let topics: BTreeSet<_> = self.positions.keys().map(|of| of.topic.clone()).collect();
                let _ = self.client.refresh(Some(&topics.into_iter().collect::<Vec<_>>()), false).await;
                Ok(vec![])
            }
        }
    }

    /// Starts a fetch at each leader that has none under way.
    async fn start(&mut self) -> Result<()> {
        let mut leaders = self.client.by_leader(self.positions.keys());
        if leaders.remove(&None).is_some() {
            let topics: BTreeSet<_> = self.positions.keys().map(|of| of.topic.clone()).collect();
            let _ = self.client.refresh(Some(&topics.into_iter().collect::<Vec<_>>()), false).await;
            leaders = self.client.by_leader(self.positions.keys());
        }
        for (leader, partitions) in leaders {
            let Some(leader) = leader.filter(|leader| !self.busy.contains(leader)) else { continue };
            let request = self.request(partitions);
            let client = self.client.clone();
            self.busy.insert(leader);
            self.fetches.spawn(async move {
                let wait_max = client.timeout() + Duration::from_millis(WAIT_MS_MAX as u64);
                let answer = async { client.node(leader).await?.ask(&request, i16::MAX, wait_max).await };
                (leader, answer.await)
            });
        }
        Ok(())
    }

    fn request(&self, partitions: BTreeSet<&TopicPartition>) -> FetchRequest<'static> {
        let known = self.client.known();
        let mut topics: Vec<FetchTopic<'static>> = Vec::new();
        // Begins elsewhere each time: brokers fill the answer in the order of the question.
        let begin = self.client.env().entropy.u64() as usize % partitions.len().max(1);
        let all: Vec<_> = partitions.into_iter().collect();
        for of in all[begin..].iter().chain(&all[..begin]) {
            if topics.last().is_none_or(|last| last.topic != of.topic) {
                let (topic, topic_id) = (of.topic.clone().into(), known.id(&of.topic));
                topics.push(FetchTopic { topic, topic_id, ..Default::default() });
            }
            topics.last_mut().expect("it was pushed").partitions.push(FetchPartition {
                partition: of.partition,
                fetch_offset: self.positions[*of],
                partition_max_bytes: PARTITION_BYTES_MAX,
                ..Default::default()
            });
        }
        FetchRequest {
            max_wait_ms: WAIT_MS_MAX,
            min_bytes: 1,
            max_bytes: FETCH_BYTES_MAX,
            isolation_level: i8::from(self.isolation == Isolation::ReadCommitted),
            topics,
            ..Default::default()
        }
    }

    fn take(&mut self, answer: &Answer<FetchRequest<'static>>) -> Result<Vec<Fetched>> {
        let known = self.client.known();
        let told = answer.get()?;
        Error::check(told.error_code, None, || "fetching".to_owned())?;
        let (mut all, mut failed) = (Vec::new(), None);
        for topic in &told.responses {
            let Some(name) = known.name(&topic.topic, topic.topic_id) else { continue };
            for data in &topic.partitions {
                let of = TopicPartition::new(name, data.partition_index);
                let Some(&position) = self.positions.get(&of) else { continue };
                match self.take_partition(&of, position, data, answer) {
                    Ok(fetched) => all.push(fetched),
                    Err(error) => failed = Some(error),
                }
            }
        }
        match failed {
            // What came is handed out first; the failure comes again with the next fetch.
            Some(error) if all.iter().all(|fetched| fetched.records.is_empty()) => Err(error),
            _ => {
                for fetched in &all {
                    self.positions.insert(fetched.of.clone(), fetched.next);
                }
                Ok(all)
            }
        }
    }

    fn take_partition(
        &self,
        of: &TopicPartition,
        position: i64,
        data: &PartitionData<'_>,
        answer: &Answer<FetchRequest<'static>>,
    ) -> Result<Fetched> {
        if data.error_code == ErrorCode::OFFSET_OUT_OF_RANGE {
            return Err(Error::Other(format!(
                "offset {position} of {of} is out of range: it was deleted, or was never written; \
                 -o beginning or -o end starts where there is something"
            )));
        }
        Error::check(data.error_code, None, || format!("fetching {of} at {position}"))?;
        let bytes = data.records.as_ref().map(|records| records.in_frame(answer.frame())).unwrap_or_default();
        let committed = self.isolation == Isolation::ReadCommitted;
        let aborted = data.aborted_transactions.as_deref().filter(|_| committed);
        let decoded = decode::records(&bytes, position, aborted).map_err(|error| {
            Error::Other(format!("a batch of {of} after offset {position} is damaged: {error}"))
        })?;
        let stable = committed && data.last_stable_offset >= 0;
        let end = if stable { data.last_stable_offset } else { data.high_watermark };
        Ok(Fetched { of: of.clone(), records: decoded.records, next: decoded.next, end })
    }
}

impl Client {
    /// All partitions of a topic, or the one that is named.
    pub async fn partitions(&self, topic: &str, partition: Option<i32>) -> Result<Vec<TopicPartition>> {
        let all = self.topic(topic, false).await?;
        let count = all.partitions.len();
        let all: Vec<_> = all.partitions.iter().map(|one| TopicPartition::new(topic, one.index)).collect();
        let Some(partition) = partition else { return Ok(all) };
        let of = TopicPartition::new(topic, partition);
        if all.contains(&of) {
            Ok(vec![of])
        } else {
            Err(Error::NoPartition { topic: of.topic, partition, count })
        }
    }

    /// Begin and end of each partition, and the last `back` records' first offset.
    pub async fn tail(
        &self,
        partitions: &[TopicPartition],
        back: i64,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        let begins = self.offsets(partitions, At::Earliest, true).await?;
        let mut ends = self.offsets(partitions, At::Latest, true).await?;
        ends.iter_mut().for_each(|(of, end)| *end = (*end - back).max(begins[of]));
        Ok(ends)
    }
}
