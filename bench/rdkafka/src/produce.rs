//! Producing, as fast as it goes or at a rate; at a rate also a consumer beside it, for the time from end to end.

use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use clap::Args;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer as _},
};

use crate::{
    Before, Common,
    outcome::{Outcome, Quantiles},
    watch::Watch,
};

/// Records that a client is handed before the next one's turn.
const TURN_RECORDS: usize = 32;
/// One in so many records is timed when there is no rate.
const TIMED_EVERY: usize = 8;
const FLUSH: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct Produce {
    #[command(flatten)]
    common: Common,
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// `all`, 1 or 0.
    #[arg(long, default_value = "all")]
    acks: String,
    /// librdkafka's batch.size.
    #[arg(long, default_value_t = 1_000_000)]
    batch_bytes: usize,
    #[arg(long, default_value_t = 5)]
    linger_ms: u32,
    /// Records a second in all, instead of as many as possible.
    #[arg(long)]
    rate: Option<u32>,
}

pub(crate) fn run(produce: &Produce) -> Result<Outcome, Box<dyn Error>> {
    let common = &produce.common;
    let began = Instant::now();
    let producers =
        (0..common.connections).map(|_| producer(produce, began)).collect::<Result<Vec<_>, _>>()?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = match produce.rate {
            Some(_) => {
                let consumer = tail(common, began)?;
                let done = &done;
                Some(scope.spawn(move || arrivals(&consumer, done)))
            }
            None => None,
        };
        let sent = send_all(produce, &producers);
        done.store(true, Ordering::Relaxed);
        let mut outcome = sent?;
        outcome.end_to_end_us = reader.and_then(|reader| Quantiles::of(reader.join().expect("no panic")));
        Ok(outcome)
    })
}

fn producer(produce: &Produce, began: Instant) -> Result<BaseProducer<Watch>, Box<dyn Error>> {
    let mut config = produce.common.config();
    config
        .set("acks", &produce.acks)
        .set("batch.size", produce.batch_bytes.to_string())
        .set("linger.ms", produce.linger_ms.to_string())
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", (64 * 1024 / produce.common.connections).max(1024).to_string());
    let producer: BaseProducer<Watch> = config.create_with_context(Watch::new(began))?;
    // Connected and told of the partitions before the time runs.
    producer.client().fetch_metadata(Some(&produce.common.topic), Duration::from_secs(10))?;
    Ok(producer)
}

fn send_all(produce: &Produce, producers: &[BaseProducer<Watch>]) -> Result<Outcome, Box<dyn Error>> {
    let mut value = vec![0; produce.record_bytes];
    for (at, byte) in value.iter_mut().enumerate() {
        *byte = (at * 31 + at / 7) as u8;
    }
    let before = Before::now(&produce.common.pid)?;
    let until = before.began + Duration::from_secs_f64(produce.common.seconds);
    let mut sent = 0_usize;
    while Instant::now() < until {
        for producer in producers {
            for _ in 0..TURN_RECORDS {
                if let Some(rate) = produce.rate {
                    let due = before.began + Duration::from_secs_f64(sent as f64 / f64::from(rate));
                    while Instant::now() < due {
                        producer.poll(
                            due.saturating_duration_since(Instant::now()).min(Duration::from_millis(1)),
                        );
                    }
                }
                sent += send(produce, producer, sent, &mut value)?;
            }
            producer.poll(Duration::ZERO);
        }
    }
    for producer in producers {
        producer.flush(FLUSH)?;
    }
    let mut outcome = Outcome::default();
    before.end(&produce.common.pid, &mut outcome)?;
    // The last statistics count the last requests.
    let settled = Instant::now() + Duration::from_millis(250);
    while Instant::now() < settled {
        producers.iter().for_each(|producer| producer.poll(Duration::from_millis(1)));
    }
    let mut answered_us = Vec::new();
    for producer in producers {
        let mut seen = producer.context().take();
        if let Some(error) = seen.failed {
            return Err(format!("a record was not delivered: {error}").into());
        }
        outcome.records += seen.records;
        outcome.bytes += seen.bytes;
        outcome.requests += seen.produce;
        outcome.wire_bytes += seen.sent_bytes;
        answered_us.append(&mut seen.answered_us);
    }
    outcome.answer_us = Quantiles::of(answered_us);
    Ok(outcome)
}

/// Hands one record over; 0 if the queue was full.
fn send(
    produce: &Produce,
    producer: &BaseProducer<Watch>,
    number: usize,
    value: &mut [u8],
) -> Result<usize, Box<dyn Error>> {
    let timed = produce.rate.is_some() || number.is_multiple_of(TIMED_EVERY);
    let now = if timed { producer.context().now() } else { 0 };
    if let Some(head) = value.first_chunk_mut() {
        *head = (now as u64).to_be_bytes();
    }
    let partition = (number % produce.common.partitions as usize) as i32;
    let record = BaseRecord::<(), [u8], usize>::with_opaque_to(&produce.common.topic, now);
    match producer.send(record.partition(partition).payload(value)) {
        Ok(()) => Ok(1),
        Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
            producer.poll(Duration::from_millis(1));
            Ok(0)
        }
        Err((error, _)) => Err(error.into()),
    }
}

/// A consumer at the end of all partitions.
fn tail(common: &Common, began: Instant) -> Result<BaseConsumer<Watch>, Box<dyn Error>> {
    let mut config = common.config();
    config.set("group.id", "klamm-bench").set("enable.auto.commit", "false");
    let consumer: BaseConsumer<Watch> = config.create_with_context(Watch::new(began))?;
    let mut list = TopicPartitionList::new();
    for partition in 0..common.partitions {
        // The topic is new: all of its records are ours.
        list.add_partition_offset(&common.topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    consumer.poll(Duration::from_millis(500));
    Ok(consumer)
}

/// How long each record took to arrive, until the producers are done and nothing more comes.
fn arrivals(consumer: &BaseConsumer<Watch>, done: &AtomicBool) -> Vec<u32> {
    let mut took_us = Vec::new();
    loop {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                let sent = message.payload().and_then(|payload| payload.first_chunk());
                let sent = u64::from_be_bytes(*sent.unwrap_or(&[0; 8])) as usize;
                took_us.push((consumer.context().now().saturating_sub(sent) / 1000) as u32);
            }
            Some(Err(_)) => {}
            None if done.load(Ordering::Relaxed) => return took_us,
            None => {}
        }
    }
}
