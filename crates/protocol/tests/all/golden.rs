//! Against Kafka's own Java library: the bytes and the JSON of `conformance/golden` (see its README).

use crate::codec::{Codec, all};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

const GOLDEN: &[u8] = include_bytes!("../../../../conformance/golden/data/messages.tsv.gz");

/// What the library has and we do not serve: unstable in Kafka 4.2.
const UNSERVED: [(&str, i16); 2] = [("InitProducerIdRequest", 6), ("InitProducerIdResponse", 6)];

#[test]
fn golden_bytes() {
    let mut text = String::new();
    GzDecoder::new(GOLDEN).read_to_string(&mut text).expect("gzip of text");
    let codecs: BTreeMap<&str, Codec> = all().into_iter().map(|codec| (codec.name, codec)).collect();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let [name, version, case, hex, json] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not five columns: {line}");
        };
        let version: i16 = version.parse().expect("a version");
        match codecs.get(name).filter(|codec| codec.versions().any(|served| served == version)) {
            Some(codec) => {
                seen.insert((codec.name, version));
                if let Err(difference) = compare(codec, version, &bytes(hex), json) {
                    wrong.push(format!("{name} v{version} {case}: {difference}"));
                }
            }
            None => assert!(UNSERVED.contains(&(name, version)), "{name} v{version} is not served"),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ, the first ones:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    let served = codecs.values().flat_map(|codec| codec.versions().map(|version| (codec.name, version)));
    assert_eq!(seen, served.collect(), "messages and versions with golden bytes");
}

fn compare(codec: &Codec, version: i16, bytes: &[u8], json: &str) -> Result<(), String> {
    let (again, found) = (codec.again)(bytes, version).map_err(|e| e.to_string())?;
    let expected: Value = serde_json::from_str(json).map_err(|e| e.to_string())?;
    if let Some(difference) = difference("", &expected, &found) {
        return Err(difference);
    }
    if again == bytes { Ok(()) } else { Err("other bytes when encoded again".to_owned()) }
}

/// Our name of a field in Kafka's JSON, where records are shown by their size, under another name.
fn our_name(kafkas: &str) -> String {
    match kafkas {
        "requestApiKey" => "apiKey".to_owned(),
        "requestApiVersion" => "apiVersion".to_owned(),
        name => name.trim_end_matches("SizeInBytes").to_owned(),
    }
}

/// Where two values differ.
fn difference(at: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let expected: BTreeMap<String, &Value> =
                expected.iter().map(|(name, v)| (our_name(name), v)).collect();
            let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            names.into_iter().find_map(|name| match (expected.get(name), found.get(name)) {
                (Some(expected), Some(found)) => difference(&format!("{at}.{name}"), expected, found),
                (expected, found) => Some(format!("{at}.{name}: {expected:?}, found {found:?}")),
            })
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let mut pairs = expected.iter().zip(found).enumerate();
            pairs.find_map(|(i, (expected, found))| difference(&format!("{at}[{i}]"), expected, found))
        }
        // serde_json reads floats to within a last digit or two; the bytes are compared exactly.
        _ if expected.is_f64() && expected.as_f64().zip(found.as_f64()).is_some_and(|(a, b)| close(a, b)) => {
            None
        }
        _ if expected == found => None,
        _ => Some(format!("{at}: {expected}, found {found}")),
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.abs() * 1e-14
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hex digit") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
