//! Gives a batch another codec, for topics whose `compression.type` is not `producer`.
//!
//! Contract: same head but for codec, length and CRC; same records.

use crate::{BatchError, Codec, Compression, Limits, ValidBatch, builder::close, compress, single, validate};

/// The batch in another codec; the same batch if it has that codec already. `plain` is its payload, decompressed.
///
/// Errors: those of [`compress`]; `TooLarge` above `limits`.
pub fn recompress(
    batch: &ValidBatch,
    plain: &[u8],
    to: Compression,
    limits: &Limits,
) -> Result<ValidBatch, BatchError> {
    if batch.codec() == to.codec() {
        return Ok(batch.clone());
    }
    let mut header = *batch.header();
    header.attributes = header.attributes.with_codec(to.codec());
    let bytes = match to.codec() {
        Codec::None => close(header, plain)?,
        _ => close(header, &compress(to, plain)?)?,
    };
    validate(single(&bytes)?, limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, DecompressCap, decompress, validate_records};

    #[test]
    fn through_every_codec() {
        let mut builder = BatchBuilder::new(Compression::default()).producer(1, 0, 0);
        builder.push(1, Some(b"k"), Some(&[7; 1000]), &[]);
        let limits = Limits::client(1 << 20);
        let first = validate(single(&builder.build().unwrap()).unwrap(), &limits).unwrap();
        let cap = DecompressCap::default();
        let payload = first.payload();
        let mut batch = first.clone();
        for codec in Codec::ALL.into_iter().filter(|codec| cfg!(feature = "zstd") || *codec != Codec::Zstd) {
            batch = recompress(&batch, &payload, Compression::of(codec), &limits).unwrap();
            assert_eq!(batch.codec(), codec);
            assert_eq!(decompress(codec, &batch.payload(), cap).unwrap(), payload);
            assert_eq!(validate_records(&batch, true, cap), validate_records(&first, true, cap));
        }
        assert_eq!(recompress(&batch, &payload, Compression::default(), &limits).unwrap(), first);
    }
}
