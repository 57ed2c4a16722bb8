//! Zstandard, by libzstd, in one pass into a buffer that is doubled up to the cap.
//!
//! Streaming would allocate the window that the frame's head asks for (up to 128 MiB for seven bytes). Doubling costs
//! at most one more pass and holds at most twice what the frame has proved to contain.

use zstd::zstd_safe::{CCtx, DCtx, get_error_name, get_frame_content_size};

use super::Fault;

const FIRST_BYTES: usize = 64 << 10;
/// How much of a frame's own claim is believed, for each byte of input.
const CLAIM_RATIO_MAX: usize = 16;
/// `ZSTD_error_dstSize_tooSmall`, as libzstd returns it.
const TOO_SMALL: usize = 70usize.wrapping_neg();

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Fault> {
    if input.is_empty() {
        return Err(Fault::Bad("no frame")); // libzstd takes nothing for no frames
    }
    let claim = get_frame_content_size(input).ok().flatten().and_then(|bytes| usize::try_from(bytes).ok());
    let believed_bytes = claim.unwrap_or(0).min(input.len().saturating_mul(CLAIM_RATIO_MAX));
    let guess_bytes = believed_bytes.max(FIRST_BYTES).max(input.len().saturating_mul(4));
    let mut capacity = guess_bytes.min(limit_bytes);
    let mut context = DCtx::try_create().ok_or(Fault::Bad("no memory for zstd"))?;
    loop {
        let mut out = Vec::with_capacity(capacity);
        // The allocator may give more than asked for; the cap is on the content.
        match context.decompress(&mut out, input) {
            Ok(bytes) if bytes > limit_bytes => return Err(Fault::Cap),
            Ok(_) => return Ok(out),
            Err(TOO_SMALL) if capacity >= limit_bytes => return Err(Fault::Cap),
            Err(TOO_SMALL) => capacity = capacity.saturating_mul(2).min(limit_bytes),
            Err(code) => return Err(Fault::Bad(get_error_name(code))),
        }
    }
}

pub(super) fn compress(payload: &[u8], level: Option<i32>) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(zstd::zstd_safe::compress_bound(payload.len()));
    let mut context = CCtx::try_create().ok_or(Fault::Bad("no memory for zstd"))?;
    match context.compress(&mut out, payload, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)) {
        Ok(_) => Ok(out),
        Err(code) => Err(Fault::Bad(get_error_name(code))),
    }
}
