//! Cuts input into lines, and lines into records, as kcat does. Pure.

use bytes::{Buf as _, Bytes, BytesMut};
use klamm_client::Record;
use serde_json::Value;

use super::json;

/// Cuts a stream at a delimiter.
#[derive(Debug)]
pub(super) struct Splitter {
    delimiter: Vec<u8>,
    buffer: BytesMut,
    /// Up to here there is no delimiter.
    searched: usize,
}

impl Splitter {
    pub(super) fn new(delimiter: Vec<u8>) -> Self {
        assert!(!delimiter.is_empty(), "a delimiter has a byte");
        Self { delimiter, buffer: BytesMut::new(), searched: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece that is complete, without its delimiter.
    pub(super) fn next_piece(&mut self) -> Option<Bytes> {
        let Some(at) = find(&self.buffer[self.searched..], &self.delimiter) else {
            self.searched = (self.buffer.len() + 1).saturating_sub(self.delimiter.len());
            return None;
        };
        let piece = self.buffer.split_to(self.searched + at).freeze();
        self.buffer.advance(self.delimiter.len());
        self.searched = 0;
        Some(piece)
    }

    /// What is left at the end; `None` if the input ended with a delimiter.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        (!self.buffer.is_empty()).then(|| self.buffer.split().freeze())
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    match what {
        [one] => bytes.iter().position(|byte| byte == one),
        _ => bytes.windows(what.len()).position(|window| window == what),
    }
}

/// How a line becomes a record.
#[derive(Debug, Clone, Default)]
pub(super) struct LineFormat {
    /// Stands between key and value.
    pub(super) key_separator: Option<Vec<u8>>,
    /// Whether an empty key or value is null.
    pub(super) empty_is_null: bool,
    /// Whether a line is a JSON object.
    pub(super) json: bool,
    /// Headers of every record.
    pub(super) headers: Vec<klamm_client::Header>,
}

/// A record and the partition it names.
pub(super) type Line = (Record, Option<i32>);

impl LineFormat {
    /// Reads a line; `None` for one that is empty, which kcat passes over. A record without a time gets `now_ms`.
    pub(super) fn read(&self, line: &Bytes, now_ms: i64) -> Result<Option<Line>, String> {
        if line.is_empty() && (self.json || !self.empty_is_null) {
            return Ok(None);
        }
        let (mut record, partition) =
            if self.json { self.read_json(line, now_ms)? } else { (self.read_plain(line, now_ms), None) };
        record.headers.splice(0..0, self.headers.iter().cloned());
        Ok(Some((record, partition)))
    }

    fn read_plain(&self, line: &Bytes, now_ms: i64) -> Record {
        let field = |bytes: Bytes| (!bytes.is_empty() || !self.empty_is_null).then_some(bytes);
        let at =
            self.key_separator.as_ref().and_then(|separator| Some((find(line, separator)?, separator.len())));
        let (key, value) = match at {
            Some((at, length)) => (field(line.slice(..at)), field(line.slice(at + length..))),
            None => (None, field(line.clone())),
        };
        Record { offset: -1, timestamp_ms: now_ms, key, value, headers: vec![] }
    }

    fn read_json(&self, line: &Bytes, now_ms: i64) -> Result<Line, String> {
        let value: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON: {error}"))?;
        let (record, partition) = json::read(&value)?;
        let timestamp_ms = if record.timestamp_ms < 0 { now_ms } else { record.timestamp_ms };
        Ok((Record { timestamp_ms, ..record }, partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces() {
        let check = |delimiter: &str, input: &[&str], expected: &str| {
            let mut splitter = Splitter::new(delimiter.as_bytes().to_vec());
            let mut got = Vec::new();
            for part in input {
                splitter.push(part.as_bytes());
                while let Some(piece) = splitter.next_piece() {
                    got.push(String::from_utf8_lossy(&piece).into_owned());
                }
            }
            got.extend(splitter.rest().map(|rest| format!("rest:{}", String::from_utf8_lossy(&rest))));
            assert_eq!(got.join("|"), expected);
        };
        check("\n", &["a\nb", "b\n", "\nc"], "a|bb||rest:c");
        check("--", &["a-", "-b-c", "--", "d--"], "a|b-c|d");
        check(";", &[], "");
    }

    #[test]
    fn lines() {
        let format = |separator: &str, empty_is_null| LineFormat {
            key_separator: (!separator.is_empty()).then(|| separator.as_bytes().to_vec()),
            empty_is_null,
            headers: vec![("h".to_owned(), None)],
            json: false,
        };
        let check = |format: LineFormat, line: &'static str, expected: &str| {
            let line = format.read(&Bytes::from_static(line.as_bytes()), 7).unwrap();
            let show = |field: &Option<Bytes>| {
                field
                    .as_ref()
                    .map_or("null".to_owned(), |bytes| format!("'{}'", String::from_utf8_lossy(bytes)))
            };
            let got = line.map_or("none".to_owned(), |(record, _)| {
                assert_eq!((record.timestamp_ms, record.headers.len()), (7, 1));
                format!("{} {}", show(&record.key), show(&record.value))
            });
            assert_eq!(got, expected);
        };
        check(format("", false), "a:b", "null 'a:b'");
        check(format(":", false), "a:b:c", "'a' 'b:c'");
        check(format("::", false), "a:b", "null 'a:b'");
        check(format(":", false), "k:", "'k' ''");
        check(format(":", true), "k:", "'k' null");
        check(format(":", true), ":v", "null 'v'");
        check(format("", true), "", "null null");
        check(format("", false), "", "none");
    }
}
