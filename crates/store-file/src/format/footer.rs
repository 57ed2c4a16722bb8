//! A sealed file's index, version 1 (the trailer's version is theirs): one block for each partition, then the
//! directory of all blocks. Blocks and directory have a CRC32C each.

use bytes::{Buf as _, BufMut as _, Bytes};
use klamm_model::PartitionId;
use klamm_store::{BatchAt, Extent, Place, SegmentId, extents};

use super::{FormatError, close_frame, crc32c};

const BLOCK_MAGIC: u32 = 0x4b4c_4258; // "KLBX"
const DIRECTORY_MAGIC: u32 = 0x4b4c_4449; // "KLDI"
/// Magic, partition, count and CRC.
const BLOCK_FRAME_BYTES: u64 = 4 + PartitionId::BYTES as u64 + 4 + 4;
const BATCH_BYTES: usize = 36;
const EXTENT_BYTES: usize = PartitionId::BYTES + 44;

/// The size of the block of an extent.
pub(crate) fn block_bytes(extent: &Extent) -> u64 {
    BLOCK_FRAME_BYTES + u64::from(extent.batches) * BATCH_BYTES as u64
}

/// All blocks, to be written at `at`, and the extents that name them. Batches are sorted by (partition, offset) and
/// at their positions in the file.
pub(crate) fn encode_blocks(at: u64, batches: &[(PartitionId, BatchAt)]) -> (Vec<u8>, Vec<Extent>) {
    assert!(batches.is_sorted_by_key(|(partition, batch)| (*partition, batch.base_offset)));
    let mut extents = extents(batches);
    let mut out = Vec::with_capacity(extents.iter().map(block_bytes).sum::<u64>() as usize);
    for extent in &mut extents {
        let (from, first) = (out.len(), extent.index_at as usize);
        extent.index_at = at + from as u64;
        out.put_u32(BLOCK_MAGIC);
        out.put_slice(&extent.partition.to_bytes());
        out.put_u32(extent.batches);
        for (_, batch) in &batches[first..first + extent.batches as usize] {
            let Place::Segment { position, .. } = batch.place else {
                panic!("only batches with a position are sealed")
            };
            out.put_i64(batch.base_offset);
            out.put_i64(batch.last_offset);
            out.put_i64(batch.max_timestamp);
            out.put_u64(position);
            out.put_u32(batch.bytes);
        }
        let crc = crc32c([&out[from..]]);
        out.put_u32(crc);
        assert_eq!(out.len() as u64, from as u64 + block_bytes(extent));
    }
    (out, extents)
}

/// Checks a block: it must be the extent's and whole. Its file has bytes of batches up to `directory_at`.
pub(crate) fn check_block(extent: &Extent, block: &[u8], directory_at: u64) -> Result<(), FormatError> {
    if block.len() as u64 != block_bytes(extent) {
        return Err(FormatError::Damaged("it is cut short"));
    }
    let (body, crc) = block.split_at(block.len() - 4);
    if crc != crc32c([body]).to_be_bytes() {
        return Err(FormatError::Damaged("its checksum does not match its bytes"));
    }
    let mut body = body;
    let magic = body.get_u32();
    let (partition, count) = body.split_at(PartitionId::BYTES);
    if magic != BLOCK_MAGIC
        || partition != extent.partition.to_bytes()
        || count[..4] != extent.batches.to_be_bytes()
    {
        return Err(FormatError::Damaged("it is another partition's"));
    }
    let mut after = None;
    for mut batch in count[4..].chunks_exact(BATCH_BYTES) {
        let (base_offset, last_offset) = (batch.get_i64(), batch.get_i64());
        if after >= Some(base_offset) || base_offset > last_offset || last_offset == i64::MAX {
            return Err(FormatError::Damaged("its batches are not in order"));
        }
        after = Some(last_offset);
        batch.advance(8); // the timestamp
        let end = batch.get_u64().checked_add(u64::from(batch.get_u32()));
        if end.is_none_or(|end| end > directory_at) {
            return Err(FormatError::Damaged("it names a position that its file has not"));
        }
    }
    Ok(())
}

/// The batches of a checked block.
pub(crate) fn decode_block(id: SegmentId, block: &Bytes) -> Vec<BatchAt> {
    let mut body = &block[8 + PartitionId::BYTES..block.len() - 4];
    let mut batches = Vec::with_capacity(body.len() / BATCH_BYTES);
    while body.len() >= BATCH_BYTES {
        batches.push(BatchAt {
            base_offset: body.get_i64(),
            last_offset: body.get_i64(),
            max_timestamp: body.get_i64(),
            place: Place::Segment { id, position: body.get_u64() },
            bytes: body.get_u32(),
        });
    }
    batches
}

/// The directory's bytes.
pub(crate) fn encode_directory(extents: &[Extent]) -> Vec<u8> {
    let mut out = Vec::with_capacity(12 + extents.len() * EXTENT_BYTES);
    out.put_u32(DIRECTORY_MAGIC);
    out.put_u32(u32::try_from(extents.len()).expect("a file holds fewer partitions"));
    for extent in extents {
        out.put_slice(&extent.partition.to_bytes());
        out.put_i64(extent.base_offset);
        out.put_i64(extent.last_offset);
        out.put_i64(extent.max_timestamp);
        out.put_u64(extent.bytes);
        out.put_u32(extent.batches);
        out.put_u64(extent.index_at);
    }
    close_frame(&mut out);
    out
}

/// Reads the directory that lies at `directory_at`, behind all batches and blocks.
pub(crate) fn decode_directory(bytes: &[u8], directory_at: u64) -> Result<Vec<Extent>, FormatError> {
    let Some(body) = bytes.len().checked_sub(4).filter(|body| *body >= 8) else {
        return Err(FormatError::Damaged("it is cut short"));
    };
    if bytes[body..] != crc32c([&bytes[..body]]).to_be_bytes() {
        return Err(FormatError::Damaged("its checksum does not match its bytes"));
    }
    let mut body = &bytes[..body];
    let (magic, count) = (body.get_u32(), body.get_u32() as usize);
    if magic != DIRECTORY_MAGIC || body.len() != count * EXTENT_BYTES {
        return Err(FormatError::Damaged("it is not a directory"));
    }
    let mut extents = Vec::with_capacity(count);
    for _ in 0..count {
        let mut partition = [0; PartitionId::BYTES];
        body.copy_to_slice(&mut partition);
        extents.push(Extent {
            partition: PartitionId::from_bytes(partition),
            base_offset: body.get_i64(),
            last_offset: body.get_i64(),
            max_timestamp: body.get_i64(),
            bytes: body.get_u64(),
            batches: body.get_u32(),
            index_at: body.get_u64(),
        });
    }
    check_extents(&extents, directory_at)?;
    Ok(extents)
}

/// What is computed with extents, and reserved for them, counts on this.
fn check_extents(extents: &[Extent], directory_at: u64) -> Result<(), FormatError> {
    if !extents.is_sorted_by(|one, other| one.partition < other.partition) {
        return Err(FormatError::Damaged("its partitions are not in order"));
    }
    let mut bytes = 0_u64;
    for extent in extents {
        if extent.batches == 0 || extent.base_offset > extent.last_offset || extent.last_offset == i64::MAX {
            return Err(FormatError::Damaged("it names offsets that no batches have"));
        }
        bytes = bytes.saturating_add(extent.bytes);
        let block_end = extent.index_at.checked_add(block_bytes(extent));
        if bytes > directory_at || block_end.is_none_or(|end| end > directory_at) {
            return Err(FormatError::Damaged("it names more than its file has"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use klamm_model::{Slot, TopicId};

    use super::*;

    fn batch(topic: u8, base_offset: i64, position: u64) -> (PartitionId, BatchAt) {
        let place = Place::Segment { id: SegmentId::sealed(Slot(7)), position };
        let batch =
            BatchAt { base_offset, last_offset: base_offset + 4, max_timestamp: -1, place, bytes: 99 };
        (PartitionId { topic: TopicId([topic; 16]), index: 2 }, batch)
    }

    #[test]
    fn round_trip_and_flipped_bits() {
        let batches = [batch(1, 0, 500), batch(1, 5, 700), batch(2, 9, 600)];
        let (blocks, extents) = encode_blocks(1000, &batches);
        assert_eq!(extents.iter().map(|e| e.index_at).collect::<Vec<_>>(), [1000, 1000 + 32 + 72]);
        let mut back = Vec::new();
        for extent in &extents {
            let from = (extent.index_at - 1000) as usize;
            let block = Bytes::copy_from_slice(&blocks[from..from + block_bytes(extent) as usize]);
            assert_eq!(check_block(extent, &block, 1000), Ok(()));
            for bit in 0..block.len() * 8 {
                let mut bad = block.to_vec();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(check_block(extent, &bad, 1000).is_err(), "bit {bit}");
            }
            back.extend(decode_block(SegmentId::sealed(Slot(7)), &block));
        }
        assert_eq!(back, batches.map(|(_, batch)| batch));

        let refused = |what| Err(FormatError::Damaged(what));
        let far = refused("it names a position that its file has not");
        for (batch, directory_at, expected) in [
            (batch(1, 0, 500), 599, Ok(())),
            (batch(1, 0, 500), 598, far.clone()),
            (batch(1, 0, u64::MAX - 50), 1000, far),
            (batch(1, i64::MAX - 4, 500), 1000, refused("its batches are not in order")),
        ] {
            let (block, extents) = encode_blocks(1000, &[batch]);
            assert_eq!(check_block(&extents[0], &block, directory_at), expected, "{batch:?}");
        }

        let directory = encode_directory(&extents);
        assert_eq!(decode_directory(&directory, 2000), Ok(extents));
        for bit in 0..directory.len() * 8 {
            let mut bad = directory.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_directory(&bad, 2000).is_err(), "bit {bit}");
        }
        assert_eq!(decode_directory(&encode_directory(&[]), 0), Ok(vec![]));
    }

    /// The checksum is right: it was written so.
    #[test]
    fn directories_that_cannot_be() {
        let (_, extents) = encode_blocks(1000, &[batch(1, 0, 500), batch(2, 9, 600)]);
        let decoded = |change: &dyn Fn(&mut Extent)| {
            let mut extents = extents.clone();
            change(&mut extents[1]);
            decode_directory(&encode_directory(&extents), 2000)
        };
        assert_eq!(decoded(&|_| {}), Ok(extents.clone()));
        let (offsets, too_much) =
            ("it names offsets that no batches have", "it names more than its file has");
        for (what, change) in [
            (offsets, (|extent| extent.batches = 0) as fn(&mut Extent)),
            (offsets, |extent| extent.base_offset = 14),
            (offsets, |extent| extent.last_offset = i64::MAX),
            (too_much, |extent| extent.batches = u32::MAX),
            (too_much, |extent| extent.bytes = 1950),
            (too_much, |extent| extent.bytes = u64::MAX),
            (too_much, |extent| extent.index_at = 1950),
            (too_much, |extent| extent.index_at = u64::MAX),
            ("its partitions are not in order", |extent| extent.partition.topic = TopicId([1; 16])),
        ] {
            assert_eq!(decoded(&change), Err(FormatError::Damaged(what)));
        }
    }
}
