//! Reading all partitions from the beginning: over and over, or once. Over and over begins with a pass that does not count:
//! a client needs longer for its start than the server for what it is asked.

use std::{
    error::Error,
    sync::Barrier,
    time::{Duration, Instant},
};

use clap::Args;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::{Before, Common, outcome::Outcome, watch::Watch};

/// Without a record for so long, something is wrong.
const SILENCE: Duration = Duration::from_secs(10);
/// Longer than statistics are apart.
const SETTLE: Duration = Duration::from_millis(150);

#[derive(Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    common: Common,
    /// How many records there are.
    #[arg(long)]
    records: u64,
    /// Stop when all records were read once.
    #[arg(long)]
    once: bool,
}

/// When the counted part begins and ends, for all connections at once.
struct Times {
    begin: Barrier,
    end: Barrier,
}

pub(crate) fn run(fetch: &Fetch) -> Result<Outcome, Box<dyn Error>> {
    let common = &fetch.common;
    let barrier = || Barrier::new(common.connections + 1);
    let times = Times { begin: barrier(), end: barrier() };
    let mut outcome = Outcome::default();
    let (took, all) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..common.connections).map(|_| scope.spawn(|| read(fetch, &times))).collect();
        if !fetch.once {
            times.begin.wait();
        }
        let before = Before::now(&common.pid);
        times.end.wait();
        let took = before.and_then(|before| before.end(&common.pid, &mut outcome));
        let each = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        (took, each.collect::<Result<Vec<_>, String>>())
    });
    took?;
    for one in all? {
        outcome.records += one.records;
        outcome.bytes += one.bytes;
        outcome.requests += one.requests;
        outcome.wire_bytes += one.wire_bytes;
    }
    Ok(outcome)
}

/// The others wait for this one, also when it fails.
fn read(fetch: &Fetch, times: &Times) -> Result<Outcome, String> {
    let consumer = consumer(&fetch.common).map_err(|error| error.to_string());
    let long = Instant::now() + Duration::from_secs(3600);
    let begun = consumer.and_then(|consumer| {
        if !fetch.once {
            pass(fetch, &consumer, &mut Outcome::default(), long)?;
            settle(&consumer);
        }
        Ok(consumer)
    });
    if !fetch.once {
        times.begin.wait();
    }
    let counted = begun.and_then(|consumer| {
        let (requests, bytes) = consumer.context().fetched();
        let until = Instant::now() + Duration::from_secs_f64(fetch.common.seconds);
        let mut outcome = Outcome { requests, wire_bytes: bytes, ..Outcome::default() };
        while pass(fetch, &consumer, &mut outcome, until)? && !fetch.once {}
        Ok((consumer, outcome))
    });
    times.end.wait();
    let (consumer, before) = counted?;
    settle(&consumer);
    let (requests, bytes) = consumer.context().fetched();
    Ok(Outcome { requests: requests - before.requests, wire_bytes: bytes - before.wire_bytes, ..before })
}

/// Waits for the latest statistics. What is read meanwhile does not count.
fn settle(consumer: &BaseConsumer<Watch>) {
    let until = Instant::now() + SETTLE;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        consumer.poll(left);
    }
}

/// Reads everything, but not beyond the time; whether there is more of it.
fn pass(
    fetch: &Fetch,
    consumer: &BaseConsumer<Watch>,
    outcome: &mut Outcome,
    until: Instant,
) -> Result<bool, String> {
    let mut heard = Instant::now();
    consumer.assign(&beginning(&fetch.common)).map_err(|error| error.to_string())?;
    for _ in 0..fetch.records {
        let message = loop {
            match consumer.poll(Duration::from_millis(50)) {
                Some(Ok(message)) => break message,
                Some(Err(error)) => return Err(error.to_string()),
                None if heard.elapsed() > SILENCE => return Err(format!("no record for {SILENCE:?}")),
                None => {}
            }
        };
        outcome.records += 1;
        outcome.bytes += message.payload_len() as u64;
        if outcome.records.is_multiple_of(256) {
            heard = Instant::now();
            if heard >= until {
                return Ok(false);
            }
        }
    }
    Ok(Instant::now() < until)
}

fn consumer(common: &Common) -> Result<BaseConsumer<Watch>, rdkafka::error::KafkaError> {
    let mut config = common.config();
    config
        .set("group.id", "klamm-bench")
        .set("enable.auto.commit", "false")
        // Without these librdkafka pauses for a second whenever its queue is full, and is what is measured.
        .set("queued.min.messages", "1000000")
        .set("fetch.queue.backoff.ms", "2")
        // A fetch at the end is waited for before the next pass begins: half a second, by default, in which nothing is read.
        .set("fetch.wait.max.ms", "5");
    config.create_with_context(Watch::new(Instant::now()))
}

fn beginning(common: &Common) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in 0..common.partitions {
        let added = list.add_partition_offset(&common.topic, partition, Offset::Offset(0));
        added.expect("an offset that every partition may have");
    }
    list
}
