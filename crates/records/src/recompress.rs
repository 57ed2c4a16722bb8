//! Gives a batch another codec, for topics whose `compression.type` is not `producer`.
//!
//! Contract: same head but for codec, length and CRC; same records.

use crate::{
    BatchError, Compression, DecompressCap, Limits, ValidBatch, builder::close, compress, decompress, single,
    validate,
};

/// The batch in another codec; the same batch if it has that codec already.
///
/// Errors: those of [`decompress`] and [`compress`]; `TooLarge` above `limits`.
pub fn recompress(
    batch: &ValidBatch,
    to: Compression,
    cap: DecompressCap,
    limits: &Limits,
) -> Result<ValidBatch, BatchError> {
    if batch.codec() == to.codec() {
        return Ok(batch.clone());
    }
    let plain = decompress(batch.codec(), &batch.payload(), cap)?;
    let mut header = *batch.header();
    header.attributes = header.attributes.with_codec(to.codec());
    let bytes = close(header, &compress(to, &plain)?)?;
    validate(single(&bytes)?, limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, Codec, validate_records};

    #[test]
    fn through_every_codec() {
        let mut builder = BatchBuilder::new(Compression::default()).producer(1, 0, 0);
        builder.push(1, Some(b"k"), Some(&[7; 1000]), &[]);
        let limits = Limits::client(1 << 20);
        let plain = validate(single(&builder.build().unwrap()).unwrap(), &limits).unwrap();
        let cap = DecompressCap::default();
        let mut batch = plain.clone();
        for codec in Codec::ALL.into_iter().filter(|codec| cfg!(feature = "zstd") || *codec != Codec::Zstd) {
            batch = recompress(&batch, Compression::of(codec), cap, &limits).unwrap();
            assert_eq!(batch.codec(), codec);
            assert_eq!(validate_records(&batch, true, cap), validate_records(&plain, true, cap));
        }
        assert_eq!(recompress(&batch, Compression::default(), cap, &limits).unwrap(), plain);
    }
}
