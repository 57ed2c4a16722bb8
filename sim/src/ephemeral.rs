//! A client of a topic of storage class `memory`: writes (idempotent, a request at a time), reads what it wrote, deletes
//! the topic and makes it again. A restart of the broker takes the records; while it lives, nothing is lost, and offsets
//! are not used again. In the end, when no restart comes any more, it writes once more and reads everything.

mod topic;
mod traffic;

use std::{collections::BTreeMap, time::Duration};

use klamm_checker::Part;

use crate::{
    Dice, Log,
    batch::Batch,
    client::{Client, Lost},
    env::SimNet,
    model::{Phase, Shared},
};

/// The topic's name, each time.
const TOPIC: &str = "m";
/// The checker's numbers of its reads, and of its last read.
const CONSUMER: u32 = 3;
const LAST: u32 = 4;
/// Batches for each partition in the end.
const LAST_BATCHES: u32 = 3;

/// The client of a topic in memory.
pub(crate) struct Ephemeral {
    name: String,
    address: String,
    model: Shared,
    net: SimNet,
    log: Log,
    dice: Dice,
    producer: Option<(i64, i16)>,
    /// Its partitions, by their indexes; empty if there is no topic.
    lanes: Vec<Lane>,
    chore: Option<Chore>,
    /// Whether batches are so large that a block of reserved offsets ends.
    is_bulky: bool,
    last: bool,
}

/// What is to be done about the topic, and whether it was asked before.
#[derive(Debug, Clone, Copy)]
enum Chore {
    Create { again: bool },
    Delete { again: bool },
}

/// One partition.
struct Lane {
    part: Part,
    /// How many values were sent, and how many before the producer had its id.
    sent: u32,
    first: u32,
    /// The batch that is not acknowledged yet: sent again until it is.
    open: Option<Batch>,
    /// Where it reads on, and where the log starts as it was told.
    next: i64,
    log_start: i64,
    /// Batches to come before the last read.
    to_come: u32,
    /// The last read came to the high watermark.
    done: bool,
}

impl Lane {
    fn new(part: Part) -> Self {
        Self {
            part,
            sent: 0,
            first: 0,
            open: None,
            next: 0,
            log_start: 0,
            to_come: LAST_BATCHES,
            done: false,
        }
    }
}

impl Ephemeral {
    pub(crate) fn new(
        name: String,
        address: String,
        model: Shared,
        net: SimNet,
        log: Log,
        mut dice: Dice,
    ) -> Self {
        let is_bulky = dice.one_in(8);
        let (producer, lanes, chore, last) = (None, Vec::new(), None, false);
        Self { name, address, model, net, log, dice, producer, lanes, chore, is_bulky, last }
    }

    /// Until its last read is done.
    pub(crate) async fn run(mut self) {
        let mut client = None;
        loop {
            let mut connected = match client.take() {
                Some(client) => client,
                None => Client::connect_some_time(&self.name, &self.address, &self.net, &self.log).await,
            };
            match self.step(&mut connected).await {
                Ok(true) => break,
                Ok(false) => client = Some(connected),
                Err(lost) => {
                    self.log.note(&self.name, format_args!("lost its connection: {lost}"));
                    self.model.borrow_mut().lost(&self.name, &lost);
                }
            }
            tokio::time::sleep(Duration::from_millis(self.dice.within(1..40))).await;
        }
        self.log.note(&self.name, format_args!("is done"));
    }

    async fn step(&mut self, client: &mut Client) -> Result<bool, Lost> {
        let phase = self.model.borrow().phase;
        self.plan_chore(phase);
        if self.chore.is_some() {
            self.do_chore(client).await?;
            return Ok(false);
        }
        if self.producer.is_none() || self.dice.one_in(300) {
            self.new_producer(client).await?;
            return Ok(false);
        }
        match phase {
            Phase::Producing => {
                if self.dice.one_in(2) {
                    self.write(client).await?;
                }
                if self.dice.one_in(2) {
                    self.read(client).await?;
                }
                Ok(false)
            }
            // What is sent now may go with the last restart.
            Phase::Produced => Ok(false),
            Phase::Reading if self.lanes.iter().any(|lane| lane.open.is_some() || lane.to_come > 0) => {
                self.write(client).await?;
                Ok(false)
            }
            Phase::Reading => {
                if !self.last {
                    self.last = true;
                    self.lanes.iter_mut().for_each(|lane| lane.next = 0);
                }
                self.read(client).await?;
                Ok(self.lanes.iter().all(|lane| lane.done))
            }
        }
    }

    fn refuse(&self, what: String) {
        self.log.note(&self.name, format_args!("{what}"));
        self.model.borrow_mut().refuse(what);
    }
}

/// What is sent or asked for, by the index of its partition.
type ByIndex<T> = BTreeMap<i32, T>;
