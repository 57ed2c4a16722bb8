//! A member of a consumer group (classic protocol): joins, syncs, reads what it is assigned, commits, heartbeats, leaves;
//! again and again, in an eager group or in a cooperative one. At each step it may die there (its connection drops, and it comes back as somebody else, unless it
//! is a static member), or have the broker crash there.

mod calls;
mod cooperative;
mod sharing;

use std::{collections::BTreeMap, time::Duration};

use klamm_checker::{Event, Part};
use klamm_protocol::ErrorCode;

use self::cooperative::Holding;
pub(crate) use self::sharing::Kind;
use crate::{
    Dice, Log,
    client::{Client, Lost},
    env::SimNet,
    model::{Phase, Shared},
};

/// One of the group's members.
pub(crate) struct Member {
    name: String,
    address: String,
    group: String,
    instance: Option<String>,
    consumer: u32,
    model: Shared,
    net: SimNet,
    log: Log,
    dice: Dice,
    id: String,
    generation: i32,
    kind: Kind,
    /// What it owns between generations, in a cooperative group.
    holding: Holding,
    /// The group does not count it in any more.
    is_out: bool,
}

/// Why a life ends.
enum End {
    /// The connection is of no use.
    Lost(Lost),
    /// The member fell dead at a step.
    Died,
    /// The group goes on without what it knew: join again.
    Again,
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// What a member needs.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) group: String,
    pub(crate) is_static: bool,
    /// The checker's number.
    pub(crate) consumer: u32,
    /// That of its group.
    pub(crate) kind: Kind,
}

impl Member {
    pub(crate) fn new(place: Place, model: Shared, net: SimNet, log: Log, dice: Dice) -> Self {
        let Place { name, address, group, is_static, consumer, kind } = place;
        let instance = is_static.then(|| name.clone());
        Self {
            name,
            address,
            group,
            instance,
            consumer,
            model,
            net,
            log,
            dice,
            id: String::new(),
            generation: -1,
            kind,
            holding: Holding::default(),
            is_out: false,
        }
    }

    /// While the producer is at work.
    pub(crate) async fn run(mut self) {
        let mut client = None;
        while self.model.borrow().phase == Phase::Producing {
            if self.model.borrow().live().first() != Some(&0) {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            let mut connected = match client.take() {
                Some(client) => client,
                None => match Client::connect(&self.name, &self.address, &self.net, &self.log).await {
                    Ok(client) => client,
                    Err(_) => {
                        tokio::time::sleep(Duration::from_millis(self.dice.within(1..100))).await;
                        continue;
                    }
                },
            };
            let lived = match self.kind {
                Kind::Eager => self.life(&mut connected).await,
                Kind::Cooperative => self.hold_on(&mut connected).await,
            };
            match lived {
                Ok(()) | Err(End::Again) => client = Some(connected),
                Err(End::Lost(lost)) => {
                    self.log.note(&self.name, format_args!("lost its connection: {lost}"));
                    self.model.borrow_mut().lost(&self.name, &lost);
                }
                Err(End::Died) => {
                    self.id.clear();
                    self.holding = Holding::default();
                    let pause = self.dice.within(1..1500);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(self.dice.within(1..20))).await;
        }
    }

    /// A step of a rebalance: the member may die at it, or the broker.
    fn at(&mut self, step: &'static str) -> Result<(), End> {
        match self.dice.within(0..400) {
            0..6 => {
                self.log.note(&self.name, format_args!("dies: {step}"));
                self.log.count(&format!("member dies: {step}"), 1);
                Err(End::Died)
            }
            6..8 => {
                self.model.borrow_mut().crash_wish = Some(step);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// One generation, from joining to the next rebalance.
    async fn life(&mut self, client: &mut Client) -> Result<(), End> {
        let joined = self.join(client, &Holding::default()).await?;
        let parts = self.sync(client, joined).await?;
        let mut positions = self.committed(client, &parts).await?;
        for part in &parts {
            self.model.borrow_mut().tell(Event::Seek { consumer: self.consumer, part: *part });
        }
        if self.dice.one_in(4) {
            self.commit_late(client, &positions).await?;
        }
        let mut committed = positions.clone();
        for _ in 0..self.dice.within(3..60) {
            if self.model.borrow().phase != Phase::Producing {
                break;
            }
            tokio::time::sleep(Duration::from_millis(self.dice.within(1..120))).await;
            match self.heartbeat(client).await? {
                ErrorCode::NONE => {}
                // Commits before it rejoins, as clients do.
                ErrorCode::REBALANCE_IN_PROGRESS => {
                    self.commit(client, &mut committed, &positions).await?;
                    return Err(End::Again);
                }
                error => return Err(self.refused("a heartbeat", error)),
            }
            self.read(client, &mut positions).await?;
            if self.dice.one_in(3) {
                self.commit(client, &mut committed, &positions).await?;
            }
        }
        if self.dice.one_in(2) && self.instance.is_none() {
            self.leave(client).await?;
        }
        Ok(())
    }

    /// A commit of the generation before, held up until now: it must be refused.
    async fn commit_late(&mut self, client: &mut Client, positions: &Positions) -> Result<(), End> {
        self.generation -= 1;
        let committed = self.commit(client, &mut Positions::new(), positions).await;
        self.generation += 1;
        match committed {
            Err(End::Again) => Ok(()),
            other => other,
        }
    }

    /// Errors that members live with; others no correct broker gives.
    fn refused(&mut self, what: &str, error: ErrorCode) -> End {
        match error {
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_INSTANCE_ID => {
                self.id.clear();
                self.is_out = true;
            }
            ErrorCode::ILLEGAL_GENERATION => self.is_out = true,
            ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::KAFKA_STORAGE_ERROR
            | ErrorCode::REQUEST_TIMED_OUT => {}
            error => {
                let what = format!("{}: {what}: {error:?}", self.name);
                self.model.borrow_mut().refuse(what);
            }
        }
        End::Again
    }

    fn tell(&self, event: Event) {
        self.model.borrow_mut().tell(event);
    }
}

/// Where a member reads on.
type Positions = BTreeMap<Part, i64>;
