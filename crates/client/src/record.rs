//! A record as programs see it: owned, with its place.

use bytes::Bytes;

/// A topic and a partition of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
}

impl TopicPartition {
    /// Of a topic by its name.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// A header's key and value.
pub type Header = (String, Option<Bytes>);

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Its offset; what a producer sets does not matter.
    pub offset: i64,
    /// Milliseconds since 1970; -1 for none.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone where topics are compacted.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Vec<Header>,
}

impl Record {
    /// About how many bytes it takes in a batch, at most.
    pub fn bytes_max(&self) -> usize {
        let field = |bytes: Option<usize>| 5 + bytes.unwrap_or_default();
        let headers = self.headers.iter();
        let headers: usize =
            headers.map(|(key, value)| 5 + key.len() + field(value.as_ref().map(Bytes::len))).sum();
        26 + field(self.key.as_ref().map(Bytes::len)) + field(self.value.as_ref().map(Bytes::len)) + headers
    }
}
