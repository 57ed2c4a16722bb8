//! The clients: for each partition an idempotent and a plain producer, and one reader of all. Who gets no answer, or is told that the
//! broker does not serve the shard, tries again, at another broker by and by.

use std::{cell::Cell, collections::VecDeque, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use klamm_checker::{Event, Part, Poll, Values};
use klamm_model::{PartitionId, TopicId};
use klamm_partition::{Command, MoveError, Produce, ProduceError, Reply};
use klamm_records::{Limits, single, validate};
use klamm_shard::ReadError;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::broker::{Answer, Call, Read};
use crate::{
    Dice, Log,
    batch::{Batch, Writer, values},
    env::WALL_START_MS,
    model::{Phase, Shared, idempotent, plain},
};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Batches in flight, as Kafka's clients have.
const IN_FLIGHT_MAX: u64 = 5;
/// The checker's number of the reader, and of its last read.
const READER: u32 = 0;
const LAST: u32 = 1;
/// Partitions of a shard.
pub(super) const PARTITIONS: u32 = 2;

/// Where each broker that runs is reached.
pub(super) type Brokers = Arc<Mutex<Vec<Option<mpsc::UnboundedSender<Call>>>>>;

/// What a client has.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) model: Shared,
    pub(super) log: Log,
    pub(super) dice: Dice,
    pub(super) brokers: Brokers,
    /// Whom it asks next.
    pub(super) broker: usize,
    pub(super) stage: Rc<Stage>,
}

/// How far the clients are.
#[derive(Default)]
pub(super) struct Stage {
    /// Producers that are not done yet.
    pub(super) producing: Cell<usize>,
    /// Whether the last read is done.
    pub(super) has_read: Cell<bool>,
}

/// The partition of the shard.
pub(super) fn shard_of(part: Part) -> usize {
    (part.0 / PARTITIONS) as usize
}

pub(super) fn topic(shard: usize) -> TopicId {
    TopicId([1 + shard as u8; 16])
}

fn id(part: Part) -> PartitionId {
    PartitionId { topic: topic(shard_of(part)), index: (part.0 % PARTITIONS) as i32 }
}

fn command(part: Part, bytes: &Bytes) -> Command {
    let batch = single(bytes).and_then(|raw| validate(raw, &Limits::client(1 << 22)));
    Command::Produce(Produce {
        partition: id(part),
        batch: batch.expect("the workload's batches are valid"),
        append_time: false,
        producer_expiration_ms: i64::MAX,
        foreign_producer: false,
    })
}

impl Client {
    fn note(&self, what: std::fmt::Arguments<'_>) {
        self.log.note(&self.name, what);
    }

    /// Sends a call; what comes back is the answer to wait for. None: nobody is there.
    fn send<T>(
        &mut self,
        call: impl FnOnce(oneshot::Sender<Answer<T>>) -> Call,
    ) -> Option<oneshot::Receiver<Answer<T>>> {
        let (answer, receiver) = oneshot::channel();
        let brokers = self.brokers.lock();
        brokers[self.broker].as_ref()?.send(call(answer)).ok()?;
        Some(receiver)
    }

    fn ask(&mut self, shard: usize, command: Command) -> Option<oneshot::Receiver<Answer<Reply>>> {
        self.send(|answer| Call::Ask { shard, command, answer })
    }

    /// What was answered, and whether the newest owner did.
    async fn wait<T>(&self, answer: Option<oneshot::Receiver<Answer<T>>>) -> Option<(T, bool)> {
        let Answer { told, newest } = timeout(PATIENCE, answer?).await.ok()?.ok()?;
        Some((told?, newest))
    }

    /// After a failure: mostly another broker, after a while.
    async fn elsewhere(&mut self) {
        if !self.dice.one_in(4) {
            self.broker = self.dice.within(0..self.brokers.lock().len() as u64) as usize;
        }
        sleep(Duration::from_millis(self.dice.within(1..100))).await;
    }

    /// Makes the partitions of a shard.
    pub(super) async fn create(mut self, shard: usize) {
        loop {
            let partitions = (0..PARTITIONS as i32).map(|index| (index, 0, i64::MAX)).collect();
            let asked =
                self.ask(shard, Command::Create { topic: topic(shard), partitions, forgotten_below: 0 });
            if let Some((Reply::Done, true)) = self.wait(asked).await {
                return;
            }
            self.elsewhere().await;
        }
    }

    fn is_over(&self) -> bool {
        self.model.borrow().phase > Phase::Producing
    }

    async fn rest(&mut self) {
        let pause = *self.dice.pick(&[0, 1, 5, 30, 200]);
        sleep(Duration::from_millis(pause)).await;
    }

    fn refuse(&self, what: String) {
        self.note(format_args!("{what}"));
        self.model.borrow_mut().refuse(what);
    }

    /// An idempotent producer with batches in flight. Sends again what was not acknowledged, in order.
    pub(super) async fn produce(mut self, part: Part) {
        let (sender, shard) = (idempotent(part), shard_of(part));
        // With their numbers: a partition remembers a producer's last five batches, so that no more may follow the oldest
        // that is not acknowledged.
        let mut waiting: VecDeque<(u64, Batch)> = VecDeque::new();
        let (mut next, mut number, mut acked_end) = (0, 0, 0);
        while !self.is_over() || !waiting.is_empty() {
            let most = self.dice.within(1..IN_FLIGHT_MAX + 1);
            while !self.is_over() && waiting.front().is_none_or(|(oldest, _)| number < oldest + most) {
                let writer = Writer { id: 1000 + i64::from(part.0), epoch: 0, sequence: next as i32 };
                let batch = self.batch(part, sender, next, writer);
                next += batch.values.count;
                waiting.push_back((number, batch));
                number += 1;
            }
            let mut asked = Vec::new();
            for (_, batch) in &waiting {
                self.model.borrow_mut().tell(Event::SendInvoke(batch.values));
                asked.push(self.ask(shard, command(part, &batch.bytes)));
            }
            let (sent, mut failed) = (std::mem::take(&mut waiting), false);
            for ((number, batch), asked) in sent.into_iter().zip(asked) {
                match self.wait(asked).await {
                    Some((Reply::Produced(Ok(produced)), _)) => {
                        acked_end = produced.next_offset;
                        self.acked(batch.values, produced.base_offset);
                        continue;
                    }
                    // What follows a batch that was not taken is not taken either; an old owner knows no better.
                    Some((Reply::Produced(Err(ProduceError::Sequence(_))), newest)) if failed || !newest => {}
                    Some((Reply::Produced(Err(ProduceError::UnknownPartition)), false)) | None => {}
                    Some((reply, newest)) => {
                        self.refuse(format!("{:?} ({newest}): {reply:?}", batch.values));
                    }
                }
                failed = true;
                waiting.push_back((number, batch));
            }
            if failed {
                self.elsewhere().await;
            } else if self.dice.one_in(30) && acked_end > 0 {
                self.trim(part, acked_end).await;
            }
            self.rest().await;
        }
        self.stage.producing.set(self.stage.producing.get() - 1);
    }

    fn batch(&mut self, part: Part, sender: u32, first: u32, writer: Writer) -> Batch {
        let time_ms = WALL_START_MS + self.log.millis() as i64;
        Batch::make(part, sender, first, writer, time_ms, &mut self.dice)
    }

    fn acked(&self, values: Values, offset: i64) {
        self.note(format_args!(
            "{:?} {}+{} acknowledged at {offset}",
            values.part, values.first, values.count
        ));
        self.model.borrow_mut().tell(Event::SendOk { values, offset });
    }

    /// DeleteRecords up to some acknowledged offset.
    async fn trim(&mut self, part: Part, end: i64) {
        let to = self.dice.within(0..end as u64 + 1) as i64;
        self.model.borrow_mut().tell(Event::TrimInvoke { part, below: to });
        let asked = self.ask(shard_of(part), Command::MoveLogStart { partition: id(part), to: Some(to) });
        match self.wait(asked).await {
            Some((Reply::Moved(Ok(log_start)), true)) => {
                self.model.borrow_mut().tell(Event::TrimOk { part, log_start });
            }
            None | Some((Reply::Moved(Ok(_) | Err(MoveError::OutOfRange)), false)) => {}
            Some((reply, newest)) => self.refuse(format!("{part:?} to {to} ({newest}): {reply:?}")),
        }
    }

    /// A plain producer: sends a batch until it is acknowledged, and may so send it twice.
    pub(super) async fn produce_plain(mut self, part: Part) {
        let (sender, mut next) = (plain(part), 0);
        self.model.borrow_mut().tell(Event::Plain { writer: sender });
        while !self.is_over() {
            let writer = Writer { id: -1, epoch: -1, sequence: -1 };
            let batch = self.batch(part, sender, next, writer);
            next += batch.values.count;
            loop {
                self.model.borrow_mut().tell(Event::SendInvoke(batch.values));
                let asked = self.ask(shard_of(part), command(part, &batch.bytes));
                let told = match self.wait(asked).await {
                    Some((Reply::Produced(Ok(produced)), _)) => {
                        self.acked(batch.values, produced.base_offset);
                        break;
                    }
                    Some((Reply::Produced(Err(ProduceError::UnknownPartition)), false)) => {
                        Event::SendFail(batch.values)
                    }
                    None => Event::SendInfo(batch.values),
                    Some((reply, newest)) => {
                        Event::Refused { what: format!("{:?} ({newest}): {reply:?}", batch.values) }
                    }
                };
                self.model.borrow_mut().tell(told);
                self.elsewhere().await;
            }
            self.rest().await;
        }
        self.stage.producing.set(self.stage.producing.get() - 1);
    }

    /// Reads all partitions, now and then from an earlier offset on; in the end all of each.
    pub(super) async fn read(mut self, parts: u32) {
        let mut next = vec![0; parts as usize];
        while self.model.borrow().phase < Phase::Reading {
            let part = Part(self.dice.within(0..u64::from(parts)) as u32);
            let position = &mut next[part.0 as usize];
            if *position > 0 && self.dice.one_in(30) {
                *position = self.dice.within(0..*position as u64) as i64;
                self.model.borrow_mut().tell(Event::Seek { consumer: READER, part });
            }
            match self.poll(part, *position, false).await {
                Some((to, _)) => next[part.0 as usize] = to,
                None => self.elsewhere().await,
            }
            self.rest().await;
        }
        for part in (0..parts).map(Part) {
            let mut position = 0;
            loop {
                match self.poll(part, position, true).await {
                    Some((_, true)) => break,
                    Some((to, false)) => position = to,
                    None => self.elsewhere().await,
                }
            }
        }
        self.stage.has_read.set(true);
        self.note(format_args!("has read everything"));
    }

    /// One read; gives where to go on, and whether the end was reached. An owner that was replaced may tell less than there
    /// is, but nothing else.
    async fn poll(&mut self, part: Part, asked: i64, last: bool) -> Option<(i64, bool)> {
        let begun = self.model.borrow().checker.events();
        let sent = self.send(|answer| Call::Read {
            shard: shard_of(part),
            partition: id(part),
            from: asked,
            answer,
        });
        let (Read { batches, log_start, high_watermark }, newest) = self.wait(sent).await?;
        if last && !newest {
            return None;
        }
        let consumer = if last { LAST } else { READER };
        let poll = Poll {
            part,
            consumer,
            last,
            begun: newest.then_some(begun),
            asked: Some(asked),
            high_watermark: newest.then_some(high_watermark),
            log_start: newest.then_some(log_start),
            records: Vec::new(),
        };
        let bytes = match batches {
            Ok(bytes) => bytes,
            Err(ReadError::OutOfRange) if newest && log_start > asked => {
                let mut model = self.model.borrow_mut();
                model.tell(Event::Seek { consumer, part });
                model.tell(Event::Poll(Poll { asked: Some(log_start), ..poll }));
                return Some((log_start, false));
            }
            // Out of range at an old owner; or the store did not answer; or a log start that moved under the read.
            Err(ReadError::OutOfRange) if !newest || asked < high_watermark => return None,
            // The store loses and changes nothing.
            Err(ReadError::Storage(why)) if !why.contains("damaged") => {
                self.note(format_args!("{part:?} from {asked} on: {why}"));
                return None;
            }
            Err(error) => {
                self.refuse(format!("{part:?} from {asked} on: {error}"));
                return None;
            }
        };
        let records = match values(&bytes, part, asked) {
            Ok(records) => records,
            Err(what) => {
                self.refuse(format!("{part:?}: {what}"));
                return None;
            }
        };
        let to = records.last().map_or(asked, |(offset, _)| offset + 1);
        self.note(format_args!("{part:?} read {asked}..{to} of {high_watermark} ({newest})"));
        self.model.borrow_mut().tell(Event::Poll(Poll { records, ..poll }));
        Some((to, to >= high_watermark))
    }
}
