//! A record as a JSON object, in and out. Pure.
//!
//! `{"topic","partition","offset","timestamp","key","value","headers"}`: key and value are text or null; what is not
//! UTF-8 stands as `key_base64` and `value_base64`. Headers are a list of pairs, since a name may come twice; an object
//! is read too. A key or value that is a number, list or object is written as its JSON text.

use bytes::Bytes;
use klamm_client::{Header, Record, TopicPartition};
use serde_json::{Map, Value};

const FIELDS: &[&str] =
    &["topic", "partition", "offset", "timestamp", "key", "key_base64", "value", "value_base64", "headers"];

/// Reads a record and the partition it names. Topic and offset are passed over: what `consume --json` writes is read.
pub(super) fn read(value: &Value) -> Result<(Record, Option<i32>), String> {
    let object =
        value.as_object().ok_or("expected a JSON object, such as {\"key\":\"k\",\"value\":\"v\"}")?;
    if let Some(unknown) = object.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(format!("unknown field {unknown:?}; known are {}", FIELDS.join(", ")));
    }
    let number = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            value.as_i64().map(Some).ok_or_else(|| format!("{name} is {value}; expected a whole number"))
        }
    };
    let partition = number("partition")?
        .map(|partition| {
            i32::try_from(partition).map_err(|_| format!("partition {partition} is out of range"))
        })
        .transpose()?;
    let record = Record {
        offset: -1,
        timestamp_ms: number("timestamp")?.unwrap_or(-1),
        key: field(object, "key", "key_base64")?,
        value: field(object, "value", "value_base64")?,
        headers: headers(object.get("headers"))?,
    };
    Ok((record, partition))
}

fn field(object: &Map<String, Value>, text: &str, base64: &str) -> Result<Option<Bytes>, String> {
    match (object.get(text), object.get(base64)) {
        (_, Some(Value::String(encoded))) => {
            from_base64(encoded).map(Some).ok_or_else(|| format!("{base64} is not base64"))
        }
        (Some(value), _) => Ok(bytes(value)),
        (None, _) => Ok(None),
    }
}

fn bytes(value: &Value) -> Option<Bytes> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into()),
        other => Some(other.to_string().into()),
    }
}

fn headers(value: Option<&Value>) -> Result<Vec<Header>, String> {
    let bad = || "headers are pairs, such as [[\"name\",\"value\"]], or an object".to_owned();
    match value {
        None | Some(Value::Null) => Ok(vec![]),
        Some(Value::Object(object)) => {
            Ok(object.iter().map(|(key, value)| (key.clone(), bytes(value))).collect())
        }
        Some(Value::Array(pairs)) => pairs
            .iter()
            .map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([Value::String(key), value]) => Ok((key.clone(), bytes(value))),
                _ => Err(bad()),
            })
            .collect(),
        Some(_) => Err(bad()),
    }
}

/// Writes a record.
pub(super) fn write(of: &TopicPartition, record: &Record) -> Value {
    let mut object = Map::new();
    object.insert("topic".to_owned(), of.topic.as_str().into());
    object.insert("partition".to_owned(), of.partition.into());
    object.insert("offset".to_owned(), record.offset.into());
    object.insert("timestamp".to_owned(), record.timestamp_ms.into());
    for (name, bytes) in [("key", &record.key), ("value", &record.value)] {
        match bytes.as_deref().map(std::str::from_utf8) {
            None => object.insert(name.to_owned(), Value::Null),
            Some(Ok(text)) => object.insert(name.to_owned(), text.into()),
            Some(Err(_)) => {
                object.insert(format!("{name}_base64"), base64(bytes.as_deref().unwrap_or_default()).into())
            }
        };
    }
    let header = |(key, value): &Header| {
        let value = value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
        Value::from(vec![Value::from(key.as_str()), value.into()])
    };
    object.insert("headers".to_owned(), record.headers.iter().map(header).collect());
    Value::Object(object)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | u32::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Bytes> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        (bits, count) = (bits << 6 | digit as u32, count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (count < 6).then(|| out.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_round_trip() {
        let check = |key: Option<&'static [u8]>, value: Option<&'static [u8]>| {
            let record = Record {
                offset: 5,
                timestamp_ms: 1,
                key: key.map(Bytes::from_static),
                value: value.map(Bytes::from_static),
                headers: vec![("a".to_owned(), Some("1".into())), ("a".to_owned(), None)],
            };
            let (back, partition) = read(&write(&TopicPartition::new("t", 3), &record)).unwrap();
            assert_eq!((back, partition), (Record { offset: -1, ..record }, Some(3)));
        };
        check(None, Some(b"text"));
        check(Some(b""), None);
        check(Some(b"\xff"), Some(b"\xfe\xff\0"));
        check(Some(b"\xff\xff"), Some(b"\xfe\xff\0\x80"));
    }

    #[test]
    fn other_forms() {
        let (record, partition) =
            read(&json!({"value": {"a": [1]}, "key": 7, "headers": {"h": "x"}})).unwrap();
        assert_eq!(
            (record.value.as_deref(), record.key.as_deref()),
            (Some(&b"{\"a\":[1]}"[..]), Some(&b"7"[..]))
        );
        assert_eq!((record.headers.len(), partition, record.timestamp_ms), (1, None, -1));
        for (bad, why) in [
            (json!([1]), "expected a JSON object"),
            (json!({"valeu": 1}), "unknown field \"valeu\""),
            (json!({"partition": "x"}), "whole number"),
            (json!({"partition": 1_i64 << 40}), "out of range"),
            (json!({"headers": ["a"]}), "headers are pairs"),
            (json!({"value_base64": "%"}), "not base64"),
        ] {
            let error = read(&bad).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
