//! Frames as the network hands them over, and every message in every version, both ways.

use klamm_protocol::{ApiKey, Decode as _, Decoder, Encode, Encoder, decode_request_header};

fn encode(message: &impl Encode, version: i16) -> Vec<u8> {
    let mut encoder = Encoder::new();
    message.encode(&mut encoder, version).expect("what was decoded can be encoded");
    encoder.finish().concat()
}

/// Decoded, encoded, decoded again: the same. Bytes are compared, for a number may be none (NaN); those that came may
/// have another form (a varint too long).
macro_rules! again {
    ($message:path, $body:ident, $version:ident) => {{
        use $message as Message;
        if let Ok(message) = Message::decode_all($body, $version) {
            let bytes = encode(&message, $version);
            let back = Message::decode_all(Decoder::trusting(&bytes), $version).expect("own bytes");
            assert_eq!(encode(&back, $version), bytes, "{} v{}", stringify!($message), $version);
        }
    }};
}

macro_rules! by_api {
    ($($name:ident $request:ident $response:ident,)*) => {
        fn request(api: ApiKey, version: i16, body: Decoder<'_>) {
            match api {
                $(ApiKey::$name => again!(klamm_protocol::$request, body, version),)*
            }
        }

        fn response(api: ApiKey, version: i16, body: Decoder<'_>) {
            match api {
                $(ApiKey::$name => again!(klamm_protocol::$response, body, version),)*
            }
        }
    };
}

klamm_protocol::for_each_api!(by_api);

/// A frame without its length: header, then the body of whatever it says.
pub(crate) fn frame(input: &[u8]) {
    let mut decoder = Decoder::new(input);
    let Ok(header) = decode_request_header(&mut decoder) else { return };
    let api = header.api().expect("the header was decoded");
    let version = header.api_version;
    if (api.version_min()..=api.version_max()).contains(&version) {
        request(api, version, decoder);
    }
}

/// A byte for the API, one for the version, one for the direction, and a body.
pub(crate) fn message(input: &[u8]) {
    let Some((&[api, version, way], body)) = input.split_first_chunk() else { return };
    let api = ApiKey::ALL[usize::from(api) % ApiKey::ALL.len()];
    let versions = api.version_max() - api.version_min() + 1;
    let version = api.version_min() + i16::from(version) % versions.max(1);
    let decoder = Decoder::new(body);
    if way % 2 == 0 { request(api, version, decoder) } else { response(api, version, decoder) }
}

/// The message, what it becomes again, and that decoded.
pub(crate) fn allowed(input: usize) -> usize {
    2 * super::promised(input) + 4 * input
}
