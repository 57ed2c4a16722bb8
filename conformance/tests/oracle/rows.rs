//! The rows: a file an area. A row is a line: what it is about, the API, its versions, and the fields that matter.
//! Later rows see what earlier rows of their area did.

pub(crate) mod basics;
pub(crate) mod configs;
pub(crate) mod describing;
pub(crate) mod groups;
pub(crate) mod offsets;
pub(crate) mod records;
pub(crate) mod topics;

use serde_json::{Value, json};

/// A topic id that no topic has.
const UNKNOWN_ID: &str = "AAAAAAAAAAAAAAAAAAAAEQ";

/// A request for partitions of one topic, with `more` fields.
fn topic_of(name: &str, partitions: Value, more: Value) -> Value {
    let mut request = more;
    request["topics"] = json!([{"name": name, "partitions": partitions}]);
    request
}
