//! Reading all partitions from the beginning: over and over, or once.

use std::{
    error::Error,
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

pub(crate) fn run(fetch: &Fetch) -> Result<Outcome, Box<dyn Error>> {
    let common = &fetch.common;
    let before = Before::now(&common.pid)?;
    let until = before.began + Duration::from_secs_f64(common.seconds);
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..common.connections).map(|_| scope.spawn(move || read(fetch, until))).collect();
        let each = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        each.collect::<Result<Vec<_>, String>>()
    })?;
    let mut outcome = Outcome::default();
    before.end(&common.pid, &mut outcome)?;
    for one in all {
        outcome.records += one.records;
        outcome.bytes += one.bytes;
        outcome.requests += one.requests;
        outcome.wire_bytes += one.wire_bytes;
    }
    Ok(outcome)
}

fn read(fetch: &Fetch, until: Instant) -> Result<Outcome, String> {
    let consumer = consumer(&fetch.common).map_err(|error| error.to_string())?;
    let (mut outcome, mut heard) = (Outcome::default(), Instant::now());
    'again: loop {
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
                    break 'again;
                }
            }
        }
        if fetch.once || Instant::now() >= until {
            break;
        }
    }
    consumer.poll(Duration::from_millis(150)); // the last statistics
    let seen = consumer.context().take();
    (outcome.requests, outcome.wire_bytes) = (seen.fetch, seen.received_bytes);
    Ok(outcome)
}

fn consumer(common: &Common) -> Result<BaseConsumer<Watch>, rdkafka::error::KafkaError> {
    let mut config = common.config();
    config
        .set("group.id", "klamm-bench")
        .set("enable.auto.commit", "false")
        // Without these librdkafka pauses for a second whenever its queue is full, and is what is measured.
        .set("queued.min.messages", "1000000")
        .set("fetch.queue.backoff.ms", "2");
    config.create_with_context(Watch::new(Instant::now()))
}

fn beginning(common: &Common) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in 0..common.partitions {
        let added = list.add_partition_offset(&common.topic, partition, Offset::Beginning);
        added.expect("an offset that every partition may have");
    }
    list
}
