//! A request's fields as JSON, to bytes. A field that is not named gets its default; one that the version lacks is left
//! out; one that no version has is a fault of the row. Bytes and records are text, or an array of numbers.

use serde_json::{Map, Value};
use xtask::schema::{Default, Field, Kind, Struct, Type};

use crate::schema::{Api, has, may_be_null};

/// The body of a request.
pub(crate) fn request(api: &Api, version: i16, fields: &Value) -> Vec<u8> {
    let mut writer = Writer { api, version, flexible: api.is_flexible(version), out: vec![] };
    writer.fields(api.message(Kind::Request), fields.as_object().expect("a request is an object"));
    writer.out
}

struct Writer<'a> {
    api: &'a Api,
    version: i16,
    flexible: bool,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn fields(&mut self, of: &Struct, values: &Map<String, Value>) {
        for name in values.keys() {
            assert!(of.fields.iter().any(|field| field.name == *name), "{} has no field {name}", of.name);
        }
        let present = |field: &&Field| has(field, self.version);
        let fields: Vec<&Field> = of.fields.iter().filter(present).collect();
        for field in fields.iter().filter(|field| field.tag.is_none()) {
            self.field(field, &values.get(&field.name).cloned().unwrap_or_else(|| default(field)));
        }
        if !self.flexible {
            return;
        }
        let tagged: Vec<_> =
            fields.iter().filter_map(|field| Some((field.tag?, *field, values.get(&field.name)?))).collect();
        self.varint(tagged.len() as u32);
        for (tag, field, value) in tagged {
            let before = std::mem::take(&mut self.out);
            self.field(field, value);
            let inner = std::mem::replace(&mut self.out, before);
            self.varint(tag);
            self.varint(inner.len() as u32);
            self.out.extend(inner);
        }
    }

    fn field(&mut self, field: &Field, value: &Value) {
        if let Type::Struct(_) = field.ty
            && may_be_null(field, self.version)
        {
            self.out.push(if value.is_null() { 255 } else { 1 });
            if value.is_null() {
                return;
            }
        }
        self.value(&field.ty, value);
    }

    fn value(&mut self, ty: &Type, value: &Value) {
        let number = || value.as_i64().unwrap_or_else(|| panic!("{value} is no {}", ty.word()));
        match ty {
            Type::Bool => self.out.push(u8::from(value.as_bool().expect("true or false"))),
            Type::I8 => self.out.extend((number() as i8).to_be_bytes()),
            Type::I16 | Type::U16 | Type::Error => self.out.extend((number() as i16).to_be_bytes()),
            Type::I32 => self.out.extend((number() as i32).to_be_bytes()),
            Type::I64 => self.out.extend(number().to_be_bytes()),
            Type::F64 => self.out.extend(value.as_f64().expect("a number").to_be_bytes()),
            Type::Uuid => self.out.extend(uuid(value.as_str().expect("an id"))),
            Type::String | Type::Bytes | Type::Records => {
                let bytes = bytes(value);
                self.length(bytes.as_ref().map(Vec::len), *ty == Type::String);
                self.out.extend(bytes.unwrap_or_default());
            }
            Type::Array(of) => {
                self.length(value.as_array().map(Vec::len), false);
                for item in value.as_array().into_iter().flatten() {
                    self.value(of, item);
                }
            }
            Type::Struct(_) => {
                let fields = value.as_object().unwrap_or_else(|| panic!("{value} is no {}", ty.word()));
                self.fields(self.api.named(ty), fields);
            }
        }
    }

    fn length(&mut self, length: Option<usize>, short: bool) {
        match (self.flexible, short) {
            (true, _) => self.varint(length.map_or(0, |length| length as u32 + 1)),
            (false, true) => self.out.extend(length.map_or(-1, |length| length as i16).to_be_bytes()),
            (false, false) => self.out.extend(length.map_or(-1, |length| length as i32).to_be_bytes()),
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value > 127 {
            self.out.push(value as u8 | 128);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}

fn default(field: &Field) -> Value {
    match (&field.default, &field.ty) {
        (Default::Null, _) => Value::Null,
        (Default::Number(number), _) => (*number).into(),
        (Default::True, _) => true.into(),
        (Default::Natural, Type::Bool) => false.into(),
        (Default::Natural, Type::String | Type::Bytes | Type::Records) => "".into(),
        (Default::Natural, Type::Uuid) => "AAAAAAAAAAAAAAAAAAAAAA".into(),
        (Default::Natural, Type::Array(_)) => Value::Array(vec![]),
        (Default::Natural, Type::Struct(_)) => Value::Object(Map::new()),
        (Default::Natural, _) => 0.into(),
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Array(numbers) => {
            Some(numbers.iter().map(|number| number.as_u64().expect("a byte") as u8).collect())
        }
        other => panic!("{other} is neither text nor bytes"),
    }
}

fn uuid(text: &str) -> [u8; 16] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |c: &u8| DIGITS.iter().position(|digit| digit == c).expect("a digit of base64url") as u128;
    let digits: Vec<u128> = text.as_bytes().iter().map(digit).collect();
    assert_eq!(digits.len(), 22, "{text} is no topic id");
    let head = digits[..21].iter().fold(0, |bits, digit| bits << 6 | digit);
    (head << 2 | digits[21] >> 4).to_be_bytes()
}
