//! The reader: fetches every live partition from its own position with long polling, goes back now and then, and in
//! the end reads all of them from the start to the high watermark and compares the topics with what should be there.

use std::collections::{BTreeMap, BTreeSet};

use klamm_checker::{Event, Part, Poll};
use klamm_protocol::{
    ErrorCode, FetchRequest, MetadataRequest, Uuid,
    fetch::{FetchPartition, FetchTopic},
};

use crate::{
    Dice, Log,
    batch::values,
    client::{Client, Lost},
    env::SimNet,
    model::{Life, Phase, Shared},
};

/// The checker's number of the reader, and of its last read.
const CONSUMER: u32 = 0;
const LAST: u32 = 1;
/// The first version of Fetch whose answers name the log start.
const LOG_START_SINCE: i16 = 5;

/// The reader of a run.
pub(crate) struct Reader {
    name: String,
    address: String,
    model: Shared,
    net: SimNet,
    log: Log,
    dice: Dice,
    client: Option<Client>,
    positions: BTreeMap<Part, Position>,
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

impl Reader {
    pub(crate) fn new(
        name: String,
        address: String,
        model: Shared,
        net: SimNet,
        log: Log,
        dice: Dice,
    ) -> Self {
        Self { name, address, model, net, log, dice, client: None, positions: BTreeMap::new(), last: false }
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
                    self.client = None;
                }
            }
        }
        self.log.note(&self.name, format_args!("is done"));
    }

    async fn step(&mut self) -> Result<bool, Lost> {
        if !self.last && self.model.borrow().phase == Phase::Reading {
            self.log.note(&self.name, format_args!("reads everything"));
            self.last = true;
            self.positions.clear();
        }
        let wanted = self.wanted();
        if wanted.is_empty() && self.last {
            self.compare_topics().await?;
            return Ok(true);
        }
        if wanted.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            return Ok(false);
        }
        let begun = self.model.borrow().checker.events();
        let (version, request) = self.request(&wanted);
        let client = self.client.as_mut().expect("connected");
        let answer = client.ask(version, &request).await?;
        let response = answer.decode::<FetchRequest<'_>>()?;
        if response.error_code != ErrorCode::NONE {
            self.refuse(format!("a fetch: {:?}", response.error_code));
        }
        let mut told = BTreeMap::new();
        for topic in &response.responses {
            for partition in &topic.partitions {
                let key = (topic.topic.to_string(), topic.topic_id, partition.partition_index);
                told.insert(key, partition);
            }
        }
        let mut begin_again = Vec::new();
        for Wanted { topic, index, part, asked } in wanted {
            let (name, id, life) = {
                let topic = &self.model.borrow().topics[topic];
                (topic.name.clone(), topic.id, topic.life)
            };
            if life != Life::Live {
                continue;
            }
            let by_id = id.and_then(|id| told.get(&(String::new(), id, index)));
            let Some(partition) = by_id.or(told.get(&(name.clone(), Uuid::ZERO, index))) else {
                self.refuse(format!("{part:?}: a fetch does not answer for it"));
                continue;
            };
            match partition.error_code {
                ErrorCode::NONE => {}
                ErrorCode::NOT_LEADER_OR_FOLLOWER => continue,
                // Its beginning went meanwhile.
                ErrorCode::OFFSET_OUT_OF_RANGE => {
                    begin_again.push((name.clone(), index, part, asked));
                    continue;
                }
                error => {
                    self.refuse(format!("{part:?}: a fetch from {asked} on: {error:?}"));
                    continue;
                }
            }
            let records = partition.records.as_ref().map(|records| records.in_frame(answer.frame()));
            let records = match values(&records.unwrap_or_default(), asked) {
                Ok(records) => records,
                Err(what) => {
                    self.refuse(format!("{part:?}: {what}"));
                    continue;
                }
            };
            let position = self.positions.get_mut(&part).expect("wanted");
            position.next = records.last().map_or(asked, |(offset, _)| offset + 1);
            position.done = self.last && position.next >= partition.high_watermark;
            self.model.borrow_mut().tell(Event::Poll(Poll {
                part,
                consumer: if self.last { LAST } else { CONSUMER },
                last: self.last,
                begun: Some(begun),
                asked: Some(asked),
                high_watermark: Some(partition.high_watermark),
                log_start: Some(partition.log_start_offset).filter(|_| version >= LOG_START_SINCE),
                records,
            }));
        }
        drop(told);
        for (name, index, part, asked) in begin_again {
            self.seek_to_start(name, index, part, asked).await?;
        }
        Ok(false)
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
                let consumer = if self.last { LAST } else { CONSUMER };
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
        seeks.into_iter().for_each(|part| model.tell(Event::Seek { consumer: CONSUMER, part }));
        wanted
    }

    fn request(&mut self, wanted: &[Wanted]) -> (i16, FetchRequest<'static>) {
        let model = self.model.borrow();
        let by_name = self.dice.one_in(2) || wanted.iter().any(|w| model.topics[w.topic].id.is_none());
        let partition_bytes_max = *self.dice.pick(&[1, 10_000, 300_000, 4_000_000]);
        let mut topics: Vec<FetchTopic<'static>> = Vec::new();
        let mut last = None;
        for Wanted { topic, index, asked, .. } in wanted {
            if last != Some(*topic) {
                let named = &model.topics[*topic];
                let (name, id) = if by_name { (named.name.clone(), None) } else { (String::new(), named.id) };
                let topic_id = id.unwrap_or(Uuid::ZERO);
                topics.push(FetchTopic { topic: name.into(), topic_id, ..Default::default() });
                last = Some(*topic);
            }
            topics.last_mut().expect("pushed").partitions.push(FetchPartition {
                partition: *index,
                current_leader_epoch: -1,
                fetch_offset: *asked,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: partition_bytes_max,
                ..Default::default()
            });
        }
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: *self.dice.pick(&[0, 50, 500]),
            min_bytes: *self.dice.pick(&[0, 1, 1, 100_000]),
            max_bytes: *self.dice.pick(&[1, 200_000, 10_000_000]),
            isolation_level: self.dice.within(0..2) as i8,
            session_epoch: -1,
            topics,
            ..Default::default()
        };
        (if by_name { *self.dice.pick(&[4, 11, 12]) } else { *self.dice.pick(&[13, 16]) }, request)
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
            live.map(|topic| (topic.name.clone(), topic.parts.len())).collect()
        };
        if told != expected {
            self.refuse(format!("topics and their partitions are {told:?}, not {expected:?}"));
        }
        Ok(())
    }
}
