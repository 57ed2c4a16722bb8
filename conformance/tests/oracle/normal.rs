//! What differs between two brokers by nature, and so is not compared. Each rule names its field and says what it takes
//! for the same; whatever no rule names is compared as it is, messages too.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// An hour, in milliseconds: a time that near is a clock's.
const NEAR_MS: i64 = 3_600_000;

/// Arrays whose order Kafka leaves to its hash maps: API, field, and what to sort by.
const UNORDERED: &[(&str, &str)] = &[
    ("CreateTopics", "topics"),
    ("CreatePartitions", "results"),
    ("DeleteTopics", "responses"),
    ("DeleteRecords", "topics"),
    ("DeleteRecords", "partitions"),
    ("DeleteGroups", "results"),
    ("DescribeConfigs", "results"),
    ("DescribeConfigs", "configs"),
    ("AlterConfigs", "responses"),
    ("IncrementalAlterConfigs", "responses"),
    ("DescribeLogDirs", "topics"),
    ("DescribeLogDirs", "partitions"),
    ("Fetch", "responses"),
    ("Fetch", "partitions"),
    ("JoinGroup", "members"),
    ("DescribeGroups", "members"),
    ("ListGroups", "groups"),
    ("ListConfigResources", "configResources"),
    ("ListOffsets", "topics"),
    ("ListOffsets", "partitions"),
    ("Metadata", "topics"),
    ("Metadata", "partitions"),
    ("OffsetCommit", "topics"),
    ("OffsetCommit", "partitions"),
    ("OffsetFetch", "topics"),
    ("OffsetFetch", "partitions"),
    ("OffsetDelete", "topics"),
    ("OffsetDelete", "partitions"),
    ("OffsetForLeaderEpoch", "topics"),
    ("OffsetForLeaderEpoch", "partitions"),
    ("Produce", "responses"),
    ("Produce", "partitionResponses"),
    ("DescribeProducers", "topics"),
    ("DescribeProducers", "partitions"),
];

/// What a run knows of its broker.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Its port.
    pub(crate) port: u16,
    /// The end of every name that this run made.
    pub(crate) suffix: String,
    /// Ids of topics, and what they are called.
    pub(crate) ids: BTreeMap<String, String>,
    /// The leader epoch of new topics: Kafka counts a partition's leaders, Klamm the owners of a shard.
    pub(crate) epoch: Option<i64>,
}

impl Known {
    /// The answer of an API without what differs by nature.
    pub(crate) fn normal(&self, api: &str, field: &str, value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let each = |(name, value): (String, Value)| {
                    let value = self.normal(api, &name, value);
                    (name, value)
                };
                fields.into_iter().map(each).collect::<serde_json::Map<_, _>>().into()
            }
            Value::Array(items) if field == "apiKeys" => Self::by_key(&items),
            Value::Array(items) => {
                // Configurations that are Klamm's own.
                let own = |item: &Value| item["name"].as_str().is_some_and(|name| name.starts_with("klamm."));
                let items = items.into_iter().filter(|item| !own(item));
                let mut items: Vec<_> = items.map(|item| self.normal(api, field, item)).collect();
                if UNORDERED.contains(&(api, field)) {
                    items.sort_by_cached_key(|item| (item["name"].to_string(), item.to_string()));
                }
                items.into()
            }
            Value::Number(number) => match number.as_i64() {
                Some(number) => self.number(api, field, number),
                None => number.into(),
            },
            Value::String(text) => self.text(field, &text).into(),
            other => other,
        }
    }

    /// APIs by their number, so that each is compared by itself.
    fn by_key(apis: &[Value]) -> Value {
        let range = |api: &Value| {
            (api["apiKey"].to_string(), json!(format!("{}-{}", api["minVersion"], api["maxVersion"])))
        };
        apis.iter().map(range).collect::<serde_json::Map<_, _>>().into()
    }

    fn number(&self, api: &str, field: &str, number: i64) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
        match field {
            "throttleTimeMs" => json!("any"),
            "highWatermark" | "logEndOffset" if api == "DescribeQuorum" && number > 0 => json!("an offset"),
            "leaderEpoch" if api == "DescribeQuorum" && number > 0 => json!("an epoch"),
            "leaderEpoch" if api == "DescribeQuorum" => json!(number),
            "port" if number == i64::from(self.port) => json!("its port"),
            "leaderEpoch" | "currentLeaderEpoch" if Some(number) == self.epoch => json!("the epoch"),
            "producerId" if number >= 0 => json!("a producer id"),
            "sessionId" if number > 0 => json!("a session"),
            "totalBytes" | "usableBytes" | "partitionSize" if number > 0 => json!("bytes"),
            _ if (number - now).abs() < NEAR_MS => json!("now"),
            _ => json!(number),
        }
    }

    fn text(&self, field: &str, text: &str) -> String {
        match field {
            "clusterId" => "a cluster".into(),
            "value" if text.starts_with('/') => "a folder".into(),
            "logDir" if text.starts_with('/') => "a folder".into(),
            "topicId" if text == "AAAAAAAAAAAAAAAAAAAAAA" => "none".into(),
            "topicId" => {
                self.ids.get(text).map_or("an id".into(), |name| format!("id of {}", self.unmarked(name)))
            }
            _ => {
                let mut text = self.unmarked(text).replace(&format!(":{}", self.port), ":its port");
                for (id, name) in &self.ids {
                    text = text.replace(id, &format!("id of {}", self.unmarked(name)));
                }
                without_uuids(&text)
            }
        }
    }

    fn unmarked(&self, text: &str) -> String {
        text.replace(&self.suffix, "~")
    }
}

/// `8-4-4-4-12` hex digits are what makes a member id unique.
fn without_uuids(text: &str) -> String {
    let is_uuid = |part: &[u8]| {
        part.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    match (0..text.len().saturating_sub(35)).find(|&at| is_uuid(&text.as_bytes()[at..at + 36])) {
        Some(at) => format!("{}UUID{}", &text[..at], without_uuids(&text[at + 36..])),
        None => text.into(),
    }
}
