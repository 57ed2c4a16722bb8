//! Record batches as clients send them, and compressed payloads.

use bytes::Bytes;
use klamm_records::{
    BatchHeader, Codec, Compression, DecompressCap, HEAD_BYTES, LENGTH_PREFIX_BYTES, Limits, batches,
    compress, crc32c, decompress, field, first_at_or_after, max_timestamp, recompress, single, validate,
    validate_records,
};

const CAP: DecompressCap = DecompressCap::of_bytes(1 << 20);

/// A records field: judged as it came; with lengths and CRCs put right, so that what lies behind is reached; and as one batch
/// whose records are compressed by the codec that its attributes name, so that what lies behind the codecs is.
pub(crate) fn batch(input: &[u8]) -> bool {
    let understood = judge(&Bytes::copy_from_slice(input));
    let mut mended = input.to_vec();
    mend(&mut mended);
    judge(&Bytes::from(mended));
    if let Some(packed) = pack(input) {
        judge(&Bytes::from(packed));
    }
    understood
}

/// Puts right the CRC of each batch, and the length of the last one.
fn mend(mut records: &mut [u8]) {
    while records.len() >= HEAD_BYTES {
        let length = records[field::BATCH_LENGTH..].first_chunk().expect("a head");
        let claimed =
            usize::try_from(i32::from_be_bytes(*length)).ok().map(|bytes| bytes + LENGTH_PREFIX_BYTES);
        let all = records.len();
        let bytes = claimed.filter(|bytes| (HEAD_BYTES..=all).contains(bytes)).unwrap_or(all);
        let (batch, rest) = records.split_at_mut(bytes);
        let length = (bytes - LENGTH_PREFIX_BYTES) as i32;
        batch[field::BATCH_LENGTH..][..4].copy_from_slice(&length.to_be_bytes());
        let crc = crc32c(&batch[field::ATTRIBUTES..]);
        batch[field::CRC..][..4].copy_from_slice(&crc.to_be_bytes());
        records = rest;
    }
}

fn pack(input: &[u8]) -> Option<Vec<u8>> {
    let (head, records) = input.split_first_chunk::<HEAD_BYTES>()?;
    let codec = BatchHeader::parse(head).ok()?.attributes.codec().ok()?;
    if codec == Codec::None {
        return None;
    }
    let packed = compress(Compression::of(codec), records).ok()?;
    let mut batch = [head, &packed[..]].concat();
    let length = (batch.len() - LENGTH_PREFIX_BYTES) as i32;
    batch[field::BATCH_LENGTH..][..4].copy_from_slice(&length.to_be_bytes());
    mend(&mut batch);
    Some(batch)
}

/// Whether all batches, and there are some, have good records.
fn judge(records: &Bytes) -> bool {
    let mut all = !records.is_empty();
    for raw in batches(records) {
        let Ok(raw) = raw else { return false };
        let Ok(valid) = validate(raw, &Limits::client(usize::MAX)) else { return false };
        // What was found valid is found valid again.
        let again = single(valid.bytes()).expect("it is one batch");
        assert_eq!(validate(again, &Limits::broker()).expect("it was valid").bytes(), valid.bytes());
        // Records are looked into at times only, so these may meet bad ones.
        let (header, payload) = (valid.header(), valid.payload());
        let _ = first_at_or_after(header, &payload, header.base_offset, header.max_timestamp, CAP);
        let _ = max_timestamp(header, &payload, CAP);
        let Ok(info) = validate_records(&valid, true, CAP) else {
            all = false;
            continue;
        };
        let info = info.expect("it was looked into");
        let plain = decompress(valid.codec(), &payload, CAP).expect("it was decompressed");
        let to = if valid.codec() == Codec::None { Codec::Lz4 } else { Codec::None };
        if let Ok(other) = recompress(&valid, &plain, Compression::of(to), &Limits::broker()) {
            assert_eq!(validate_records(&other, true, CAP), Ok(Some(info)), "the same records");
        }
    }
    all
}

/// What was decompressed, twice; what was compressed again.
pub(crate) fn batch_allowed(input: usize) -> usize {
    8 * CAP.limit_bytes(input) + super::promised(input)
}

/// A byte for the codec, and a payload.
pub(crate) fn inflate(input: &[u8]) -> bool {
    let Some((codec, payload)) = input.split_first() else { return false };
    let codec = Codec::ALL[usize::from(*codec) % Codec::ALL.len()];
    let payload = Bytes::copy_from_slice(payload);
    decompress(codec, &payload, CAP).is_ok_and(|inflated| {
        assert!(codec == Codec::None || inflated.len() <= CAP.limit_bytes(payload.len()), "the cap holds");
        true
    })
}

/// The output up to its cap, which may have doubled while it grew, and a codec's window.
pub(crate) fn inflate_allowed(input: usize) -> usize {
    3 * CAP.limit_bytes(input) + input + (1 << 20)
}
