//! Record batches as clients send them, and compressed payloads.

use bytes::Bytes;
use klamm_records::{
    Codec, DecompressCap, Limits, batches, crc32c, decompress, field, validate, validate_records,
};

const CAP: DecompressCap = DecompressCap::of_bytes(1 << 20);

/// A records field: each batch is judged as it came, and once more with its CRC put right, so that what lies behind is reached.
pub(crate) fn batch(input: &[u8]) {
    judge(&Bytes::copy_from_slice(input));
    let mut mended = input.to_vec();
    if let Some((head, covered)) = mended.split_at_mut_checked(field::ATTRIBUTES) {
        head[field::CRC..].copy_from_slice(&crc32c(covered).to_be_bytes());
    }
    judge(&Bytes::from(mended));
}

fn judge(records: &Bytes) {
    for raw in batches(records) {
        let Ok(raw) = raw else { return };
        let Ok(valid) = validate(raw, &Limits::client(usize::MAX)) else { return };
        let _ = validate_records(&valid, false, CAP);
        // What was found valid is found valid again.
        let again = klamm_records::single(valid.bytes()).expect("it is one batch");
        assert_eq!(validate(again, &Limits::broker()).expect("it was valid").bytes(), valid.bytes());
    }
}

/// A byte for the codec, and a payload.
pub(crate) fn inflate(input: &[u8]) {
    let Some((codec, payload)) = input.split_first() else { return };
    let codec = Codec::ALL[usize::from(*codec) % Codec::ALL.len()];
    let payload = Bytes::copy_from_slice(payload);
    if let (Ok(inflated), true) = (decompress(codec, &payload, CAP), codec != Codec::None) {
        assert!(inflated.len() <= CAP.limit_bytes(payload.len()), "the cap holds");
    }
}

/// The output up to its cap, which may have doubled while it grew, and a codec's window.
pub(crate) fn inflate_allowed(input: usize) -> usize {
    3 * CAP.limit_bytes(input) + input + (1 << 20)
}
