//! Bytes of a response to JSON. Error codes show as Kafka's names, bytes as text or hex, records as their batches.

use klamm_protocol::{ErrorCode, Uuid};
use klamm_records::{RecordIter, batches_lenient, decompress};
use serde_json::{Map, Value, json};
use xtask::schema::{Default, Field, Kind, Struct, Type};

use crate::schema::{Api, has, may_be_null};

/// The fields of a response, after its header.
pub(crate) fn response(api: &Api, version: i16, body: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { api, version, flexible: api.is_flexible(version), left: body };
    let value = reader.fields(api.message(Kind::Response))?;
    if reader.left.is_empty() { Ok(value) } else { Err(format!("{} bytes are left over", reader.left.len())) }
}

/// Takes the tagged fields of a header off, all of them unknown.
pub(crate) fn skip_tags(body: &[u8]) -> Result<&[u8], String> {
    match body.split_first() {
        Some((0, rest)) => Ok(rest),
        _ => Err("the header has tagged fields".into()),
    }
}

struct Reader<'a> {
    api: &'a Api,
    version: i16,
    flexible: bool,
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    fn fields(&mut self, of: &Struct) -> Result<Value, String> {
        let mut object = Map::new();
        let version = self.version;
        for field in of.fields.iter().filter(|field| has(field, version)) {
            let value = if field.tag.is_none() { self.field(field)? } else { untold(field) };
            object.insert(field.name.clone(), value);
        }
        if self.flexible {
            for _ in 0..self.varint()? {
                let (tag, size) = (self.varint()?, self.varint()?);
                let after = self.left.get(size as usize..).ok_or("a tagged field is cut")?;
                let known = |field: &&Field| field.tag == Some(tag) && has(field, self.version);
                let field = of.fields.iter().find(known).ok_or(format!("{} has no tag {tag}", of.name))?;
                object.insert(field.name.clone(), self.field(field)?);
                if self.left.len() != after.len() {
                    return Err(format!("tag {tag} of {} has another size", of.name));
                }
            }
        }
        Ok(Value::Object(object))
    }

    fn field(&mut self, field: &Field) -> Result<Value, String> {
        if matches!(field.ty, Type::Struct(_)) && may_be_null(field, self.version) && self.take(1)? == [255] {
            return Ok(Value::Null);
        }
        self.value(&field.ty)
    }

    fn value(&mut self, ty: &Type) -> Result<Value, String> {
        Ok(match ty {
            Type::Bool => json!(self.take(1)? != [0]),
            Type::I8 => json!(self.take(1)?[0] as i8),
            Type::I16 => json!(self.i16()?),
            Type::U16 => json!(self.i16()? as u16),
            Type::Error => json!(error(self.i16()?)),
            Type::I32 => json!(self.i32()?),
            Type::I64 => json!(i64::from_be_bytes(self.array()?)),
            Type::F64 => json!(f64::from_be_bytes(self.array()?)),
            Type::Uuid => json!(Uuid(self.array()?).to_string()),
            Type::String => {
                self.bytes(true)?.map_or(Value::Null, |bytes| json!(String::from_utf8_lossy(bytes)))
            }
            Type::Bytes => self.bytes(false)?.map_or(Value::Null, |bytes| json!(text(bytes))),
            Type::Records => self.bytes(false)?.map_or(Value::Null, batches),
            Type::Struct(_) => return self.fields(self.api.named(ty)),
            Type::Array(of) => match self.length(false)? {
                None => Value::Null,
                Some(count) => {
                    Value::Array((0..count).map(|_| self.value(of)).collect::<Result<Vec<_>, _>>()?)
                }
            },
        })
    }

    fn bytes(&mut self, short: bool) -> Result<Option<&'a [u8]>, String> {
        self.length(short)?.map(|length| self.take(length)).transpose()
    }

    fn length(&mut self, short: bool) -> Result<Option<usize>, String> {
        Ok(match (self.flexible, short) {
            (true, _) => (self.varint()? as usize).checked_sub(1),
            (false, true) => usize::try_from(self.i16()?).ok(),
            (false, false) => usize::try_from(self.i32()?).ok(),
        })
    }

    fn i16(&mut self) -> Result<i16, String> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, String> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn varint(&mut self) -> Result<u32, String> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u32::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err("a varint of more than five bytes".into())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.take(N)?.try_into().expect("as long as was asked"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (head, rest) = self.left.split_at_checked(count).ok_or("the answer is cut")?;
        self.left = rest;
        Ok(head)
    }
}

/// What a tagged field holds that the answer does not tell. A struct's defaults are not spelled out.
fn untold(field: &Field) -> Value {
    match (&field.default, &field.ty) {
        (Default::Number(number), _) => json!(number),
        (Default::Natural, Type::Array(_)) => json!([]),
        (Default::Natural, Type::I64 | Type::I32) => json!(0),
        (Default::Natural, Type::Bool) => json!(false),
        _ => Value::Null,
    }
}

/// Kafka's name of an error code.
fn error(code: i16) -> String {
    match ErrorCode(code) {
        known if ErrorCode::ALL.contains(&known) => known.name().into(),
        _ => format!("error {code}"),
    }
}

fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control()) => text.into(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn batches(bytes: &[u8]) -> Value {
    let mut shown = vec![];
    for raw in batches_lenient(&bytes.to_vec().into()) {
        let Ok(raw) = raw else {
            shown.push(json!("a cut batch"));
            break;
        };
        let header = raw.header();
        let codec = header.attributes.codec().expect("a codec");
        let payload =
            decompress(codec, &raw.payload(), std::default::Default::default()).expect("its records");
        let value = |record: klamm_records::Record<'_>| record.value.map(text);
        let values: Vec<_> =
            RecordIter::new(&payload, header.record_count).map(|each| each.ok().map(value)).collect();
        shown.push(json!({
            "baseOffset": header.base_offset, "lastOffsetDelta": header.last_offset_delta,
            "leaderEpoch": header.partition_leader_epoch, "attributes": header.attributes.0,
            "baseTimestamp": header.base_timestamp, "maxTimestamp": header.max_timestamp,
            "producerId": header.producer_id, "producerEpoch": header.producer_epoch,
            "baseSequence": header.base_sequence, "values": values,
        }));
    }
    json!(shown)
}
