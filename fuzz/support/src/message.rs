//! Frames as the network hands them over, and every message in every version, both ways.

use klamm_protocol::{ApiKey, Decode as _, Decoder, Encode, Encoder, decode_request_header};

fn encode(message: &impl Encode, version: i16) -> Vec<u8> {
    let mut encoder = Encoder::new();
    message.encode(&mut encoder, version).expect("what was decoded can be encoded");
    encoder.finish().concat()
}

/// Decoded, encoded, decoded again: the same. Whether it could be decoded. Bytes are compared, for a number may be none (NaN); those that came may
/// have another form (a varint too long).
macro_rules! again {
    ($message:path, $body:ident, $version:ident) => {{
        use $message as Message;
        Message::decode_all($body, $version).is_ok_and(|message| {
            let bytes = encode(&message, $version);
            let back = Message::decode_all(Decoder::trusting(&bytes), $version).expect("own bytes");
            assert_eq!(encode(&back, $version), bytes, "{} v{}", stringify!($message), $version);
            true
        })
    }};
}

macro_rules! by_api {
    ($($name:ident $request:ident $response:ident,)*) => {
        fn request(api: ApiKey, version: i16, body: Decoder<'_>) -> bool {
            match api {
                $(ApiKey::$name => again!(klamm_protocol::$request, body, version),)*
            }
        }

        fn response(api: ApiKey, version: i16, body: Decoder<'_>) -> bool {
            match api {
                $(ApiKey::$name => again!(klamm_protocol::$response, body, version),)*
            }
        }
    };
}

klamm_protocol::for_each_api!(by_api);

/// The longest frame that is taken, in bytes.
const FRAME_BYTES_MAX: usize = 1 << 24;

/// Two bytes that say by turns what a read gives, and a stream: frames with their lengths, then header and the body of
/// whatever it says.
pub(crate) fn frame(input: &[u8]) -> bool {
    let Some((reads, stream)) = input.split_first_chunk::<2>() else { return false };
    let reads = reads.map(|byte| (1 << (byte % 17), byte < 0x80));
    let (mut rest, mut all) = (stream, !stream.is_empty());
    let whole = klamm_net::frames(stream, &reads, FRAME_BYTES_MAX, &mut |frame| {
        assert_eq!(cut(&mut rest), Ok(Some(frame)), "the frames are those of the stream");
        all &= call(frame);
    });
    assert_eq!(cut(&mut rest), if whole { Ok(None) } else { Err(()) }, "and all of them");
    all && rest.is_empty()
}

/// The next frame of a stream, by the words of the protocol; None if it is cut short.
fn cut<'a>(stream: &mut &'a [u8]) -> Result<Option<&'a [u8]>, ()> {
    let Some((length, rest)) = stream.split_first_chunk() else { return Ok(None) };
    let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| ())?;
    if !(1..=FRAME_BYTES_MAX).contains(&length) {
        return Err(());
    }
    let Some((frame, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    *stream = rest;
    Ok(Some(frame))
}

fn call(frame: &[u8]) -> bool {
    let mut decoder = Decoder::new(frame);
    let Ok(header) = decode_request_header(&mut decoder) else { return false };
    let api = header.api().expect("the header was decoded");
    let version = header.api_version;
    (api.version_min()..=api.version_max()).contains(&version) && request(api, version, decoder)
}

/// A byte for the API, one for the version, one for the direction, and a body.
pub(crate) fn message(input: &[u8]) -> bool {
    let Some((&[api, version, way], body)) = input.split_first_chunk() else { return false };
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

/// The same, and the frame under way: a large one may have a buffer of 1 MiB before it came.
pub(crate) fn frame_allowed(input: usize) -> usize {
    allowed(input) + (2 << 20)
}
