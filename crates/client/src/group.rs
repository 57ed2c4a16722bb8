//! Reads topics as a member of a group: joins, reads what it is assigned, goes on when the group rebalances.
//!
//! Contract: what [`GroupConsumer::poll`] returned counts as consumed at the next call; that is what
//! [`GroupConsumer::commit`] stores, and what is stored before partitions are given up. Heartbeats go on in a task of
//! their own, so a reader that is slow to write stays a member.

use std::{collections::BTreeMap, time::Duration};

use klamm_protocol::ErrorCode;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    At, Client, Error, Fetched, Fetcher, Isolation, Result, TopicPartition,
    membership::{Joined, Member},
};

/// What a coordinator says to a member that it has given up.
const LOST: [ErrorCode; 2] = [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::ILLEGAL_GENERATION];

/// How a member behaves.
#[derive(Debug, Clone)]
pub struct GroupOptions {
    /// The group.
    pub group: String,
    /// The topics to read.
    pub topics: Vec<String>,
    /// Where to begin where the group has no offset.
    pub reset: At,
    /// Which records are shown.
    pub isolation: Isolation,
    /// After this time without a heartbeat the member is taken for dead.
    pub session_timeout: Duration,
    /// How long a rebalance waits for a member.
    pub rebalance_timeout: Duration,
}

/// What happened.
#[derive(Debug)]
pub enum GroupEvent {
    /// The member reads these partitions now.
    Assigned(Vec<TopicPartition>),
    /// Records came; maybe none.
    Fetched(Vec<Fetched>),
}

/// A member of a group.
pub struct GroupConsumer {
    client: Client,
    options: GroupOptions,
    member: Member,
    /// While it is a member of a generation.
    active: Option<Active>,
}

struct Active {
    fetcher: Fetcher,
    committed: BTreeMap<TopicPartition, i64>,
    health: watch::Receiver<Health>,
    heart: JoinHandle<()>,
}

/// What the heartbeats hear.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Health {
    Well,
    Rebalance,
    /// No member any more: offsets can't be committed.
    Lost,
    Failed(String),
}

impl Drop for Active {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

impl GroupConsumer {
    /// A member to be; the first poll joins.
    pub fn new(client: Client, options: GroupOptions) -> Self {
        Self { client, options, member: Member::default(), active: None }
    }

    /// Whether it is a member now; if not, the next poll joins, and dropping that one's future would begin again.
    pub fn is_joined(&self) -> bool {
        self.active.is_some()
    }

    /// What comes next. Dropping the future loses nothing once the group is joined.
    pub async fn poll(&mut self) -> Result<GroupEvent> {
        let Some(active) = &mut self.active else {
            return self.join().await.map(GroupEvent::Assigned);
        };
        let health = active.health.borrow_and_update().clone();
        match health {
            Health::Well => {}
            Health::Rebalance => {
                // The group may have moved on already; then these records come again.
                let _ = self.commit().await;
                self.active = None;
                return Ok(GroupEvent::Fetched(vec![]));
            }
            Health::Lost => {
                self.active = None;
                return Ok(GroupEvent::Fetched(vec![]));
            }
            Health::Failed(why) => return Err(Error::Other(why)),
        }
        let Active { fetcher, health, .. } = active;
        tokio::select! { biased;
            _ = health.changed() => Ok(GroupEvent::Fetched(vec![])),
            fetched = fetcher.poll() => fetched.map(GroupEvent::Fetched),
        }
    }

    /// Goes on at another offset, as if what comes after it had not been handed out.
    pub fn seek(&mut self, of: &TopicPartition, offset: i64) {
        if let Some(active) = &mut self.active {
            active.fetcher.seek(of, offset);
        }
    }

    /// Stores how far it has read, where that is news.
    pub async fn commit(&mut self) -> Result<()> {
        let Some(active) = &mut self.active else { return Ok(()) };
        let positions = active.fetcher.positions();
        let news = positions.iter().filter(|(of, offset)| active.committed.get(of) != Some(offset));
        let news: BTreeMap<_, _> = news.map(|(of, offset)| (of.clone(), *offset)).collect();
        if news.is_empty() {
            return Ok(());
        }
        match self.client.commit(&self.options.group, Some(&self.member), &news).await {
            Ok(()) => active.committed.extend(news),
            // The heartbeats hear of it too, and the next poll rejoins.
            Err(error) if error.code() == Some(ErrorCode::REBALANCE_IN_PROGRESS) => {}
            // It was taken for dead; the next poll rejoins, and these records come again.
            Err(error) if error.code().is_some_and(|code| LOST.contains(&code)) => self.active = None,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Stores how far it has read, and leaves.
    pub async fn leave(mut self) -> Result<()> {
        let stored = self.commit().await;
        self.abandon().await?;
        stored
    }

    /// Leaves without storing anything.
    pub async fn abandon(mut self) -> Result<()> {
        self.active = None;
        if self.member.id.is_empty() {
            Ok(())
        } else {
            self.client.leave(&self.options.group, &self.member).await
        }
    }

    async fn join(&mut self) -> Result<Vec<TopicPartition>> {
        self.active = None;
        let partitions = loop {
            for topic in &self.options.topics {
                self.client.topic(topic, false).await?;
            }
            match self.client.join(&self.options, &mut self.member).await {
                Ok(Joined::Assigned(partitions)) => break partitions,
                // The other members may take their time to join again.
                Ok(Joined::Again) | Err(Error::TimedOut { last: None, .. }) => {}
                Err(error) => return Err(error),
            }
        };
        let (healthy, health) = watch::channel(Health::Well);
        let heart = beat(self.client.clone(), self.options.clone(), self.member.clone(), healthy);
        let heart = tokio::spawn(heart);
        let positions = self.client.committed(&self.options.group, Some(&partitions)).await?;
        let missing: Vec<_> = partitions.iter().filter(|of| !positions.contains_key(*of)).cloned().collect();
        let committed_only = self.options.isolation == Isolation::ReadCommitted;
        let mut positions = positions;
        positions.extend(self.client.offsets(&missing, self.options.reset, committed_only).await?);
        let committed = positions.clone();
        let fetcher = Fetcher::new(self.client.clone(), self.options.isolation, positions);
        self.active = Some(Active { fetcher, committed, health, heart });
        Ok(partitions)
    }
}

/// Heartbeats until the group says something else than "well".
async fn beat(client: Client, options: GroupOptions, member: Member, health: watch::Sender<Health>) {
    let every = options.session_timeout / 10;
    loop {
        tokio::time::sleep(every).await;
        let told = match client.heartbeat(&options.group, &member).await {
            Ok(ErrorCode::NONE) => continue,
            Ok(ErrorCode::REBALANCE_IN_PROGRESS) => Health::Rebalance,
            Ok(code) if LOST.contains(&code) => Health::Lost,
            Ok(code) => Health::Failed(format!("group {}: {code}", options.group)),
            Err(error) => Health::Failed(error.to_string()),
        };
        let rebalance = told == Health::Rebalance;
        health.send_if_modified(|health| std::mem::replace(health, told.clone()) != told);
        if !rebalance {
            return;
        }
        // Goes on until the reader rejoins, which ends this task.
    }
}
