//! Sends batches: in rounds, of each partition the oldest, to all leaders at a time; what may pass is tried again.
//!
//! Invariant: of a partition at most one batch is under way, and the next goes only when its fate is known. With a
//! producer id, sequences count up for each partition; after a batch that failed for good, what follows in its
//! partition fails too, since the broker would refuse the gap.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use klamm_protocol::{
    ErrorCode, ProduceRequest, Records,
    produce::{PartitionProduceData, TopicProduceData},
};
use klamm_records::next_sequence;
use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{Acks, Client, Error, Result, Summary, TopicPartition, accumulator::Ready, backoff::Backoff};

/// Who produces, for the broker to recognise repeated batches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProducerId {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// Batches of one round's request, at most; above it they wait for the next round.
const REQUEST_BYTES_MAX: usize = 16 << 20;
/// Batches that wait here.
const QUEUED_MAX: usize = 64;
const ERRORS_MAX: usize = 10;

struct Batch {
    bytes: Bytes,
    records: i32,
    backoff: Backoff,
}

pub(crate) struct Sender {
    client: Client,
    acks: Acks,
    id: Option<ProducerId>,
    sequences: BTreeMap<TopicPartition, i32>,
    /// Partitions in which a batch with a sequence failed: what follows would be out of order.
    lost: BTreeMap<TopicPartition, String>,
    queues: BTreeMap<TopicPartition, VecDeque<Batch>>,
    summary: Arc<Mutex<Summary>>,
}

type Round = Vec<(TopicPartition, Bytes)>;
type Fate = Vec<(TopicPartition, Result<()>)>;

impl Sender {
    pub(crate) fn new(
        client: Client,
        acks: Acks,
        id: Option<ProducerId>,
        summary: Arc<Mutex<Summary>>,
    ) -> Self {
        let (sequences, lost, queues) = Default::default();
        Self { client, acks, id, sequences, lost, queues, summary }
    }

    /// Until the queue is closed and everything has its fate.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Ready>) {
        loop {
            if self.queues.is_empty() {
                match queue.recv().await {
                    Some(ready) => self.take(ready),
                    None => return,
                }
            }
            while self.queues.values().map(VecDeque::len).sum::<usize>() < QUEUED_MAX
                && let Ok(ready) = queue.try_recv()
            {
                self.take(ready);
            }
            if !self.queues.is_empty() {
                self.round().await;
            }
        }
    }

    /// Gives a batch its sequence and compresses it.
    fn take(&mut self, Ready { of, mut builder }: Ready) {
        let records = builder.record_count();
        if let Some(why) = self.lost.get(&of) {
            let why = why.clone();
            return self.failed(records, why);
        }
        if let Some(ProducerId { id, epoch }) = self.id {
            let sequence = self.sequences.entry(of.clone()).or_default();
            builder = builder.producer(id, epoch, *sequence);
            *sequence = next_sequence(*sequence, records);
        }
        match builder.build() {
            Ok(bytes) => {
                let batch = Batch { bytes, records, backoff: self.client.backoff() };
                self.queues.entry(of).or_default().push_back(batch);
            }
            Err(error) => self.failed(records, format!("a batch of {of} can't be written: {error}")),
        }
    }

    fn failed(&self, records: i32, why: String) {
        let mut summary = self.summary.lock();
        summary.failed += u64::from(records.unsigned_abs());
        if !summary.errors.contains(&why) && summary.errors.len() < ERRORS_MAX {
            summary.errors.push(why);
        }
    }

    async fn round(&mut self) {
        let mut sends = JoinSet::new();
        for (leader, partitions) in self.client.by_leader(self.queues.keys()) {
            let (mut bytes, mut round) = (0, Round::new());
            for of in partitions {
                let Some(batch) = self.queues[of].front() else { continue };
                if bytes > 0 && bytes + batch.bytes.len() > REQUEST_BYTES_MAX {
                    break;
                }
                bytes += batch.bytes.len();
                round.push((of.clone(), batch.bytes.clone()));
            }
            sends.spawn(send(self.client.clone(), leader, self.acks, round));
        }
        let mut pause = None;
        while let Some(fate) = sends.join_next().await {
            for (of, fate) in fate.unwrap_or_default() {
                pause = pause.max(self.settle(&of, fate));
            }
        }
        self.queues.retain(|_, batches| !batches.is_empty());
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
            let mut topics: Vec<_> = self.queues.keys().map(|of| of.topic.clone()).collect();
            topics.dedup();
            let _ = self.client.refresh(Some(&topics), false).await;
        }
    }

    /// Takes note of a batch's fate; gives a pause if it is to be tried again.
    fn settle(&mut self, of: &TopicPartition, fate: Result<()>) -> Option<Duration> {
        let batches = self.queues.get_mut(of)?;
        let batch = batches.front_mut()?;
        let error = match fate {
            Ok(()) => {
                let mut summary = self.summary.lock();
                summary.records += u64::from(batch.records.unsigned_abs());
                summary.bytes += batch.bytes.len() as u64;
                batches.pop_front();
                return None;
            }
            Err(error) => error,
        };
        if error.is_retriable() || matches!(error, Error::TimedOut { .. }) {
            let env = self.client.env();
            if let Some(pause) = batch.backoff.wait(env.clock.monotonic(), env.entropy.u64()) {
                return Some(pause);
            }
        }
        let why = error.to_string();
        let failed: Vec<i32> = if self.id.is_some() {
            self.lost.insert(of.clone(), why.clone());
            batches.drain(..).map(|batch| batch.records).collect()
        } else {
            batches.pop_front().map(|batch| batch.records).into_iter().collect()
        };
        failed.into_iter().for_each(|records| self.failed(records, why.clone()));
        None
    }
}

async fn send(client: Client, leader: Option<i32>, acks: Acks, round: Round) -> Fate {
    let error = match try_send(&client, leader, acks, &round).await {
        Ok(fate) => return fate,
        Err(error) => error,
    };
    let repeat = |of: TopicPartition| {
        let error = match &error {
            Error::Refused { what, code, message } => {
                Error::Refused { what: what.clone(), code: *code, message: message.clone() }
            }
            Error::Connect { address, error } => Error::Connect {
                address: address.clone(),
                error: std::io::Error::new(error.kind(), error.to_string()),
            },
            Error::Closed { address, why } => Error::Closed { address: address.clone(), why: why.clone() },
            Error::TimedOut { what, after, .. } => {
                Error::TimedOut { what: what.clone(), after: *after, last: None }
            }
            other => Error::Other(other.to_string()),
        };
        (of, Err(error))
    };
    round.into_iter().map(|(of, _)| repeat(of)).collect()
}

async fn try_send(client: &Client, leader: Option<i32>, acks: Acks, round: &Round) -> Result<Fate> {
    let Some(leader) = leader else {
        let what = "producing to a partition without a leader".to_owned();
        return Err(Error::Refused { what, code: ErrorCode::LEADER_NOT_AVAILABLE, message: None });
    };
    let known = client.known();
    let mut topic_data: Vec<TopicProduceData<'_>> = Vec::new();
    for (of, bytes) in round {
        if topic_data.last().is_none_or(|last| last.name != of.topic) {
            let (name, topic_id) = (of.topic.as_str().into(), known.id(&of.topic));
            topic_data.push(TopicProduceData { name, topic_id, ..Default::default() });
        }
        let records = Some(Records::from(bytes.clone()));
        let partitions = &mut topic_data.last_mut().expect("it was pushed").partition_data;
        partitions.push(PartitionProduceData { index: of.partition, records });
    }
    let timeout_ms = i32::try_from(client.timeout().as_millis()).unwrap_or(i32::MAX);
    let request = ProduceRequest { transactional_id: None, acks: acks.wire(), timeout_ms, topic_data };
    let connection = client.node(leader).await?;
    if acks == Acks::None {
        connection.tell(&request, client.timeout()).await?;
        return Ok(round.iter().map(|(of, _)| (of.clone(), Ok(()))).collect());
    }
    let answer = connection.ask(&request, i16::MAX, client.timeout()).await?;
    let mut fate = Fate::new();
    for topic in answer.get()?.responses {
        let Some(name) = known.name(&topic.name, topic.topic_id) else { continue };
        for told in topic.partition_responses {
            let of = TopicPartition::new(name, told.index);
            let result = match told.error_code {
                ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Ok(()),
                code => Error::check(code, told.error_message.as_deref(), || format!("producing to {of}")),
            };
            fate.push((of, result));
        }
    }
    for (of, _) in round.iter().filter(|(of, _)| !fate.iter().any(|(told, _)| told == of)).collect::<Vec<_>>()
    {
        fate.push((of.clone(), Err(Error::Other(format!("the broker did not answer for {of}")))));
    }
    Ok(fate)
}
