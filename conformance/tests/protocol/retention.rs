//! Retention by age and by size. Against a broker that is not ours it runs if that broker looks often enough
//! (`KLAMM_ORACLE_PROPERTIES`, see README.md). Topics roll a segment at each batch, so that Kafka is as exact as we are.

use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use klamm_conformance::{Broker, Raw, Server, not_run, unique};
use klamm_protocol::ErrorCode;
use klamm_records::{BatchBuilder, Codec, Compression};

use crate::admin::until;
use crate::configs::{BROKER, SET, TOPIC, change, describe};

/// How often a broker of the test's own looks.
const EVERY: &str = "log.retention.check.interval.ms=200";
const MINUTE_MS: i64 = 60_000;
const SEGMENT: (&str, &str) = ("segment.ms", "1");
const EARLIEST: i64 = -2;

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("not that late")
}

/// A broker that looks often; None if the one that was given does not.
fn pair() -> Option<(Broker, Raw)> {
    let broker = Broker::start_with(&["-c", EVERY]);
    let mut raw = Raw::connect(broker.addr());
    let told = describe(&mut raw, 4, BROKER, "1", Some(&["log.retention.check.interval.ms"]));
    let interval = told.configs[0].value.as_deref().and_then(|value| value.parse::<i64>().ok());
    let often = interval.is_some_and(|interval| interval <= 1000);
    if !often {
        not_run(&format!("this broker looks each {interval:?} ms only; set KLAMM_ORACLE_PROPERTIES"));
    }
    often.then_some((broker, raw))
}

fn record_at(timestamp: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::of(Codec::None));
    builder.push(timestamp, None, Some(&[b'x'; 1000]), &[]);
    builder.build().expect("a batch")
}

fn append_at(raw: &mut Raw, topic: &str, times: &[i64]) {
    times.iter().for_each(|time| assert!(raw.append(topic, 0, record_at(*time)) >= 0));
}

fn start(raw: &mut Raw, topic: &str) -> i64 {
    raw.offset(topic, 0, EARLIEST, -1).offset
}

/// The log begins there, and stays so.
fn settles(raw: &mut Raw, topic: &str, at: i64) {
    until(|| start(raw, topic) == at);
    sleep(Duration::from_millis(700));
    assert_eq!(start(raw, topic), at);
    let end = raw.end(topic, 0);
    assert_eq!(raw.fetch(topic, 0, at - 1).error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    let found = raw.fetch(topic, 0, at);
    assert_eq!((found.error_code, found.log_start_offset), (ErrorCode::NONE, at));
    let first = klamm_conformance::records(&found).first().map(|(offset, _)| *offset);
    assert_eq!(first, (at < end).then_some(at));
}

#[test]
fn by_age() {
    let Some((_broker, mut raw)) = pair() else { return };
    let (name, now) = (unique("aged"), now_ms());
    raw.create(&name, 1, &[("retention.ms", "60000"), SEGMENT]);
    let old = now - 10 * MINUTE_MS;
    append_at(&mut raw, &name, &[old, old + 10, old + 20, now, now + 10]);
    settles(&mut raw, &name, 3);
    // The first that is younger protects what is behind it.
    let guarded = unique("guarded");
    raw.create(&guarded, 1, &[("retention.ms", "60000"), SEGMENT]);
    append_at(&mut raw, &guarded, &[old, now + 30 * MINUTE_MS, old]);
    settles(&mut raw, &guarded, 1);
    // All of it may go; offsets go on.
    let all = unique("all");
    raw.create(&all, 1, &[("retention.ms", "60000"), SEGMENT]);
    append_at(&mut raw, &all, &[old, old + 10]);
    settles(&mut raw, &all, 2);
    assert_eq!(raw.append(&all, 0, record_at(now)), 2);
}

#[test]
fn by_size() {
    let Some((_broker, mut raw)) = pair() else { return };
    let (name, now) = (unique("sized"), now_ms());
    let bytes = record_at(now).len();
    raw.create(&name, 1, &[("retention.bytes", &(2 * bytes + 1).to_string()), SEGMENT]);
    let times: Vec<i64> = (0..6).map(|i| now + 10 * i).collect();
    append_at(&mut raw, &name, &times);
    settles(&mut raw, &name, 3); // below the limit it never goes
}

/// The further of the two.
#[test]
fn by_both() {
    let Some((_broker, mut raw)) = pair() else { return };
    let now = now_ms();
    let old = now - 10 * MINUTE_MS;
    let bytes = record_at(now).len();
    for (keep, at) in [(5, 3), (1, 5)] {
        let name = unique("both");
        let bytes = (keep * bytes).to_string();
        raw.create(&name, 1, &[("retention.ms", "60000"), ("retention.bytes", &bytes), SEGMENT]);
        append_at(&mut raw, &name, &[old, old + 10, old + 20, now, now + 10, now + 20]);
        settles(&mut raw, &name, at);
    }
}

#[test]
fn changed_while_it_runs() {
    let Some((_broker, mut raw)) = pair() else { return };
    let (name, now) = (unique("changed"), now_ms());
    raw.create(&name, 1, &[("retention.ms", "-1"), ("cleanup.policy", "compact"), SEGMENT]);
    let (other, compacted) = (unique("kept"), &name);
    raw.create(&other, 1, &[("retention.ms", "-1"), SEGMENT]);
    let old = now - 10 * MINUTE_MS;
    append_at(&mut raw, &other, &[old, old + 10, now]);
    sleep(Duration::from_millis(1000));
    assert_eq!(start(&mut raw, &other), 0, "no limit");
    let told = change(&mut raw, &other, &[("retention.ms", SET, Some("60000"))]);
    assert_eq!(told.0, ErrorCode::NONE);
    settles(&mut raw, &other, 2);
    let keyed = |timestamp| {
        let mut builder = BatchBuilder::new(Compression::of(Codec::None));
        builder.push(timestamp, Some(b"k"), Some(b"v"), &[]);
        builder.build().expect("a batch")
    };
    let told = change(&mut raw, compacted, &[("retention.ms", SET, Some("60000"))]);
    assert_eq!(told.0, ErrorCode::NONE);
    raw.append(compacted, 0, keyed(old));
    raw.append(compacted, 0, keyed(now));
    sleep(Duration::from_millis(1000));
    assert_eq!(start(&mut raw, compacted), 0, "what is compacted only has no age");
    let told = change(&mut raw, compacted, &[("cleanup.policy", SET, Some("compact,delete"))]);
    assert_eq!(told.0, ErrorCode::NONE);
    until(|| start(&mut raw, compacted) == 1);
}

/// Of `klamm` alone: the broker's own limits, memory, and what a restart keeps.
#[test]
fn limits_of_the_broker_and_restarts() {
    let mut server =
        Server::start(&["-c", EVERY, "-c", "log.retention.minutes=1", "-c", "log.retention.hours=9"]);
    let mut raw = Raw::connect(server.addr());
    let (disk, memory, now) = (unique("disk"), unique("memory"), now_ms());
    raw.create(&disk, 1, &[]);
    raw.create(&memory, 1, &[("klamm.storage.class", "memory")]);
    for name in [&disk, &memory] {
        append_at(&mut raw, name, &[now - 10 * MINUTE_MS, now - 2 * MINUTE_MS, now]);
        settles(&mut raw, name, 2);
    }
    let row = describe(&mut raw, 4, TOPIC, &disk, Some(&["retention.ms"])).configs.remove(0);
    assert_eq!(
        (row.value.as_deref(), row.config_source, row.synonyms.len()),
        (Some("60000"), 5, 0),
        "as Kafka"
    );
    server.kill9();
    server.restart();
    let mut raw = Raw::connect(server.addr());
    assert_eq!(start(&mut raw, &disk), 2);
    assert_eq!(raw.append(&disk, 0, record_at(now)), 3);
}
