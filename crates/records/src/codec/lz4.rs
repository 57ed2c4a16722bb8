//! One LZ4 frame, read here block by block: `lz4_flex`'s own frame reader allocates up to 12 MiB for a head of seven
//! bytes and takes a frame without its end mark for whole.
//!
//! Frame, block and content checksums are skipped, not checked: the batch's CRC32C covers them (Java skips the content's
//! too). Dictionaries, skippable and legacy frames are refused; Kafka has none.

use std::io::Write;

use lz4_flex::{
    block::{DecompressError, decompress_into, decompress_into_with_dict},
    frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo},
};

use super::Fault;

const MAGIC: [u8; 4] = 0x184d_2204u32.to_le_bytes();
const WINDOW_BYTES: usize = 64 << 10;
const STORED: u32 = 1 << 31;

struct Head {
    linked: bool,
    block_checksum_bytes: usize,
    content_checksum_bytes: usize,
    content_bytes: Option<u64>,
    block_bytes_max: usize,
}

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut rest = input;
    let head = head(&mut rest)?;
    let mut out = Vec::new();
    loop {
        let size = u32::from_le_bytes(array(&mut rest)?);
        if size == 0 {
            break;
        }
        let block = take(&mut rest, (size & !STORED) as usize)?;
        take(&mut rest, head.block_checksum_bytes)?;
        if block.len() > head.block_bytes_max {
            return Err(Fault::Bad("block above the frame's block size"));
        }
        if size & STORED == 0 {
            inflate(block, head.linked, head.block_bytes_max, &mut out, limit_bytes)?;
        } else if block.len() > limit_bytes - out.len() {
            return Err(Fault::Cap);
        } else {
            out.extend_from_slice(block);
        }
    }
    take(&mut rest, head.content_checksum_bytes)?;
    if !rest.is_empty() {
        return Err(Fault::Bad("bytes after the frame"));
    }
    if head.content_bytes.is_some_and(|bytes| bytes != out.len() as u64) {
        return Err(Fault::Bad("content is not as long as the frame says"));
    }
    Ok(out)
}

fn head(rest: &mut &[u8]) -> Result<Head, Fault> {
    if array(rest)? != MAGIC {
        return Err(Fault::Bad("not an LZ4 frame"));
    }
    let [flags, block_descriptor] = array(rest)?;
    let flag = |bit: u8| flags >> bit & 1 == 1;
    if flags >> 6 != 1 || flag(1) || block_descriptor & 0x8f != 0 {
        return Err(Fault::Bad("frame version or reserved bits"));
    }
    if flag(0) {
        return Err(Fault::Bad("frame needs a dictionary"));
    }
    let block_bytes_max = match block_descriptor >> 4 {
        size @ 4..=7 => 1 << (8 + 2 * size),
        _ => return Err(Fault::Bad("unknown block size")),
    };
    let content_bytes = if flag(3) { Some(u64::from_le_bytes(array(rest)?)) } else { None };
    array::<1>(rest)?; // checksum of the head
    Ok(Head {
        linked: !flag(5),
        block_checksum_bytes: if flag(4) { 4 } else { 0 },
        content_checksum_bytes: if flag(2) { 4 } else { 0 },
        content_bytes,
        block_bytes_max,
    })
}

fn inflate(
    block: &[u8],
    linked: bool,
    block_bytes_max: usize,
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Fault> {
    let start = out.len();
    // One byte of LZ4 extends a match by 255 bytes at most; 64 covers the first token.
    let room_bytes =
        block_bytes_max.min(block.len().saturating_mul(255).saturating_add(64)).min(limit - start);
    out.resize(start + room_bytes, 0);
    let (before, room) = out.split_at_mut(start);
    let result = if linked && start > 0 {
        decompress_into_with_dict(block, room, &before[start.saturating_sub(WINDOW_BYTES)..])
    } else {
        decompress_into(block, room)
    };
    match result {
        Ok(bytes) => {
            out.truncate(start + bytes);
            Ok(())
        }
        Err(DecompressError::OutputTooSmall { .. }) if room_bytes == limit - start => Err(Fault::Cap),
        Err(_) => Err(Fault::Bad("damaged block")),
    }
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Result<&'a [u8], Fault> {
    let (front, after) = rest.split_at_checked(bytes).ok_or(Fault::Bad("cut short"))?;
    *rest = after;
    Ok(front)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Fault> {
    let (front, after) = rest.split_first_chunk::<N>().ok_or(Fault::Bad("cut short"))?;
    *rest = after;
    Ok(*front)
}

/// Independent blocks of 64 KiB without checksums: Java's reader refuses linked ones.
pub(super) fn compress(payload: &[u8]) -> Result<Vec<u8>, Fault> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    let failed = Fault::Bad("lz4 failed to compress");
    encoder.write_all(payload).map_err(|_| failed)?;
    encoder.finish().map_err(|_| failed)
}
