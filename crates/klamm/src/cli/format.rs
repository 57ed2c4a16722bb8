//! kcat's format strings (`-f`). Pure.

use std::io::{self, Write};

use bytes::Bytes;
use klamm_client::{Record, TopicPartition};

use super::escape::unescape;

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Key,
    KeyLength,
    Value,
    ValueLength,
    ValueLengthBinary,
    Timestamp,
    Headers,
}

/// How a record is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    parts: Vec<Part>,
    null: &'static str,
}

impl Format {
    /// Reads a format; `null` is written for a null key or value.
    pub(super) fn parse(text: &str, null: &'static str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            if at > 0 {
                parts.push(Part::Text(unescape(&rest[..at])));
            }
            let token = rest[at + 1..].chars().next();
            parts.push(match token {
                Some('t') => Part::Topic,
                Some('p') => Part::Partition,
                Some('o') => Part::Offset,
                Some('k') => Part::Key,
                Some('K') => Part::KeyLength,
                Some('s') => Part::Value,
                Some('S') => Part::ValueLength,
                Some('R') => Part::ValueLengthBinary,
                Some('T') => Part::Timestamp,
                Some('h') => Part::Headers,
                Some('%') => Part::Text(b"%".to_vec()),
                other => {
                    let token = other.map(String::from).unwrap_or_default();
                    return Err(format!(
                        "unknown token %{token}; known are %t topic, %p partition, %o offset, %k key, %K its length, \
                         %s value, %S its length, %R the same in binary, %T timestamp, %h headers, %%"
                    ));
                }
            });
            rest = &rest[at + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(unescape(rest)));
        }
        Ok(Self { parts, null })
    }

    /// The value and a delimiter; the key before it if there is a separator.
    pub(super) fn plain(key_separator: Option<Vec<u8>>, delimiter: Vec<u8>, null: &'static str) -> Self {
        let key = key_separator.map(|separator| [Part::Key, Part::Text(separator)]);
        let parts = key.into_iter().flatten().chain([Part::Value, Part::Text(delimiter)]).collect();
        Self { parts, null }
    }

    /// Writes a record.
    pub(super) fn write(&self, out: &mut impl Write, of: &TopicPartition, record: &Record) -> io::Result<()> {
        let length = |field: &Option<Bytes>| field.as_ref().map_or(-1, |bytes| bytes.len() as i64);
        let or_null =
            |field: &Option<Bytes>| field.clone().unwrap_or_else(|| Bytes::from_static(self.null.as_bytes()));
        for part in &self.parts {
            match part {
                Part::Text(text) => out.write_all(text)?,
                Part::Topic => out.write_all(of.topic.as_bytes())?,
                Part::Partition => write!(out, "{}", of.partition)?,
                Part::Offset => write!(out, "{}", record.offset)?,
                Part::Key => out.write_all(&or_null(&record.key))?,
                Part::KeyLength => write!(out, "{}", length(&record.key))?,
                Part::Value => out.write_all(&or_null(&record.value))?,
                Part::ValueLength => write!(out, "{}", length(&record.value))?,
                Part::ValueLengthBinary => out.write_all(&(length(&record.value) as i32).to_be_bytes())?,
                Part::Timestamp => write!(out, "{}", record.timestamp_ms)?,
                Part::Headers => headers(out, record)?,
            }
        }
        Ok(())
    }
}

fn headers(out: &mut impl Write, record: &Record) -> io::Result<()> {
    for (place, (key, value)) in record.headers.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        write!(out, "{comma}{key}=")?;
        match value {
            Some(value) => out.write_all(value)?,
            None => out.write_all(b"NULL")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let record = Record {
            offset: 7,
            timestamp_ms: 99,
            key: None,
            value: Some("hello".into()),
            headers: vec![("a".to_owned(), Some("1".into())), ("b".to_owned(), None)],
        };
        let of = TopicPartition::new("t", 3);
        let check = |format: &str, expected: &[u8]| {
            let mut out = Vec::new();
            Format::parse(format, "NULL").unwrap().write(&mut out, &of, &record).unwrap();
            assert_eq!(out, expected, "{format}");
        };
        check("%t [%p] @%o %T: %k (%K) %s (%S)\\n", b"t [3] @7 99: NULL (-1) hello (5)\n");
        check("%h;100%%\\x21", b"a=1,b=NULL;100%!");
        check("%R%s", b"\0\0\0\x05hello");
        check("é%s", "éhello".as_bytes());
        assert!(Format::parse("%x", "").unwrap_err().starts_with("unknown token %x"));
        assert!(Format::parse("%", "").is_err());
        let mut out = Vec::new();
        Format::plain(Some(b":".to_vec()), b"\n".to_vec(), "").write(&mut out, &of, &record).unwrap();
        assert_eq!(out, b":hello\n");
    }
}
