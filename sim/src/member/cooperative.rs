//! A member of a cooperative group: it keeps its partitions, and where it reads, while the group rebalances. What it is
//! to give up it stops to read, commits, and joins again without, so that another may have it.

use std::time::Duration;

use klamm_checker::{Event, Part};
use klamm_protocol::ErrorCode;

use super::{End, Member, Positions};
use crate::{client::Client, model::Phase};

/// What a member owns, over generations.
#[derive(Debug, Default)]
pub(super) struct Holding {
    pub(super) positions: Positions,
    committed: Positions,
    /// The generation that gave it.
    pub(super) generation: Option<i32>,
}

impl Member {
    /// From a join to the next, or to the end of what it owns.
    pub(super) async fn hold_on(&mut self, client: &mut Client) -> Result<(), End> {
        let mut holding = std::mem::take(&mut self.holding);
        let result = self.hold(client, &mut holding).await;
        // Fenced, forgotten or gone, it owns nothing any more.
        if !std::mem::take(&mut self.is_out) && !self.id.is_empty() {
            self.holding = holding;
        }
        result
    }

    async fn hold(&mut self, client: &mut Client, holding: &mut Holding) -> Result<(), End> {
        let joined = self.join(client, holding).await?;
        let parts = self.sync(client, joined).await?;
        holding.generation = Some(self.generation);
        let mut given_up = Positions::new();
        holding.positions.retain(|part, offset| {
            let stays = parts.contains(part);
            if !stays {
                given_up.insert(*part, *offset);
            }
            stays
        });
        let added: Vec<Part> =
            parts.into_iter().filter(|part| !holding.positions.contains_key(part)).collect();
        if !given_up.is_empty() {
            self.log.count("work: partitions given up by cooperative members", given_up.len() as u64);
            self.at("partitions given up")?;
            self.commit(client, &mut holding.committed, &given_up).await?;
        }
        holding.committed.retain(|part, _| holding.positions.contains_key(part));
        let positions = self.committed(client, &added).await?;
        for part in &added {
            self.tell(Event::Seek { consumer: self.consumer, part: *part });
        }
        holding.committed.extend(positions.clone());
        holding.positions.extend(positions);
        if !given_up.is_empty() {
            self.at("before joining without them")?;
            return Err(End::Again);
        }
        for _ in 0..self.dice.within(3..60) {
            if self.model.borrow().phase != Phase::Producing {
                break;
            }
            tokio::time::sleep(Duration::from_millis(self.dice.within(1..120))).await;
            match self.heartbeat(client).await? {
                ErrorCode::NONE => {}
                ErrorCode::REBALANCE_IN_PROGRESS => {
                    // It may go on for a while.
                    if self.dice.one_in(2) {
                        self.read(client, &mut holding.positions).await?;
                        self.commit(client, &mut holding.committed, &holding.positions).await?;
                    }
                    return Err(End::Again);
                }
                error => return Err(self.refused("a heartbeat", error)),
            }
            self.read(client, &mut holding.positions).await?;
            if self.dice.one_in(3) {
                self.commit(client, &mut holding.committed, &holding.positions).await?;
            }
        }
        if self.dice.one_in(2) && self.instance.is_none() {
            self.leave(client).await?;
        }
        Ok(())
    }
}
