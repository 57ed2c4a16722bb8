//! All messages as one table of functions, so that a test is a loop.

use klamm_protocol::sample::{Gen, Sample};
use klamm_protocol::{ApiKey, Decode, DecodeError, Decoder, Encode, EncodeError, Encoder};
use klamm_protocol::{consumer_protocol, headers, json::ToJson};
use serde_json::Value;

/// What decoded bytes become: bytes again, and JSON.
type Again = (Vec<u8>, Value);

/// One message type.
pub(crate) struct Codec {
    pub(crate) name: &'static str,
    pub(crate) versions: (i16, i16),
    pub(crate) flexible_since: Option<i16>,
    /// A random message, encoded, decoded, compared, encoded again, compared. Gives the bytes.
    pub(crate) round_trip: fn(u64, i16) -> Vec<u8>,
    /// The message of defaults.
    pub(crate) default: fn(i16) -> Result<Vec<u8>, EncodeError>,
    /// Decoded; gives the budget it took.
    pub(crate) decode: fn(&[u8], i16) -> Result<usize, DecodeError>,
    /// Decoded, and encoded again; as JSON too.
    pub(crate) again: fn(&[u8], i16) -> Result<Again, DecodeError>,
}

impl Codec {
    pub(crate) fn versions(&self) -> impl Iterator<Item = i16> {
        self.versions.0..=self.versions.1
    }

    pub(crate) fn is_flexible(&self, version: i16) -> bool {
        self.flexible_since.is_some_and(|first| version >= first)
    }
}

pub(crate) fn encode(message: &impl Encode, version: i16) -> Result<Vec<u8>, EncodeError> {
    let mut e = Encoder::new();
    message.encode(&mut e, version)?;
    Ok(e.finish().concat())
}

macro_rules! codec {
    ($type:path, $name:expr, $versions:expr, $flexible:expr) => {{
        use $type as Type;
        Codec {
            name: $name,
            versions: $versions,
            flexible_since: $flexible,
            round_trip: |seed, version| {
                let message = Type::sample(&mut Gen::new(seed), version);
                let bytes = encode(&message, version).expect("a sample fits its version");
                let back = Type::decode_all(Decoder::trusting(&bytes), version).expect("own bytes");
                assert_eq!(message, back, "{} v{version} seed {seed}", $name);
                assert_eq!(
                    bytes,
                    encode(&back, version).expect("as before"),
                    "{} v{version} seed {seed}",
                    $name
                );
                assert!(bytes.len() >= Type::size_min(version), "{} v{version} seed {seed}", $name);
                bytes
            },
            default: |version| encode(&Type::default(), version),
            decode: |bytes, version| {
                let mut d = Decoder::new(bytes);
                let before = d.budget();
                Type::decode(&mut d, version)?;
                let used = before - d.budget();
                d.finish()?;
                Ok(used)
            },
            again: |bytes, version| {
                let message = Type::decode_all(Decoder::trusting(bytes), version)?;
                Ok((
                    encode(&message, version).expect("what was decoded can be encoded"),
                    message.to_json(version),
                ))
            },
        }
    }};
}

macro_rules! table {
    ($($name:ident $request:ident $response:ident,)*) => {
        vec![$(
            codec!(klamm_protocol::$request, stringify!($request), bounds(ApiKey::$name), ApiKey::$name.flexible_since()),
            codec!(klamm_protocol::$response, stringify!($response), bounds(ApiKey::$name), ApiKey::$name.flexible_since()),
        )*]
    };
}

fn bounds(api: ApiKey) -> (i16, i16) {
    (api.version_min(), api.version_max())
}

pub(crate) fn all() -> Vec<Codec> {
    let mut all = klamm_protocol::for_each_api!(table);
    all.push(codec!(headers::RequestHeader, "RequestHeader", (1, 2), Some(2)));
    all.push(codec!(headers::ResponseHeader, "ResponseHeader", (0, 1), Some(1)));
    all.push(codec!(
        consumer_protocol::ConsumerProtocolSubscription,
        "ConsumerProtocolSubscription",
        (0, 3),
        None
    ));
    all.push(codec!(
        consumer_protocol::ConsumerProtocolAssignment,
        "ConsumerProtocolAssignment",
        (0, 3),
        None
    ));
    all
}
