//! Small batches that inflate to very much: produced and fetched without inflating; looked up by time within a cap.

use klamm_conformance::{batch, records, unique};
use klamm_protocol::ErrorCode;
use klamm_records::{
    BatchBuilder, Codec, Compression, HEAD_BYTES, LENGTH_PREFIX_BYTES, compress, crc32c, field,
};

use crate::{Attacked, MIB, SLACK_BYTES};

/// What a bomb inflates to.
const INFLATED_BYTES: usize = 512 << 20;
const FRAME_BYTES: usize = 8 << 20;
/// Inflating is capped at 64 MiB, in one buffer that grows by doubling, on each of the server's threads at most.
const LOOKUP_BYTES_MAX: u64 = 2 * 2 * 64 * MIB;

#[test]
fn a_bomb_is_not_inflated() {
    let attacked = Attacked::start(&[]);
    let topic = unique("bomb");
    let mut raw = attacked.connect();
    raw.create(&topic, 1, &[]);
    let bomb = bomb();
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    for i in 0..20 {
        let answer = raw.produce(&topic, 0, bomb.clone());
        assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NONE, i), "taken as it is");
    }
    let fetched = raw.fetch(&topic, 0, 3);
    assert!(fetched.error_code.is_ok() && fetched.records.expect("records").len() >= bomb.len());
    let grew = attacked.grew_bytes();
    assert!(grew < 40 * MIB + SLACK_BYTES, "its memory grew by {grew} bytes");

    // Many look for a time: inflated within the cap, refused above it.
    let mut crowd: Vec<_> = (0..8).map(|_| attacked.connect()).collect();
    std::thread::scope(|scope| {
        for raw in &mut crowd {
            scope.spawn(|| assert!(raw.offset(&topic, 0, 5, -1).error_code.is_err(), "it is above the cap"));
        }
    });
    attacked.survived(LOOKUP_BYTES_MAX);
    raw.append(&topic, 0, batch(&["behind"]));
    assert_eq!(records(&raw.fetch(&topic, 0, 20)), [(20, "behind".to_owned())], "the topic lives on");
}

/// A batch with a valid head over many zstd frames of zeros.
fn bomb() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::of(Codec::Zstd));
    builder.push(10, None, Some(b"x"), &[]);
    let good = builder.build().expect("a batch");
    let zeros = compress(Compression::of(Codec::Zstd), &vec![0; FRAME_BYTES]).expect("a frame");
    let mut bomb = good[..HEAD_BYTES].to_vec();
    (0..INFLATED_BYTES / FRAME_BYTES).for_each(|_| bomb.extend_from_slice(&zeros));
    let length = (bomb.len() - LENGTH_PREFIX_BYTES) as i32;
    bomb[field::BATCH_LENGTH..field::PARTITION_LEADER_EPOCH].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c(&bomb[field::ATTRIBUTES..]);
    bomb[field::CRC..field::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
    bomb
}
