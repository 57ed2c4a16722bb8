//! What is looked at: where logs start, what they have, and how much segments take.

use klamm_protocol::{
    ErrorCode, FetchRequest,
    fetch::{FetchPartition, FetchTopic},
};

use super::Worker;
use crate::{days::ledger::Ledger, disk::SimDisk};

impl Worker {
    /// Where all logs start.
    pub(super) async fn ask_starts(&mut self, is_quiet: bool) -> Result<(), String> {
        for number in 0..self.ledgers.len() {
            let (topic, index) = (self.ledgers[number].topic, self.ledgers[number].index);
            let asked_ms = self.now_ms();
            let told = self.client().await.log_start(topic, index).await.map_err(|lost| lost.to_string())?;
            let start = told.map_err(|error| format!("{topic}-{index}: {error:?}"))?;
            let told_ms = self.now_ms();
            self.ledgers[number].starts(start, asked_ms, told_ms, is_quiet)?;
        }
        Ok(())
    }

    pub(super) async fn check(&mut self) -> Result<(), String> {
        self.checks += 1;
        self.ask_starts(true).await?;
        let live: u64 = self.ledgers.iter().map(Ledger::live_bytes).sum();
        let sealed = sealed_bytes(&self.disk);
        self.worst_percent = self.worst_percent.max(sealed * 100 / live);
        self.log.note("worker", format_args!("{sealed} bytes are sealed, {live} of batches are live"));
        if sealed * 10 >= live * 15 {
            return Err(format!("segments take {sealed} bytes, {live} of batches are live"));
        }
        for number in 0..self.ledgers.len() {
            let mut next = self.ledgers[number].start;
            while next < self.ledgers[number].end() {
                let from = next;
                next = match self.read(number, from).await? {
                    Ok(next) => next,
                    // Retention goes on meanwhile.
                    Err(ErrorCode::OFFSET_OUT_OF_RANGE) => {
                        self.ask_starts(true).await?;
                        self.ledgers[number].start
                    }
                    Err(error) => return Err(format!("{}: {error:?}", self.ledgers[number].topic)),
                };
                if next <= from {
                    return Err(format!("{}: nothing at offset {from}", self.ledgers[number].topic));
                }
            }
        }
        Ok(())
    }

    /// Fetches from an offset on, and compares; gives where to go on.
    pub(super) async fn read(&mut self, number: usize, from: i64) -> Result<Result<i64, ErrorCode>, String> {
        let partition = FetchPartition {
            partition: self.ledgers[number].index,
            current_leader_epoch: -1,
            fetch_offset: from,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 4 << 20,
            ..Default::default()
        };
        let topic = self.ledgers[number].topic.into();
        let request = FetchRequest {
            replica_id: -1,
            max_bytes: 4 << 20,
            session_epoch: -1,
            topics: vec![FetchTopic { topic, partitions: vec![partition], ..Default::default() }],
            ..Default::default()
        };
        let answer = self.client().await.ask(12, &request).await.map_err(|lost| lost.to_string())?;
        let response = answer.decode::<FetchRequest<'_>>().map_err(|lost| lost.to_string())?;
        let told = response.responses.first().and_then(|topic| topic.partitions.first());
        let told = told.ok_or("a fetch says nothing of its partition")?;
        let ledger = &self.ledgers[number];
        if told.error_code != ErrorCode::NONE {
            return Ok(Err(told.error_code));
        }
        if told.high_watermark != ledger.end() {
            let (end, expected) = (told.high_watermark, ledger.end());
            return Err(format!("{}: it ends at {end}, not {expected}", ledger.topic));
        }
        let records = told.records.as_ref().map(|records| records.in_frame(answer.frame()));
        ledger.compare(from, &records.unwrap_or_default()).map(Ok)
    }
}

/// What sealed and merged files take. A journal file that is not sealed ends with zeros.
fn sealed_bytes(disk: &SimDisk) -> u64 {
    let mut sum = 0;
    disk.each_file(|path, bytes| {
        let sealed = match path.extension().and_then(|is| is.to_str()) {
            Some("seg") => true,
            Some("log") => bytes[bytes.len().saturating_sub(64)..].iter().any(|byte| *byte != 0),
            _ => false,
        };
        sum += if sealed { bytes.len() as u64 } else { 0 };
    });
    sum
}
