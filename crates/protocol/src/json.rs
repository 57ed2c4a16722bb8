//! Messages as JSON, in the form of Kafka's own converters (field names, base64, which fields are left out).
//! For comparison and display; records show as their size.

use crate::{Blob, ErrorCode, Records, Str, Uuid};
pub use serde_json::Value;
use serde_json::{Map, json};

/// Shows itself as JSON, in the form that a version has.
pub trait ToJson {
    /// The JSON of this value.
    fn to_json(&self, version: i16) -> Value;
}

/// Collects the fields of a struct.
#[derive(Default)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    pub(crate) fn put(&mut self, name: &str, value: &impl ToJson, version: i16) {
        self.0.insert(name.to_owned(), value.to_json(version));
    }

    pub(crate) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl ToJson for $type {
            fn to_json(&self, _version: i16) -> Value {
                json!(self)
            }
        }
    )*};
}
plain!(bool, i8, i16, u16, i32, i64, f64, Str<'_>);

impl ToJson for Uuid {
    fn to_json(&self, _version: i16) -> Value {
        json!(self.to_string())
    }
}

impl ToJson for ErrorCode {
    fn to_json(&self, _version: i16) -> Value {
        json!(self.0)
    }
}

impl ToJson for Blob<'_> {
    fn to_json(&self, _version: i16) -> Value {
        json!(base64(self))
    }
}

impl ToJson for Records<'_> {
    fn to_json(&self, _version: i16) -> Value {
        json!(self.len())
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self, version: i16) -> Value {
        Value::Array(self.iter().map(|item| item.to_json(version)).collect())
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self, version: i16) -> Value {
        self.as_ref().map_or(Value::Null, |value| value.to_json(version))
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let six = (bits >> (18 - 6 * digit)) as usize & 63;
            out.push(if digit <= three.len() { char::from(DIGITS[six]) } else { '=' });
        }
    }
    out
}
