//! Snappy: chunks framed like snappy-java's streams ("xerial", what Java writes), or one raw block (librdkafka).
//!
//! A chunk declares its size. No element of the format yields more than 64 bytes from 3, so a larger claim is a lie
//! and is refused before anything is allocated.

use super::Fault;

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const HEAD_BYTES: usize = 16; // magic, version, lowest compatible version
const BLOCK_BYTES: usize = 32 << 10; // snappy-java's default

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    if !input.starts_with(MAGIC) {
        chunk(input, &mut out, limit_bytes)?;
        return Ok(out);
    }
    let mut rest = input;
    while !rest.is_empty() {
        if rest.starts_with(MAGIC) {
            // Streams may be joined; as a length the magic would be negative.
            rest = rest.get(HEAD_BYTES..).ok_or(Fault::Bad("cut short in the stream head"))?;
            continue;
        }
        let (length, after) =
            rest.split_first_chunk::<4>().ok_or(Fault::Bad("cut short in a chunk length"))?;
        let length = u32::from_be_bytes(*length) as usize;
        let (compressed, after) = after.split_at_checked(length).ok_or(Fault::Bad("cut short in a chunk"))?;
        chunk(compressed, &mut out, limit_bytes)?;
        rest = after;
    }
    Ok(out)
}

fn chunk(compressed: &[u8], out: &mut Vec<u8>, limit_bytes: usize) -> Result<(), Fault> {
    let bytes = snap::raw::decompress_len(compressed).map_err(|_| Fault::Bad("no size"))?;
    if bytes / 22 > compressed.len() {
        return Err(Fault::Bad("claims more than the format can hold"));
    }
    let start = out.len();
    if bytes > limit_bytes - start {
        return Err(Fault::Cap);
    }
    out.resize(start + bytes, 0);
    match snap::raw::Decoder::new().decompress(compressed, &mut out[start..]) {
        Ok(written) if written == bytes => Ok(()),
        _ => Err(Fault::Bad("damaged block")),
    }
}

pub(super) fn compress(payload: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(HEAD_BYTES + payload.len() / 2);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    let mut encoder = snap::raw::Encoder::new();
    for block in payload.chunks(BLOCK_BYTES) {
        let compressed = encoder.compress_vec(block).map_err(|_| Fault::Bad("snappy failed to compress"))?;
        out.extend_from_slice(&(compressed.len() as u32).to_be_bytes());
        out.extend_from_slice(&compressed);
    }
    Ok(out)
}
