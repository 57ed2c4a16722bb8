//! Histories of one partition in a small language, and what the checker says of them. `sN` sends up to N values,
//! `a V+C@O` acknowledges C values from V on at offset O, `f ASKED [values] HW` is a fetch, `F` one of the last read,
//! `b` begins the next fetch here.

use super::*;

const P: Part = Part(1);

fn history(text: &str) -> History {
    let mut events = Vec::new();
    let mut begun = None;
    for line in text.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        let (what, rest) = line.split_at(1);
        let numbers: Vec<i64> = rest
            .split(|letter: char| !letter.is_ascii_digit())
            .filter(|digits| !digits.is_empty())
            .map(|digits| digits.parse().unwrap())
            .collect();
        events.push(match (what, &numbers[..]) {
            ("s", [until]) => Event::Sent { part: P, until: *until as u32 },
            ("a", [first, count, offset]) => {
                Event::Acked(Acked { part: P, first: *first as u32, count: *count as u32, offset: *offset })
            }
            ("f" | "F", [asked, values @ .., high_watermark]) => Event::Fetched(Fetched {
                part: P,
                last: what == "F",
                begun: begun.take().unwrap_or(events.len()),
                asked: *asked,
                high_watermark: *high_watermark,
                log_start: Some(0),
                records: (*asked..)
                    .zip(values.iter().map(|number| Value { part: P, number: *number as u32 }))
                    .collect(),
            }),
            ("d", []) => Event::Deleting(P),
            ("p", [id]) => Event::ProducerId(*id),
            ("b", []) => {
                begun = Some(events.len());
                continue;
            }
            _ => panic!("not a history: {line}"),
        });
    }
    History(events)
}

fn anomalies(text: &str) -> Vec<String> {
    let name = |anomaly: &Anomaly| {
        let text = format!("{anomaly:?}");
        text.split([' ', '(']).next().unwrap().to_owned()
    };
    check(&history(text)).iter().map(name).collect()
}

/// Checks a history against the anomalies it has.
#[track_caller]
fn has(text: &str, expected: &[&str]) {
    assert_eq!(anomalies(text), expected, "{text}");
}

#[test]
fn good_histories_pass() {
    has("", &[]);
    has("s2; a 0+2@0; f 0 [0 1] 2; F 0 [0 1] 2", &[]);
    // Unacknowledged, but there; and unacknowledged, never there.
    has("s2; F 0 [0 1] 2", &[]);
    has("s2; a 0+1@0; F 0 [0] 1", &[]);
    // Read before its acknowledgement, acknowledged twice alike (a duplicate's answer), read again from the middle.
    has("s3; f 0 [0 1 2] 3; a 0+3@0; a 0+3@0; f 1 [1 2] 3; F 0 [0 1 2] 3", &[]);
    // A fetch in two steps, and one that finds nothing.
    has("s3; a 0+3@0; F 0 [0 1] 3; F 2 [2] 3; F 3 [] 3", &[]);
    has("p1; p2", &[]);
}

#[test]
fn lost_and_vanished() {
    has("s2; a 0+2@0; F 0 [0] 1", &["Invisible", "Lost"]);
    has("s2; a 0+2@0; F 0 [0] 2", &["Unread", "Lost"]);
    has("s2; f 0 [0 1] 2; F 0 [0] 1", &["WatermarkBack", "Vanished"]);
    // Neither acknowledged nor read: it may go.
    has("s2; f 0 [0] 1; F 0 [0] 1", &[]);
}

#[test]
fn twice_and_reused() {
    has("s1; a 0+1@0; F 0 [0 0] 2", &["Duplicate", "OutOfOrder"]);
    has("s2; f 0 [0] 1; F 0 [1] 1", &["OffsetReused", "Vanished"]);
    has("s2; a 0+1@0; a 1+1@0; F 0 [0] 1", &["OffsetReused", "Lost"]);
    has("s1; a 0+1@0; a 0+1@1; F 0 [0] 1", &["Duplicate", "Invisible"]);
}

#[test]
fn phantoms() {
    has("s1; F 0 [0 1] 2", &["Phantom"]);
    has("F 0 [0] 1", &["Phantom"]);
    let mut other = history("s1; F 0 [0] 1");
    let Event::Fetched(fetched) = &mut other.0[1] else { panic!("a fetch") };
    fetched.records[0].1.part = Part(2);
    assert!(matches!(check(&other)[..], [Anomaly::Phantom { .. }]));
}

#[test]
fn order_and_gaps() {
    has("s2; F 0 [1 0] 2", &["OutOfOrder"]);
    has("s3; F 0 [0 2] 2", &["OutOfOrder"]);
    let mut gap = history("s2; F 0 [0 1] 3");
    let Event::Fetched(fetched) = &mut gap.0[1] else { panic!("a fetch") };
    fetched.records[1].0 = 2;
    assert!(matches!(check(&gap)[..], [Anomaly::Skipped { expected: 1, got: 2, .. }]));
}

#[test]
fn watermarks() {
    has("s2; a 0+1@0; f 0 [] 0; F 0 [0] 1", &["Invisible"]);
    // The fetch was sent before the acknowledgement came: it need not see it.
    has("s2; b; a 0+1@0; f 0 [] 0; F 0 [0] 1", &[]);
    has("s2; f 0 [0 1] 2; f 2 [] 1; F 0 [0 1] 2", &["WatermarkBack"]);
    has("s2; f 0 [0 1] 1; F 0 [0 1] 2", &["BeyondWatermark"]);
    let mut back = history("s1; f 0 [] 1; F 0 [0] 1");
    let Event::Fetched(fetched) = &mut back.0[1] else { panic!("a fetch") };
    fetched.log_start = Some(1);
    assert!(matches!(check(&back)[..], [Anomaly::LogStartBack { from: 1, to: 0, .. }]));
}

#[test]
fn the_end_must_be_read() {
    has("s1; a 0+1@0; f 0 [0] 1", &["Unread", "Lost"]);
    has("s2; a 0+2@0; F 0 [0] 2; F 1 [1] 2", &[]);
    has("s2; a 0+2@0; F 0 [0] 2", &["Unread", "Lost"]);
}

#[test]
fn deleted_topics_may_lose_all_but_lie_about_nothing() {
    has("s2; a 0+2@0; d", &[]);
    has("s2; f 0 [0 0] 2; d", &["Duplicate", "OutOfOrder"]);
}

#[test]
fn ids_and_refusals() {
    has("p1; p2; p1", &["ProducerIdReused"]);
    assert_eq!(check(&History(vec![Event::Refused("no".to_owned())])), [Anomaly::Refused("no".to_owned())]);
}
