//! gzip (RFC 1952), one or more members. Streams: output grows only with what was really inflated.

use std::io::{Read, Write};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};

use super::Fault;

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let one_more = (limit_bytes as u64).saturating_add(1);
    let bad = |_| Fault::Bad("not gzip, cut short or damaged");
    MultiGzDecoder::new(input).take(one_more).read_to_end(&mut out).map_err(bad)?;
    if out.len() > limit_bytes { Err(Fault::Cap) } else { Ok(out) }
}

pub(super) fn compress(payload: &[u8], level: Option<i32>) -> Result<Vec<u8>, Fault> {
    let level =
        level.and_then(|level| u32::try_from(level).ok()).map_or(Compression::default(), Compression::new);
    let mut encoder = GzEncoder::new(Vec::new(), level);
    let done = encoder.write_all(payload).and_then(|()| encoder.finish());
    done.map_err(|_| Fault::Bad("gzip failed to compress"))
}
