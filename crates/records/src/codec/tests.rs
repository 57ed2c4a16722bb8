//! Each codec: round trips, caps, damage.

use super::*;

fn samples() -> Vec<Vec<u8>> {
    let noise: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let text = b"the castle above the village; ".repeat(9000);
    vec![vec![], vec![7], b"abc".to_vec(), vec![0; 65_536], vec![0; 65_537], noise, text]
}

fn codecs() -> impl Iterator<Item = Codec> {
    Codec::ALL.into_iter().filter(|codec| cfg!(feature = "zstd") || *codec != Codec::Zstd)
}

#[test]
fn round_trip_at_every_level() {
    for codec in codecs() {
        let mut ways = vec![Compression::of(codec)];
        if let Some(levels) = codec.levels() {
            ways.extend(
                [1, *levels.end().min(&12)].map(|level| Compression::with_level(codec, level).unwrap()),
            );
        }
        for way in ways {
            for sample in samples() {
                let packed = Bytes::from(compress(way, &sample).unwrap());
                assert_eq!(decompress(codec, &packed, DecompressCap::default()).unwrap(), sample, "{way:?}");
            }
        }
    }
}

#[test]
fn the_cap_is_exact() {
    for codec in codecs().skip(1) {
        for sample in samples().into_iter().filter(|sample| !sample.is_empty()) {
            let packed = Bytes::from(compress(Compression::of(codec), &sample).unwrap());
            let cap = |bytes_max| DecompressCap { bytes_max, ratio_max: usize::MAX };
            assert_eq!(decompress(codec, &packed, cap(sample.len())).unwrap(), sample, "{codec}");
            let over = decompress(codec, &packed, cap(sample.len() - 1)).unwrap_err();
            assert!(matches!(over, BatchError::Inflated { .. }), "{codec} of {} bytes: {over}", sample.len());
        }
    }
}

#[test]
fn the_ratio_is_capped_above_its_free_bytes() {
    for codec in [Codec::Gzip, Codec::Lz4] {
        let packed = |bytes| Bytes::from(compress(Compression::of(codec), &vec![0; bytes]).unwrap());
        let cap = DecompressCap { bytes_max: usize::MAX, ratio_max: 10 };
        assert!(decompress(codec, &packed(DecompressCap::RATIO_FREE_BYTES), cap).is_ok());
        assert!(decompress(codec, &packed(2 * DecompressCap::RATIO_FREE_BYTES), cap).is_err());
    }
}

#[test]
fn raw_snappy_is_read_too() {
    let raw = Bytes::from(snap::raw::Encoder::new().compress_vec(b"as librdkafka writes it").unwrap());
    let cap = DecompressCap::default();
    assert_eq!(decompress(Codec::Snappy, &raw, cap).unwrap(), &b"as librdkafka writes it"[..]);
    let lie = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
    assert!(matches!(decompress(Codec::Snappy, &lie, cap), Err(BatchError::Payload { .. })));
}

#[test]
fn lz4_blocks_may_be_linked_large_and_checksummed() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;
    for (mode, size) in [(BlockMode::Linked, BlockSize::Max64KB), (BlockMode::Independent, BlockSize::Max4MB)]
    {
        for sample in samples() {
            let info = FrameInfo::new()
                .block_mode(mode)
                .block_size(size)
                .block_checksums(true)
                .content_checksum(true);
            let mut encoder =
                FrameEncoder::with_frame_info(info.content_size(Some(sample.len() as u64)), Vec::new());
            encoder.write_all(&sample).unwrap();
            let packed = Bytes::from(encoder.finish().unwrap());
            assert_eq!(decompress(Codec::Lz4, &packed, DecompressCap::default()).unwrap(), sample);
        }
    }
}

#[test]
fn gzip_members_and_snappy_streams_may_be_joined() {
    for codec in [Codec::Gzip, Codec::Snappy] {
        let one = compress(Compression::of(codec), b"one ").unwrap();
        let joined = Bytes::from([&one[..], &one[..]].concat());
        assert_eq!(decompress(codec, &joined, DecompressCap::default()).unwrap(), &b"one one "[..]);
    }
}

#[test]
fn every_truncation_is_an_error() {
    for codec in codecs().skip(1) {
        let packed =
            Bytes::from(compress(Compression::of(codec), &b"truncate me, please; ".repeat(50)).unwrap());
        let chunk_ends = if codec == Codec::Snappy { vec![16] } else { vec![] };
        for cut in (0..packed.len()).filter(|cut| !chunk_ends.contains(cut)) {
            let result = decompress(codec, &packed.slice(..cut), DecompressCap::default());
            assert!(result.is_err(), "{codec} cut at {cut} of {}", packed.len());
        }
    }
}

#[test]
fn names_and_levels() {
    for codec in Codec::ALL {
        assert_eq!(codec.name().parse(), Ok(codec));
        assert_eq!(Codec::from_id(codec.id()), Ok(codec));
    }
    assert_eq!("uncompressed".parse(), Ok(Codec::None));
    assert!("brotli".parse::<Codec>().is_err());
    assert_eq!(Compression::with_level(Codec::Gzip, -1), Ok(Compression::of(Codec::Gzip)));
    for (codec, level) in
        [(Codec::Gzip, 10), (Codec::Gzip, 0), (Codec::Snappy, 1), (Codec::Zstd, 23), (Codec::Lz4, 0)]
    {
        assert_eq!(Compression::with_level(codec, level), Err(BatchError::Level { codec, level }));
    }
}

#[test]
fn damaged_linked_lz4_does_not_panic() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;
    let info = FrameInfo::new().block_mode(BlockMode::Linked).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(&b"the castle above the village; ".repeat(2300)).unwrap();
    let packed = encoder.finish().unwrap();
    for at in 0..packed.len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            let mut bytes = packed.clone();
            bytes[at] ^= flip;
            let _ = decompress(Codec::Lz4, &bytes.into(), DecompressCap::of_bytes(100_000));
        }
    }
}
