//! Histories in a small language, and what the checker says of them: each anomaly, and what nearly is one.
//!
//! Of partition 1: `s0+2` sends writer 0's values 0 and 1 (`S` for the plain writer 9), `a0+2@5` acknowledges them at
//! offset 5 (`A`), `x0+2` refuses them (`X`), `f FROM [values] HW START` is a fetch of consumer 1, `g` of consumer 2, `F` one of
//! the last read, `p [offset:value]` a poll of a library, `k` a seek of consumer 1, `b` marks where the next fetch or
//! offset fetch (or a `j`) began, `v` says that it is in memory, `t N` allows to trim, `T N` trimmed, `d` deletes, `i N` a producer id.
//! Of group g: `j GEN` or `j GEN MEMBER [owned]` joined, `m GEN MEMBER [parts]` assigned, `c COMMIT GEN OFFSET` commits (`c COMMIT - OFFSET` from outside),
//! `c+ COMMIT`, `c- COMMIT`, `c? COMMIT` its outcome, `o OFFSET` (or `o -`) what is committed, `e` expiring, `r` a restart, `l` that the
//! group was loaded again.

use crate::{Anomaly, Event, Part, Poll, Value, Values, check, jsonl};

const P: Part = Part(1);
const PLAIN: u32 = 9;

fn values(text: &str, writer: u32) -> Values {
    let (first, count) = text.split_once('+').unwrap();
    Values { part: P, writer, first: first.parse().unwrap(), count: count.parse().unwrap() }
}

fn acked(text: &str, writer: u32) -> Event {
    let (what, offset) = text.split_once('@').unwrap();
    Event::SendOk { values: values(what, writer), offset: offset.parse().unwrap() }
}

/// A value: a number, of writer 0, or `9/number`.
fn value(text: &str) -> Value {
    let (writer, number) = text.split_once('/').unwrap_or(("0", text));
    Value { writer: writer.parse().unwrap(), number: number.parse().unwrap() }
}

fn poll(words: &[&str], consumer: u32, last: bool, begun: u64) -> Poll {
    let asked: i64 = words[0].parse().unwrap();
    let open = words.iter().position(|word| word.starts_with('[')).unwrap();
    let close = words.iter().position(|word| word.ends_with(']')).unwrap();
    let inside = words[open..=close].iter().map(|word| word.trim_matches(['[', ']']));
    let records = (asked..).zip(inside.filter(|word| !word.is_empty()).map(value)).collect();
    let number = |at: usize| words.get(close + at).map(|word| word.parse().unwrap());
    Poll {
        part: P,
        consumer,
        begun: Some(begun),
        asked: Some(asked),
        high_watermark: number(1),
        log_start: number(2),
        last,
        records,
    }
}

fn listed(words: &[&str]) -> Poll {
    let words = words.iter().map(|word| word.trim_matches(['[', ']'])).filter(|word| !word.is_empty());
    let record = |word: &str| {
        let (offset, what) = word.split_once(':').unwrap();
        (offset.parse().unwrap(), value(what))
    };
    Poll { part: P, consumer: 1, records: words.map(record).collect(), ..Poll::default() }
}

fn parts(words: &[&str]) -> Vec<Part> {
    let words = words.iter().map(|word| word.trim_matches(['[', ']'])).filter(|word| !word.is_empty());
    words.map(|word| Part(word.parse().unwrap())).collect()
}

fn history(text: &str) -> Vec<Event> {
    let mut events = vec![Event::Plain { writer: PLAIN }];
    let mut mark = None;
    let group = || "g".to_owned();
    for line in text.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let begun = events.len() as u64;
        let number = |at: usize| words[at].parse::<i64>().unwrap();
        events.push(match words[0] {
            "f" => Event::Poll(poll(&words[1..], 1, false, mark.take().unwrap_or(begun))),
            "g" => Event::Poll(poll(&words[1..], 2, false, mark.take().unwrap_or(begun))),
            "F" => Event::Poll(poll(&words[1..], 3, true, mark.take().unwrap_or(begun))),
            "p" => Event::Poll(listed(&words[1..])),
            "k" => Event::Seek { consumer: 1, part: P },
            "b" => {
                mark = Some(begun);
                continue;
            }
            "t" => Event::TrimInvoke { part: P, below: number(1) },
            "T" => Event::TrimOk { part: P, log_start: number(1) },
            "d" => Event::DeleteInvoke { part: P },
            "i" => Event::ProducerId { id: number(1) },
            "v" => Event::Ephemeral { part: P },
            "j" => Event::Joined {
                group: group(),
                generation: number(1) as i32,
                member: (*words.get(2).unwrap_or(&"m")).to_owned(),
                begun: mark.take(),
                owned: parts(words.get(3..).unwrap_or_default()),
            },
            "m" => Event::Assigned {
                group: group(),
                generation: number(1) as i32,
                member: words[2].to_owned(),
                parts: parts(&words[3..]),
            },
            "c" => Event::CommitInvoke {
                commit: number(1) as u64,
                group: group(),
                generation: words[2].parse().ok(),
                part: P,
                offset: words[3].parse().ok(),
            },
            "c+" => Event::CommitOk { commit: number(1) as u64 },
            "c-" => Event::CommitFail { commit: number(1) as u64 },
            "c?" => Event::CommitInfo { commit: number(1) as u64 },
            "o" => Event::Committed {
                group: group(),
                part: P,
                begun: mark.take().unwrap_or(begun),
                offset: words[1].parse().ok(),
            },
            "e" => Event::Expiring { group: group() },
            "r" => Event::Restart { what: "kill".to_owned() },
            "l" => Event::Reloaded { what: "full".to_owned() },
            "no" => Event::Refused { what: "no".to_owned() },
            word => {
                let (what, rest) = word.split_at(1);
                match what {
                    "s" => Event::SendInvoke(values(rest, 0)),
                    "S" => Event::SendInvoke(values(rest, PLAIN)),
                    "a" => acked(rest, 0),
                    "A" => acked(rest, PLAIN),
                    "x" => Event::SendFail(values(rest, 0)),
                    "X" => Event::SendFail(values(rest, PLAIN)),
                    _ => panic!("not a history: {line}"),
                }
            }
        });
    }
    events
}

/// Checks the anomalies of a history; it passes through its serialised form on the way.
#[track_caller]
fn has(text: &str, expected: &[&str]) {
    let events = history(text);
    let lines: Vec<String> = events.iter().map(jsonl::line).collect();
    let read: Result<Vec<Event>, _> = jsonl::parse(&lines.join("\n")).collect();
    assert_eq!(read.unwrap(), events);
    let found: Vec<String> = check(&events).iter().map(Anomaly::kind).collect();
    assert_eq!(found, expected, "{text}: {:?}", check(&events));
}

#[test]
fn good_histories() {
    has("", &[]);
    has("s0+2; a0+2@0; f 0 [0 1] 2; F 0 [0 1] 2", &[]);
    // Unacknowledged but there; unacknowledged and never there.
    has("s0+2; F 0 [0 1] 2", &[]);
    has("s0+2; a0+1@0; F 0 [0] 1", &[]);
    // Read before its acknowledgement, acknowledged twice alike, read again by another consumer.
    has("s0+3; f 0 [0 1 2] 3; a0+3@0; a0+3@0; g 1 [1 2] 3; F 0 [0 1 2] 3", &[]);
    has("s0+3; a0+3@0; F 0 [0 1] 3; F 2 [2] 3; F 3 [] 3", &[]);
    // A library's polls: no high watermark, the last read ends with what was acknowledged.
    has("s0+3; a0+3@0; p [0:0 1:1]; p [2:2]; F 0 [0 1 2]", &[]);
}

#[test]
fn lost_vanished_unseen() {
    has("s0+2; a0+2@0; F 0 [0 1] 2", &[]);
    has("s0+2; a0+2@0; b; F 0 [0] 2", &["Unseen", "Lost"]);
    has("s0+2; a0+2@0; F 0 [0]", &["Unseen", "Lost"]);
    has("s0+2; f 0 [0 1]; F 0 [0] 1", &["Vanished"]);
    has("s0+2; f 0 [0]; F 0 [0] 1", &[]);
    has("s0+2; a0+1@0; f 0 [0] 1", &["Unseen", "Lost"]);
}

#[test]
fn offsets() {
    has("s0+2; f 0 [0]; F 0 [1] 1", &["OffsetReused", "Vanished"]);
    has("s0+2; f 0 [0]; F 0 [0 1] 2", &[]);
    has("s0+1; a0+1@0; s0+1; a0+1@1; F 0 [0]", &["InconsistentOffset", "Unseen", "Lost"]);
    has("s0+1; s0+1; a0+1@0; a0+1@0; F 0 [0]", &[]);
    has("s0+1; a0+1@0; F 0 [] 0", &["Invisible", "Lost"]);
}

#[test]
fn duplicates() {
    has("s0+1; F 0 [0 0] 2", &["Duplicate"]);
    // A plain writer's value may be there as often as it was sent.
    has("S0+1; F 0 [9/0] 1", &[]);
    has("S0+1; S0+1; F 0 [9/0 9/0] 2", &[]);
    has("S0+1; F 0 [9/0 9/0] 2", &["Duplicate"]);
    has("S0+1; S0+1; X0+1; F 0 [9/0 9/0] 2", &["Duplicate"]);
}

#[test]
fn phantoms_and_refused() {
    has("s0+1; F 0 [0 1] 2", &["Phantom"]);
    has("F 0 [0] 1", &["Phantom"]);
    has("s0+2; F 0 [0 1] 2", &[]);
    has("s0+1; x0+1; F 0 [0] 1", &["RefusedAndThere"]);
    // Refused, and sent once more.
    has("s0+1; x0+1; s0+1; F 0 [0] 1", &[]);
}

#[test]
fn order_of_sends() {
    has("s0+2; a1+1@0; a0+1@1; F 0 [] 0", &["NonMonotonicSend", "Invisible", "Lost", "Lost"]);
    has("s0+2; a1+1@1; a0+1@0; F 0 [0 1] 2", &[]);
    has("s0+2; F 0 [1 0] 2", &["OutOfOrder"]);
    // Over polls, and over what others wrote between.
    has("s0+2; f 0 [1]; F 0 [1 0] 2", &["OutOfOrder"]);
    has("s0+2; F 0 [1] 2; F 1 [0] 2", &["NonMonotonicSend"]);
    has("s0+2; S0+1; F 0 [1 9/0 0] 3", &["NonMonotonicSend"]);
    has("s0+3; S0+1; F 0 [0 9/0 2] 3", &[]);
    has("s0+2; F 0 [1] 2; F 1 [0] 2; d", &["NonMonotonicSend"]);
    has("S0+2; F 0 [9/1 9/0] 2", &[]);
    has("s0+2; S0+1; F 0 [0 9/0 1] 3", &[]);
}

#[test]
fn order_of_polls() {
    has("s0+2; p [1:1 0:0]; F 0 [0 1] 2", &["NonMonotonicPollInternal", "OutOfOrder"]);
    has("s0+2; p [0:0 1:1]; p [1:1]; F 0 [0 1] 2", &["NonMonotonicPollExternal"]);
    has("s0+2; p [0:0 1:1]; k; p [1:1]; F 0 [0 1] 2", &[]);
    has("s0+3; p [0:0 2:2]; F 0 [0 1 2] 3", &["PollSkip"]);
    has("s0+3; p [0:0]; p [2:2]; F 0 [0 1 2] 3", &["PollSkip"]);
    has("s0+3; p [0:0]; k; p [2:2]; F 0 [0 1 2] 3", &[]);
    // What retention may have taken is not skipped.
    has("s0+3; t 2; p [0:0]; p [2:2]; F 2 [2] 3 2", &[]);
}

#[test]
fn watermarks() {
    has("s0+2; a0+1@0; f 0 [] 0; F 0 [0] 1", &["Invisible"]);
    has("s0+2; b; a0+1@0; f 0 [] 0; F 0 [0] 1", &[]);
    has("s0+2; f 0 [0 1] 2; g 1 [] 1; F 0 [0 1] 2", &["WatermarkBack"]);
    // The other fetch was under way before.
    has("s0+2; b; f 0 [0 1] 2; F 0 [0 1] 2", &[]);
    has("s0+2; f 0 [0 1] 1; F 0 [0 1] 2", &["BeyondWatermark"]);
    has("s0+2; f 0 [0 1] 2; F 0 [0 1] 2", &[]);
}

#[test]
fn log_starts() {
    has("s0+2; a0+2@0; t 1; T 1; F 1 [1] 2 1", &[]);
    has("s0+2; a0+2@0; t 1; T 1; f 0 [0 1] 2; F 1 [1] 2 1", &["BelowLogStart"]);
    has("s0+2; a0+2@0; t 1; b; T 1; f 0 [0 1] 2; F 1 [1] 2 1", &[]);
    has("s0+2; a0+2@0; t 1; f 1 [] 2 1; g 1 [] 2 0; F 1 [1] 2 1", &["LogStartBack"]);
    has("s0+2; a0+2@0; t 1; T 1; g 1 [] 2 0; F 1 [1] 2 1", &["LogStartBack"]);
    // That fetch was under way before.
    has("s0+2; a0+2@0; t 1; b; T 1; g 1 [] 2 0; F 1 [1] 2 1", &[]);
    has("s0+2; a0+2@0; F 1 [1] 2 1", &["LogStartTooFar"]);
    has("s0+2; a0+2@0; t 1; F 2 [] 2 2", &["LogStartTooFar"]);
    // Trimming is allowed, and was not done: nothing may be missing above the log start that is told.
    has("s0+2; a0+2@0; t 2; F 0 [0] 2 0", &["Unseen", "Lost"]);
}

#[test]
fn deleted_topics_may_lose_all_but_lie_about_nothing() {
    has("s0+2; a0+2@0; d", &[]);
    has("s0+2; f 0 [0 0] 2; d", &["Duplicate"]);
}

#[test]
fn stale_commits() {
    has("m 1 a [1]; c 1 1 5; c+ 1; o 5", &[]);
    has("m 1 a [1]; m 2 b [1]; c 1 1 5; c+ 1", &["StaleCommit"]);
    has("m 1 a [1]; m 2 b [1]; c 1 1 5; c- 1; o -", &[]);
    // Sent before the new generation was known.
    has("m 1 a [1]; c 1 1 5; m 2 b [1]; c+ 1; o 5", &[]);
    // Joined only: gone with a restart.
    has("m 1 a [1]; j 2; c 1 1 5; c+ 1", &["StaleCommit"]);
    has("m 1 a [1]; j 2; r; c 1 1 5; c+ 1; o 5", &[]);
    has("m 1 a [1]; m 2 b [1]; r; c 1 1 5; c+ 1", &["StaleCommit"]);
    // So it is when the group was loaded again, even if the commit was under way by then.
    has("m 1 a [1]; j 2; l; c 1 1 5; c+ 1; o 5", &[]);
    has("m 1 a [1]; j 2; c 1 1 5; l; c+ 1; o 5", &[]);
    has("m 1 a [1]; m 2 b [1]; l; c 1 1 5; c+ 1", &["StaleCommit"]);
    has("m 1 a [1]; m 2 b [1]; c 1 1 5; l; c+ 1", &["StaleCommit"]);
    has("m 1 a [1]; l; j 2; c 1 1 5; c+ 1", &["StaleCommit"]);
}

#[test]
fn lost_commits() {
    has("c 1 - 5; c+ 1; c 2 - 6; c+ 2; o 6", &[]);
    has("c 1 - 5; c+ 1; c 2 - 6; c+ 2; o 5", &["CommitLost"]);
    has("c 1 - 5; c+ 1; o -", &["CommitLost"]);
    has("c 1 - 5; c? 1; o -; o 5", &[]);
    has("c 1 - 5; c- 1; o 5", &["CommitLost"]);
    // At the same time: either.
    has("c 1 - 5; c 2 - 6; c+ 1; c+ 2; o 5", &[]);
    // The read began before the second was accepted.
    has("c 1 - 5; c+ 1; c 2 - 6; b; c+ 2; o 5", &[]);
    has("c 1 - 5; c+ 1; c 2 - -; c+ 2; o -", &[]);
    has("c 1 - 5; c+ 1; e; o -", &[]);
}

#[test]
fn commits_end_with_their_broker() {
    has("c 1 - 5; r; c 2 - 6; c+ 2; o 5", &["CommitLost"]);
    has("c 1 - 5; r; c 2 - 6; c+ 2; o 6", &[]);
    has("c 1 - 5; c? 1; r; c 2 - 6; c+ 2; o 5", &["CommitLost"]);
    // Its answer is heard of after the restart.
    has("c 1 - 5; r; c 2 - 6; c+ 2; c+ 1; o 5", &["CommitLost"]);
    // Nothing was written since; not accepted yet; the read began before that.
    has("c 1 - 5; r; o 5; o -", &[]);
    has("c 1 - 5; r; c 2 - 6; o 5; c+ 2; o 6", &[]);
    has("c 1 - 5; r; c 2 - 6; b; c+ 2; o 5", &[]);
    // The broker goes on.
    has("c 1 - 5; l; c 2 - 6; c+ 2; o 5", &[]);
    // Under way at the same time, at the same broker or at the next.
    has("c 1 - 5; c 2 - 6; r; c+ 2; o 5", &[]);
    has("r; c 1 - 5; c 2 - 6; c+ 2; o 5", &[]);
}

#[test]
fn owners() {
    has("m 1 a [1]; m 1 b [1]", &["TwoOwners"]);
    has("m 1 a [1]; m 1 a [1]; m 1 b [2]; m 2 b [1]", &[]);
}

#[test]
fn what_a_member_brings_is_nobody_elses() {
    has("m 1 a [1 2]; j 2 a [1 2]; j 2 b; m 2 a [1]; m 2 b [2]", &["NotRevoked"]);
    has("m 1 a [1 2]; j 2 a [1 2]; j 2 b; m 2 b [2]; m 2 a [1]", &["NotRevoked"]);
    // In whatever order it is heard of.
    has("j 2 b; m 2 b [2]; j 2 a [1 2]", &["NotRevoked"]);
    has("j 2 a [1]; j 2 b [1]", &["NotRevoked"]);
    // Given up in one generation, given away in the next.
    has("m 1 a [1 2]; j 2 a [1 2]; m 2 a [1]; m 2 b []; j 3 a [1]; m 3 b [2]; m 3 a [1]", &[]);
    // Died, and came back with nothing.
    has("m 1 a [1]; j 2 a; j 2 b; m 2 b [1]; m 2 a []", &[]);
    // The generation was not durable; its number is used again.
    has("m 1 a [1]; j 2 a [1]; r; j 2 b; m 2 b [1]", &[]);
    has("m 1 a [1]; b; r; j 2 a [1]; j 2 b; m 2 b [1]", &[]);
    has("m 1 a [1]; r; b; j 2 a [1]; j 2 b; m 2 b [1]", &["NotRevoked"]);
}

#[test]
fn commits_go_on() {
    has("m 1 a [1]; c 1 1 5; c+ 1; c 2 1 6; c+ 2; o 6", &[]);
    has("m 1 a [1]; c 1 1 5; c+ 1; c 2 1 4; c+ 2; o 4", &["CommitBack"]);
    // At the same time; in another generation; from outside.
    has("m 1 a [1]; c 1 1 5; c 2 1 4; c+ 1; c+ 2; o 4", &[]);
    has("m 1 a [1]; c 1 1 5; c+ 1; m 2 b [1]; c 2 2 4; c+ 2; o 4", &[]);
    has("m 1 a [1]; c 1 1 5; c+ 1; c 2 - 4; c+ 2; o 4", &[]);
    // Held up, and decided after one of the next generation.
    has("m 1 a [1]; c 1 1 5; m 2 b [1]; c 2 2 6; c+ 2; c+ 1; o 5", &["CommitLost"]);
    has("m 1 a [1]; c 1 1 5; m 2 b [1]; c 2 2 6; c+ 2; c+ 1; o 6", &[]);
    has("m 1 a [1]; c 1 1 5; m 2 b [1]; c 2 2 6; c+ 1; o 5; c+ 2; o 6", &[]);
}

#[test]
fn what_is_in_memory_goes_with_the_broker() {
    has("v; s0+2; a0+2@0; r; F 9 [] 9 9", &[]);
    has("s0+2; a0+2@0; r; F 9 [] 9 9", &["LogStartTooFar"]);
    // Without a restart it stays.
    has("v; s0+2; a0+2@0; F 9 [] 9 9", &["LogStartTooFar"]);
    has("v; s0+2; a0+2@0; F 0 [0] 2 0", &["Unseen", "Lost"]);
    // Sent once more, since it was not acknowledged; seen before or not.
    has("v; s0+2; f 0 [0 1] 2 0; r; s0+2; a0+2@9; F 9 [0 1] 11 9", &[]);
    has("v; s0+2; a0+2@0; r; s2+2; a2+2@9; f 9 [2] 11 9; F 9 [2 3] 11 9", &[]);
    // Within a life nothing is lost, skipped or there twice.
    has("v; s0+2; a0+2@0; r; s2+2; a2+2@9; F 10 [3] 11 10", &["LogStartTooFar"]);
    has("v; s0+2; a0+2@0; r; f 9 [] 9 9; s2+3; a2+3@9; F 9 [2 3] 12 9", &["Unseen", "Lost"]);
    has("v; r; f 9 [] 9 9; s0+2; F 9 [0 0] 11 9", &["Duplicate"]);
    has("v; r; f 9 [] 9 9; s0+2; F 9 [1 0] 11 9", &["OutOfOrder"]);
    // Trimmed when somebody asked.
    has("v; s0+2; a0+2@0; r; s2+2; a2+2@9; t 10; F 10 [3] 11 10", &[]);
    // An answer of the broker before, heard later.
    has("v; s0+2; r; a0+2@0; F 9 [] 9 9", &[]);
    has("v; s0+2; b; r; f 0 [0 1] 2 0; s0+2; a0+2@9; F 9 [0 1] 11 9", &[]);
}

#[test]
fn offsets_in_memory_are_not_used_again() {
    has("v; s0+2; a0+2@0; r; s2+1; a2+1@1", &["OffsetsBack", "OffsetReused"]);
    has("v; s0+2; a0+2@0; r; s2+1; F 1 [2] 2 1", &["OffsetsBack", "OffsetReused"]);
    has("v; s0+2; a0+2@0; r; s2+1; a2+1@2; F 2 [2] 3 2", &[]);
    // The same value, too: it is another record.
    has("v; s0+1; f 0 [0] 1 0; r; s0+1; a0+1@0; F 0 [0] 1 0", &["OffsetsBack", "OffsetsBack"]);
    // Acknowledged by the broker before, which is heard of later.
    has("v; s0+2; r; a0+2@0; s2+1; a2+1@1", &["OffsetReused"]);
    has("v; s0+2; a0+2@0; r; F 0 [] 0 0", &["Invisible"]);
}

#[test]
fn ids_and_refusals() {
    has("i 1; i 2", &[]);
    has("i 1; i 2; i 1", &["ProducerIdReused"]);
    has("no", &["Refused"]);
}

#[test]
fn lines_that_are_no_events_are_named() {
    let error = jsonl::parse("\n{\"event\":\"restart\",\"what\":\"x\"}\n{}\n").nth(1).unwrap().unwrap_err();
    assert!(error.to_string().starts_with("line 3 of the history: "), "{error}");
}
