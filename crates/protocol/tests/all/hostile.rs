//! No input panics, or takes more memory than its budget; what is cut, too long or unknown is noticed or skipped.

use crate::codec::all;
use klamm_protocol::sample::Gen;
use klamm_protocol::*;

#[test]
fn every_prefix_is_refused() {
    for codec in all() {
        for version in codec.versions() {
            for seed in 0..3 {
                let bytes = (codec.round_trip)(seed, version);
                for end in 0..bytes.len() {
                    let cut = (codec.decode)(&bytes[..end], version);
                    assert!(
                        cut.is_err(),
                        "{} v{version} seed {seed}: {end} of {} bytes",
                        codec.name,
                        bytes.len()
                    );
                }
                let longer = [&bytes[..], &[0]].concat();
                assert_eq!(
                    (codec.decode)(&longer, version),
                    Err(DecodeError::Trailing { at: bytes.len(), left: 1 })
                );
            }
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let mut g = Gen::new(7);
    for codec in all() {
        for version in codec.versions() {
            for seed in 0..8 {
                let mut bytes = (codec.round_trip)(seed, version);
                for _ in 0..40 {
                    for _ in 0..=g.below(3) {
                        let at = g.below(bytes.len());
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte = [0, 1, 0x7f, 0x80, 0xff, g.bits() as u8][g.below(6)];
                        }
                    }
                    if (codec.decode)(&bytes, version).is_ok() {
                        // Whatever was accepted can be said again.
                        (codec.again)(&bytes, version).expect("accepted before");
                    }
                }
            }
        }
    }
}

#[test]
fn noise_never_panics() {
    let mut g = Gen::new(8);
    for codec in all() {
        for version in codec.versions() {
            for length in 0..60 {
                let noise: Vec<u8> = (0..length).map(|_| [g.bits() as u8, 0, 1, 0xff][g.below(4)]).collect();
                let _ = (codec.decode)(&noise, version);
            }
        }
    }
}

#[test]
fn unknown_tagged_fields_are_skipped() {
    for codec in all() {
        for version in codec.versions().filter(|version| codec.is_flexible(*version)) {
            let bytes = (codec.default)(version).expect("defaults fit");
            let mut tagged = bytes.clone();
            assert_eq!(tagged.pop(), Some(0), "{} v{version} ends with no tagged fields", codec.name);
            tagged.extend([2, 0xe8, 0x07, 3, 1, 2, 3, 0xe9, 0x07, 0]);
            let (again, _) =
                (codec.again)(&tagged, version).unwrap_or_else(|e| panic!("{}: {e}", codec.name));
            assert_eq!(again, bytes, "{} v{version}", codec.name);
        }
    }
}

/// Metadata v1: topics. Version 9: the same, flexible.
fn metadata(bytes: &[u8], version: i16) -> DecodeError {
    MetadataRequest::decode_all(Decoder::new(bytes), version).expect_err("a hostile frame")
}

#[test]
fn huge_counts_are_refused() {
    let left = 0;
    assert_eq!(
        metadata(&[0x7f, 0xff, 0xff, 0xff], 1),
        DecodeError::Count { at: 4, count: 0x7fff_ffff, left }
    );
    let count = 0xffff_fffe;
    assert_eq!(metadata(&[0xff, 0xff, 0xff, 0xff, 0x0f], 9), DecodeError::Count { at: 5, count, left });
    assert_eq!(metadata(&[0xff, 0xff, 0xff, 0xff, 0x1f], 9), DecodeError::Varint { at: 0 });
    assert_eq!(metadata(&[0xff; 6], 9), DecodeError::Varint { at: 0 });
    assert_eq!(metadata(&[0xff, 0xff, 0xff, 0xfe], 1), DecodeError::NegativeLength { at: 4, length: -2 });
    assert_eq!(metadata(&[0xff, 0xff, 0xff, 0xff], 0), DecodeError::Null { at: 0 });
}

#[test]
fn memory_is_budgeted() {
    // Two million topics of two bytes each would take 80 MB as structs.
    let mut bytes = 2_000_000_i32.to_be_bytes().to_vec();
    bytes.resize(4_000_004, 0);
    let refused = metadata(&bytes, 1);
    let DecodeError::Budget { at: 4, wanted, left } = refused else { panic!("{refused}") };
    assert_eq!(left, 3 * 4_000_004 + (1 << 20));
    assert!(wanted > left);
}

#[test]
fn bad_strings() {
    let heartbeat = |bytes: &[u8]| HeartbeatRequest::decode_all(Decoder::new(bytes), 0).expect_err("hostile");
    assert_eq!(heartbeat(&[0, 3, b'a', 0xff, b'b']), DecodeError::Utf8 { at: 3 });
    assert_eq!(heartbeat(&[0xff, 0xff]), DecodeError::Null { at: 0 });
    assert_eq!(heartbeat(&[0, 9, b'a']), DecodeError::Truncated { at: 2, wanted: 9, left: 1 });
    let flexible =
        HeartbeatRequest::decode_all(Decoder::new(&[0x81, 0x80, 0x02, 0, 0]), 4).expect_err("hostile");
    assert_eq!(flexible, DecodeError::StringTooLong { at: 3, length: 0x8000 });
}

#[test]
fn bad_tagged_fields() {
    let header = |tags: &[u8]| {
        let bytes = [&[0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff][..], tags].concat();
        decode_request_header(&mut Decoder::new(&bytes)).map(|header| header.correlation_id)
    };
    assert_eq!(header(&[1, 0, 2, 8, 8]), Ok(1));
    assert_eq!(header(&[1, 0, 3, 8, 8]), Err(DecodeError::Truncated { at: 13, wanted: 3, left: 2 }));
    assert_eq!(header(&[9, 0, 0]), Err(DecodeError::Count { at: 11, count: 9, left: 2 }));

    // FetchRequest v18: maxWait, minBytes, maxBytes, isolation, session, epoch, topics, forgotten, rack, tags.
    let body = [&[0; 21][..], &[1, 1, 1]].concat();
    let fetch = |tags: &[u8]| {
        let bytes = [&body[..], tags].concat();
        FetchRequest::decode_all(Decoder::new(&bytes), 18).map(|request| request.cluster_id.is_some())
    };
    assert_eq!(fetch(&[1, 0, 2, 2, b'c']), Ok(true));
    assert_eq!(fetch(&[1, 0, 3, 2, b'c', 9]), Err(DecodeError::TagSize { at: 29, tag: 0, left: 1 }));
    assert_eq!(fetch(&[1, 0, 1, 2, b'c']), Err(DecodeError::Truncated { at: 28, wanted: 1, left: 0 }));
}
