//! A load of batches that are built beforehand, over several connections, each with requests under way.

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use klamm_protocol::{FetchRequest, FetchResponse};

use crate::{
    batch,
    client::Client,
    cpu::Cpu,
    outcome::{Outcome, Quantiles},
    request,
};

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// HOST:PORT of the server.
    pub address: String,
    /// The server's process.
    pub pid: String,
    /// A topic that exists.
    pub topic: String,
    /// Its partitions.
    pub partitions: i32,
    /// Connections, each with a thread.
    pub connections: usize,
    /// The size of a record's value.
    pub record_bytes: usize,
    /// The size of a batch, about; at least one record is in it.
    pub batch_bytes: usize,
    /// Batches in a produce request, each for another partition.
    pub batches: usize,
    /// As Kafka's `acks`.
    pub acks: i16,
    /// Requests under way on a connection (produce).
    pub depth: usize,
    /// How long to go on.
    pub seconds: f64,
    /// The largest answer (fetch).
    pub fetch_bytes: i32,
    /// Requests a second in all, each after the answer to the one before (produce); else as many as possible.
    pub rate: Option<f64>,
}

/// When the next request is due.
struct Pace {
    due: Instant,
    pause: Duration,
}

impl Pace {
    /// Waits until it is due; what is late is made up for.
    fn wait(&mut self) {
        std::thread::sleep(self.due.saturating_duration_since(Instant::now()));
        self.due += self.pause;
    }
}

/// What a connection did.
#[derive(Default)]
struct Done {
    outcome: Outcome,
    answered_us: Vec<u32>,
}

impl Plan {
    fn batch(&self) -> (Bytes, u64) {
        let records = batch::records_in(self.batch_bytes, self.record_bytes);
        (batch::of_records(records, self.record_bytes), records as u64)
    }

    /// Sends until the time is over.
    pub fn produce(&self) -> io::Result<Outcome> {
        let (batch, records) = self.batch();
        // Some frames where a partition has enough of them: 1,000 frames of 1 MiB would be built for nothing.
        let frames = (self.partitions as usize).min((64 << 20) / (batch.len() * self.batches)).max(1);
        let partition = |at: usize| (at % self.partitions as usize) as i32;
        let frames: Vec<Vec<u8>> = (0..frames)
            .map(|at| {
                let first = at * self.partitions as usize / frames;
                let partitions: Vec<i32> = (0..self.batches).map(|more| partition(first + more)).collect();
                request::produce(&self.topic, &partitions, &batch, self.acks)
            })
            .collect();
        let records = records * self.batches as u64;
        self.run(&|number, until| self.produce_one(&frames, records, number, until))
    }

    /// Sends at least `bytes` of values, the same number of batches to each partition, and gives how many records a
    /// partition has then.
    pub fn fill(&self, bytes: u64) -> io::Result<u64> {
        let (batch, records) = self.batch();
        let round = self.partitions as u64 * records * self.record_bytes as u64;
        let rounds = bytes.div_ceil(round).max(1);
        let frames: Vec<_> =
            (0..self.partitions).map(|at| request::produce(&self.topic, &[at], &batch, -1)).collect();
        let mut client = Client::connect(&self.address)?;
        let mut under_way = 0;
        for frame in (0..rounds).flat_map(|_| &frames) {
            if under_way == self.depth {
                client.produced()?;
                under_way -= 1;
            }
            client.send(frame)?;
            under_way += 1;
        }
        (0..under_way).try_for_each(|_| client.produced())?;
        Ok(rounds * records)
    }

    /// Reads the partitions, which have `end` records each: until the time is over, or each connection its part once.
    pub fn fetch(&self, end: u64, once: bool) -> io::Result<Outcome> {
        self.run(&|number, until| self.fetch_one(end as i64, once, number, until))
    }

    fn run(&self, one: &(dyn Fn(usize, Instant) -> io::Result<Done> + Sync)) -> io::Result<Outcome> {
        let (before, own, began) = (Cpu::of(&self.pid)?, Cpu::own(), Instant::now());
        let until = began + Duration::from_secs_f64(self.seconds);
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.connections).map(|number| scope.spawn(move || one(number, until))).collect();
            let each = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            each.collect::<io::Result<Vec<_>>>()
        })?;
        let mut total = Outcome {
            seconds: began.elapsed().as_secs_f64(),
            server_cpu_s: Cpu::of(&self.pid)?.all_s() - before.all_s(),
            load_cpu_s: Cpu::own().all_s() - own.all_s(),
            ..Default::default()
        };
        let mut answered_us = Vec::new();
        for mut done in all {
            total.bytes += done.outcome.bytes;
            total.records += done.outcome.records;
            total.requests += done.outcome.requests;
            total.wire_bytes += done.outcome.wire_bytes;
            answered_us.append(&mut done.answered_us);
        }
        total.answer_us = Quantiles::of(answered_us);
        Ok(total)
    }

    fn produce_one(
        &self,
        frames: &[Vec<u8>],
        records: u64,
        number: usize,
        until: Instant,
    ) -> io::Result<Done> {
        let mut client = Client::connect(&self.address)?;
        let (mut done, mut under_way) = (Done::default(), VecDeque::new());
        let mut pace = self.rate.map(|rate| Pace {
            due: Instant::now(),
            pause: Duration::from_secs_f64(self.connections as f64 / rate),
        });
        let depth = if pace.is_some() { 1 } else { self.depth };
        for turn in number.. {
            while under_way.len() >= depth || (Instant::now() >= until && !under_way.is_empty()) {
                client.produced()?;
                let sent: Instant = under_way.pop_front().expect("one answer a request");
                done.answered_us.push(sent.elapsed().as_micros() as u32);
                done.outcome.requests += 1;
                done.outcome.records += records;
                done.outcome.bytes += records * self.record_bytes as u64;
            }
            if Instant::now() >= until {
                break;
            }
            if let Some(pace) = &mut pace {
                pace.wait();
            }
            let frame = &frames[turn % frames.len()];
            under_way.push_back(Instant::now());
            client.send(frame)?;
            done.outcome.wire_bytes += frame.len() as u64;
        }
        Ok(done)
    }

    fn fetch_one(&self, end: i64, once: bool, number: usize, until: Instant) -> io::Result<Done> {
        let mut client = Client::connect(&self.address)?;
        let (mut done, mut at, mut offset) = (Done::default(), number, 0);
        while Instant::now() < until && !(once && at >= self.partitions as usize) {
            let sent = Instant::now();
            let partition = (at % self.partitions as usize) as i32;
            client.send(&request::fetch(&self.topic, &[(partition, offset)], self.fetch_bytes, 1))?;
            let (next, bytes) = client.answer::<FetchRequest<'_>, _>(request::FETCH_VERSION, next_offset)?;
            done.answered_us.push(sent.elapsed().as_micros() as u32);
            let next = next.unwrap_or(end).min(end);
            let records = (next - offset) as u64;
            done.outcome.requests += 1;
            done.outcome.wire_bytes += bytes as u64;
            done.outcome.records += records;
            done.outcome.bytes += records * self.record_bytes as u64;
            offset = next;
            if offset >= end {
                (at, offset) = (at + self.connections, 0);
            }
        }
        Ok(done)
    }
}

/// The offset after the last whole batch of an answer.
fn next_offset(response: &FetchResponse<'_>) -> Result<Option<i64>, klamm_protocol::ErrorCode> {
    let data = &response.responses[0].partitions[0];
    if data.error_code.is_err() {
        return Err(data.error_code);
    }
    let mut records = data.records.as_ref().and_then(|records| records.pieces().next()).unwrap_or_default();
    let mut next = None;
    while let Some(Ok(header)) = records.first_chunk().map(klamm_records::BatchHeader::parse) {
        if header.batch_bytes() > records.len() {
            break;
        }
        next = Some(header.next_offset());
        records = &records[header.batch_bytes()..];
    }
    Ok(next)
}
