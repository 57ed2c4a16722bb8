//! What readers are told of a partition whose bits rot.

use klamm_protocol::ErrorCode;

use super::{MINUTE, PATIENCE, Worker};
use crate::client::Client;

impl Worker {
    /// Has a bit flipped while the broker is down, and reads everything.
    pub(super) async fn rot(mut self) -> Result<(), String> {
        self.told.rot.set(true);
        self.told.crash.set(true);
        self.client = None;
        tokio::time::sleep(MINUTE).await;
        let mut said = 0;
        for number in 0..self.ledgers.len() {
            match self.read_rotten(number).await? {
                Some(errors) => said += errors,
                None => {
                    self.told.summary.borrow_mut().push_str(": the broker ended");
                    return Ok(());
                }
            }
        }
        let what = if said > 0 { ": readers were told" } else { ": nothing was missing" };
        self.told.summary.borrow_mut().push_str(what);
        Ok(())
    }

    /// Reads a partition, beyond what can't be read; gives how often it could not. None when the broker ended.
    async fn read_rotten(&mut self, number: usize) -> Result<Option<u64>, String> {
        let (mut next, mut errors) = (self.ledgers[number].start, 0);
        while next < self.ledgers[number].end() {
            if self.told.ended.get() {
                return Ok(None);
            }
            if self.client.is_none() {
                let connect = Client::connect_within(PATIENCE, "worker", "broker:9092", &self.net, &self.log);
                match connect.await {
                    Ok(client) => self.client = Some(client),
                    Err(_) => tokio::time::sleep(MINUTE).await,
                }
                continue;
            }
            match self.read(number, next).await {
                Ok(Ok(read)) if read > next => next = read,
                Ok(Ok(_)) => return Err(format!("{}: nothing at {next}", self.ledgers[number].topic)),
                Ok(Err(ErrorCode::OFFSET_OUT_OF_RANGE)) => {
                    self.ask_starts(false).await?;
                    let start = self.ledgers[number].start;
                    if start <= next {
                        return Err(format!("{}: it ends before {next}", self.ledgers[number].topic));
                    }
                    next = start;
                }
                Ok(Err(ErrorCode::KAFKA_STORAGE_ERROR | ErrorCode::NOT_LEADER_OR_FOLLOWER)) => {
                    errors += 1;
                    next = self.ledgers[number].after(next);
                }
                Ok(Err(error)) => return Err(format!("{}: {error:?}", self.ledgers[number].topic)),
                Err(_) if self.told.ended.get() => return Ok(None),
                Err(what) => return Err(what),
            }
        }
        Ok(Some(errors))
    }
}
