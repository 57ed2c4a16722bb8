//! A reader: fetches every live partition from its own position with long polling, in a fetch session or without, and
//! goes back now and then. In the end one of them reads all partitions from the start to the high watermark, and compares
//! the topics and what groups committed with what should be there.

mod asking;
mod commits;
mod session;

use std::collections::{BTreeMap, BTreeSet};

use klamm_checker::{Event, Part, Poll, Value};
use klamm_protocol::{ErrorCode, FetchRequest, MetadataRequest, fetch::PartitionData};

use self::{
    asking::Manner,
    session::{Key, LeftOut, Plan, Prank, Session},
};
use crate::{
    Dice, Log,
    batch::values,
    client::{Client, Lost},
    env::SimNet,
    model::{Life, Phase, Shared},
};

/// The checker's number of the last read.
const LAST: u32 = 1;
/// The first version of Fetch whose answers name the log start.
const LOG_START_SINCE: i16 = 5;
/// How often a session's client does something odd, and how often a reader begins to use a session, or goes without.
const PRANK_ONE_IN: u64 = 40;
const BEGIN_ONE_IN: u64 = 10;
const LEAVE_ONE_IN: u64 = 100;

/// One of a run's readers.
pub(crate) struct Reader {
    name: String,
    address: String,
    model: Shared,
    net: SimNet,
    log: Log,
    dice: Dice,
    client: Option<Client>,
    positions: BTreeMap<Part, Position>,
    /// The checker's number of it.
    consumer: u32,
    session: Option<(Session, Manner)>,
    /// Whether it reads everything in the end.
    reads_all: bool,
    last: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Position {
    next: i64,
    /// Whether the last read came to the high watermark.
    done: bool,
}

/// What a fetch asks of a partition.
struct Wanted {
    topic: usize,
    index: i32,
    part: Part,
    asked: i64,
}

/// A fetch: what it asks for, how, and in which session.
struct Fetch {
    wanted: Vec<Wanted>,
    manner: Manner,
    plan: Option<Plan>,
}

impl Reader {
    /// The reader that reads everything in the end.
    pub(crate) fn new(
        name: String,
        address: String,
        model: Shared,
        net: SimNet,
        log: Log,
        dice: Dice,
    ) -> Self {
        Self {
            name,
            address,
            model,
            net,
            log,
            dice,
            client: None,
            positions: BTreeMap::new(),
            consumer: 0,
            session: None,
            reads_all: true,
            last: false,
        }
    }

    /// Another reader, which ends with the producers.
    pub(crate) fn other(self, consumer: u32) -> Self {
        Self { consumer, reads_all: false, ..self }
    }

    /// Until the last read is done.
    pub(crate) async fn run(mut self) {
        loop {
            if self.client.is_none() {
                self.client =
                    Some(Client::connect_some_time(&self.name, &self.address, &self.net, &self.log).await);
            }
            match self.step().await {
                Ok(true) => break,
                Ok(false) => {}
                Err(lost) => {
                    self.log.note(&self.name, format_args!("lost its connection: {lost}"));
                    self.model.borrow_mut().lost(&self.name, &lost);
                    self.client = None;
                    let careful = self.dice.one_in(2);
                    if let Some((session, _)) = &mut self.session {
                        session.reconnected(careful);
                    }
                }
            }
        }
        self.log.note(&self.name, format_args!("is done"));
    }

    async fn step(&mut self) -> Result<bool, Lost> {
        if !self.last && self.model.borrow().phase == Phase::Reading {
            if !self.reads_all {
                return Ok(true);
            }
            self.log.note(&self.name, format_args!("reads everything"));
            self.last = true;
            self.positions.clear();
        }
        let wanted = self.wanted();
        let settled = self.model.borrow().others.values().all(Option::is_some);
        if wanted.is_empty() && self.last && settled {
            self.compare_topics().await?;
            return self.compare_commits().await;
        }
        if wanted.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            return Ok(false);
        }
        let begun = self.model.borrow().checker.events();
        let (fetch, request) = self.plan(wanted);
        let client = self.client.as_mut().expect("connected");
        let answer = client.ask(fetch.manner.version, &request).await?;
        let response = answer.decode::<FetchRequest<'_>>()?;
        if !self.begins_well(&fetch, response.error_code, response.session_id) {
            return Ok(false);
        }
        let mut told = BTreeMap::<Key, &PartitionData<'_>>::new();
        for topic in &response.responses {
            for partition in &topic.partitions {
                let key = (topic.topic.to_string(), topic.topic_id, partition.partition_index);
                told.insert(key, partition);
            }
        }
        let mut begin_again = Vec::new();
        for wanted in &fetch.wanted {
            let Wanted { topic, index, part, asked } = *wanted;
            let (key, name, life) = {
                let topic = &self.model.borrow().topics[topic];
                (fetch.manner.key(topic, index), topic.name.clone(), topic.life)
            };
            let partition = told.get(&key).copied();
            self.note_told(&key, partition);
            if life != Life::Live {
                continue;
            }
            let Some(partition) = partition else {
                self.left_out(&fetch, wanted, &key, begun);
                continue;
            };
            match partition.error_code {
                ErrorCode::NONE => {}
                ErrorCode::NOT_LEADER_OR_FOLLOWER => continue,
                // Its beginning went meanwhile.
                ErrorCode::OFFSET_OUT_OF_RANGE => {
                    begin_again.push((name, index, part, asked));
                    continue;
                }
                error => {
                    self.refuse(format!("{part:?}: a fetch from {asked} on: {error:?}"));
                    continue;
                }
            }
            let records = partition.records.as_ref().map(|records| records.in_frame(answer.frame()));
            match values(&records.unwrap_or_default(), part, asked) {
                Ok(records) => {
                    let log_start =
                        Some(partition.log_start_offset).filter(|_| fetch.manner.tells_log_start());
                    self.polled(wanted, begun, (partition.high_watermark, log_start), records);
                }
                Err(what) => self.refuse(format!("{part:?}: {what}")),
            }
        }
        drop(told);
        for (name, index, part, asked) in begin_again {
            self.seek_to_start(name, index, part, asked).await?;
        }
        Ok(false)
    }

    /// Whether an answer's head is as it should be, and partitions follow.
    fn begins_well(&mut self, fetch: &Fetch, error: ErrorCode, id: i32) -> bool {
        let result = match (&fetch.plan, &mut self.session) {
            (Some(plan), Some((session, _))) => session.answered(plan, error, id),
            _ if error == ErrorCode::NONE => Ok(true),
            _ => Err(format!("a fetch: {error:?}")),
        };
        if fetch.plan.is_some() {
            let kind = if error.is_ok() {
                "work: fetches in sessions"
            } else {
                "work: sessions that were gone or wrong"
            };
            self.log.note(&self.name, format_args!("in session {id}: {error:?}"));
            self.log.count(kind, 1);
        }
        result.unwrap_or_else(|what| {
            self.refuse(what);
            false
        })
    }

    /// Notes in the session what the broker told of a partition.
    fn note_told(&mut self, key: &Key, partition: Option<&PartitionData<'_>>) {
        if let (Some(partition), Some((session, _))) = (partition, &mut self.session) {
            let marks = (partition.high_watermark, partition.log_start_offset);
            session.told(key, partition.error_code.is_ok().then_some(marks));
        }
    }

    /// A partition that the answer leaves out is as it was: what that says is checked, too.
    fn left_out(&mut self, fetch: &Fetch, wanted: &Wanted, key: &Key, begun: u64) {
        let left_out = match (&fetch.plan, &self.session) {
            (Some(plan), Some((session, _))) => session.left_out(plan, key),
            _ => LeftOut::Wrong,
        };
        match left_out {
            LeftOut::Unchanged((high_watermark, log_start)) => {
                self.log.count("work: partitions that sessions left out", 1);
                self.polled(wanted, begun, (high_watermark, Some(log_start)), Vec::new());
            }
            LeftOut::Unknown => {}
            LeftOut::Wrong => self.refuse(format!("{:?}: a fetch does not answer for it", wanted.part)),
        }
    }

    /// A partition's part of an answer.
    fn polled(
        &mut self,
        wanted: &Wanted,
        begun: u64,
        (high_watermark, log_start): (i64, Option<i64>),
        records: Vec<(i64, Value)>,
    ) {
        let Wanted { part, asked, .. } = *wanted;
        let position = self.positions.get_mut(&part).expect("wanted");
        position.next = records.last().map_or(asked, |(offset, _)| offset + 1);
        position.done = self.last && position.next >= high_watermark;
        self.model.borrow_mut().tell(Event::Poll(Poll {
            part,
            consumer: self.number(),
            last: self.last,
            begun: Some(begun),
            asked: Some(asked),
            high_watermark: Some(high_watermark),
            log_start,
            records,
        }));
    }

    /// Its number now.
    fn number(&self) -> u32 {
        if self.last { LAST } else { self.consumer }
    }

    /// Goes on at the log start, which must lie above where it was.
    async fn seek_to_start(&mut self, name: String, index: i32, part: Part, asked: i64) -> Result<(), Lost> {
        let client = self.client.as_mut().expect("connected");
        let told = client.log_start(&name, index).await?;
        if self.model.borrow().find(part).is_none() {
            return Ok(());
        }
        match told {
            Ok(log_start) if log_start > asked => {
                self.positions.entry(part).or_default().next = log_start;
                let consumer = self.number();
                let mut model = self.model.borrow_mut();
                model.tell(Event::Seek { consumer, part });
                // Old fetches do not tell where a log starts; without this what lies before it would count as unread.
                model.tell(Event::Poll(Poll {
                    part,
                    consumer,
                    last: self.last,
                    begun: None,
                    asked: Some(log_start),
                    high_watermark: None,
                    log_start: Some(log_start),
                    records: Vec::new(),
                }));
            }
            Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) => {}
            told => self.refuse(format!("{part:?}: {asked} is out of range, it starts at {told:?}")),
        }
        Ok(())
    }

    fn refuse(&self, what: String) {
        self.log.note(&self.name, format_args!("{what}"));
        self.model.borrow_mut().refuse(what);
    }

    /// Live partitions and where to read on; some go back a way.
    fn wanted(&mut self) -> Vec<Wanted> {
        let model = self.model.borrow();
        let (mut wanted, mut seeks) = (Vec::new(), Vec::new());
        for topic in model.live() {
            for (index, part) in (0..).zip(&model.topics[topic].parts) {
                let position = self.positions.entry(*part).or_default();
                if !self.last && position.next > 0 && self.dice.one_in(60) {
                    position.next = self.dice.within(0..position.next as u64) as i64;
                    seeks.push(*part);
                }
                if !position.done {
                    wanted.push(Wanted { topic, index, part: *part, asked: position.next });
                }
            }
        }
        drop(model);
        let mut model = self.model.borrow_mut();
        seeks.into_iter().for_each(|part| model.tell(Event::Seek { consumer: self.consumer, part }));
        wanted
    }

    /// The broker's topics must be those that were acknowledged.
    async fn compare_topics(&mut self) -> Result<(), Lost> {
        let request = MetadataRequest { topics: None, ..Default::default() };
        let answer = self.client.as_mut().expect("connected").ask(12, &request).await?;
        let response = answer.decode::<MetadataRequest<'_>>()?;
        let told: BTreeSet<(String, usize)> = response
            .topics
            .iter()
            .map(|topic| (topic.name.as_deref().unwrap_or_default().to_owned(), topic.partitions.len()))
            .collect();
        let expected: BTreeSet<(String, usize)> = {
            let model = self.model.borrow();
            let live = model.live().into_iter().map(|number| &model.topics[number]);
            let others = model.others.iter().map(|(name, count)| (name.clone(), count.unwrap_or(0)));
            live.map(|topic| (topic.name.clone(), topic.parts.len())).chain(others).collect()
        };
        if told != expected {
            self.refuse(format!("topics and their partitions are {told:?}, not {expected:?}"));
        }
        Ok(())
    }
}
