//! Records as the tests make them and as clients give them back; one line of JSON each, bytes in hex.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// What a test produces.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// Headers in order; a name may repeat.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// CreateTime in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// A record and where it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// The offset.
    pub offset: i64,
    /// The record.
    pub record: Record,
}

/// `records` as they must be read when the first got `base`.
pub fn offsets_from(base: i64, records: &[Record]) -> Vec<Read> {
    (base..).zip(records).map(|(offset, record)| Read { offset, record: record.clone() }).collect()
}

impl Record {
    /// Records with everything that tends to break: null, empty, binary, large, headers of all kinds.
    /// Timestamps are 1 s apart and a little in the past.
    pub fn rich(count: usize, salt: &str) -> Vec<Record> {
        let start_ms = now_ms() - 1000 * (count as i64 + 60);
        (0..count).map(|i| rich(i, salt, start_ms + 1000 * i as i64)).collect()
    }

    /// Records that tools which work on lines of text can write and read.
    pub fn text(count: usize, salt: &str) -> Vec<Record> {
        (0..count)
            .map(|i| Record {
                key: (i % 5 != 3).then(|| format!("key {salt} {i}").into()),
                value: Some(if i % 7 == 5 { vec![] } else { format!("välue {salt} {i}").into() }),
                headers: vec![],
                timestamp_ms: now_ms(),
            })
            .collect()
    }

    /// The same record without the headers whose value is null (some clients cannot send them).
    pub fn without_null_headers(mut self) -> Record {
        self.headers.retain(|(_, value)| value.is_some());
        self
    }

    /// Writes `records` where a client reads what to produce.
    pub fn write_all(path: &Path, records: &[Record]) {
        let line = |r: &Record| {
            let headers: Vec<_> = r.headers.iter().map(|(n, v)| json!([n, hex(v.as_deref())])).collect();
            let (key, value) = (hex(r.key.as_deref()), hex(r.value.as_deref()));
            format!(
                "{}\n",
                json!({"key": key, "value": value, "headers": headers, "timestamp": r.timestamp_ms})
            )
        };
        fs::write(path, records.iter().map(line).collect::<String>()).expect("a file in a temporary folder");
    }
}

impl Read {
    /// What a client wrote after reading.
    pub fn read_all(path: &Path) -> Vec<Read> {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.lines().map(|line| Read::from_json(&serde_json::from_str(line).expect("JSON"))).collect()
    }

    fn from_json(line: &Value) -> Read {
        let header = |pair: &Value| (pair[0].as_str().expect("a name").to_owned(), unhex(&pair[1]));
        Read {
            offset: line["offset"].as_i64().expect("an offset"),
            record: Record {
                key: unhex(&line["key"]),
                value: unhex(&line["value"]),
                headers: line["headers"].as_array().expect("headers").iter().map(header).collect(),
                timestamp_ms: line["timestamp"].as_i64().expect("a timestamp"),
            },
        }
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |bytes: &Option<Vec<u8>>| match bytes {
            None => "null".to_owned(),
            Some(b) if b.len() > 24 => format!("{}… ({} bytes)", b[..24].escape_ascii(), b.len()),
            Some(b) => format!("\"{}\"", b.escape_ascii()),
        };
        write!(f, "{} key {} value {}", self.timestamp_ms, short(&self.key), short(&self.value))?;
        self.headers.iter().try_for_each(|(name, value)| write!(f, " {name:?}={}", short(value)))
    }
}

fn rich(i: usize, salt: &str, timestamp_ms: i64) -> Record {
    let text = |what: &str| Some(format!("{what} {salt} {i}").into_bytes());
    let header = |name: &str, value: &[u8]| (name.to_owned(), Some(value.to_vec()));
    let plain = Record { key: text("key"), value: text("value"), headers: vec![], timestamp_ms };
    match i % 10 {
        1 => Record { key: None, ..plain },
        2 => Record { value: Some(vec![]), ..plain },
        3 => Record { value: None, headers: vec![header("why", b"tombstone")], ..plain },
        4 => Record { key: Some(vec![]), ..plain },
        5 => Record { key: Some((0..=255).collect()), value: Some((0..=255).rev().collect()), ..plain },
        6 => Record {
            headers: vec![
                header("same", b"1"),
                header("same", b"2"),
                header("empty", b""),
                ("null".into(), None),
                header("binary", &[0, 255, 10, 13]),
                header("héader", "wert ß".as_bytes()),
            ],
            ..plain
        },
        7 => Record { value: Some(noise(i as u64, 3000)), ..plain },
        8 if i == 8 => Record { value: Some(noise(8, 300_000)), ..plain },
        9 if i == 9 => Record { value: Some(b"compressible ".repeat(50_000)), ..plain },
        _ => plain,
    }
}

/// Bytes that do not compress (splitmix64).
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^ (z >> 27)
    };
    (0..bytes.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(bytes).collect()
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

fn hex(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|b| b.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unhex(text: &Value) -> Option<Vec<u8>> {
    let text = text.as_str()?;
    Some((0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trip() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex(&json!(hex(Some(&bytes)))), Some(bytes));
        assert_eq!(unhex(&json!(hex(None))), None);
    }
}
