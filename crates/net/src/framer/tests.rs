//! Streams cut into pieces of any size leave as the same frames.

use bytes::BufMut as _;
use proptest::prelude::*;

use super::{pieces::Reader, *};

const OPEN: Room = Room { open: true, bytes: usize::MAX, frame_bytes_max: 1 << 24 };

fn stream_of(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for frame in frames {
        stream.put_i32(i32::try_from(frame.len()).unwrap());
        stream.put_slice(frame);
    }
    stream
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![6 => 1..40_usize, 2 => 3000..6000_usize, 2 => 8000..40_000_usize];
    (length, any::<u8>()).prop_map(|(length, seed)| (0..length).map(|at| (at as u8) ^ seed).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]
    #[test]
    fn any_pieces_give_the_same_frames(
        frames in prop::collection::vec(frame(), 0..12),
        reads in prop::collection::vec((prop_oneof![1..6_usize, 1..9000_usize, 1..60_000_usize], any::<bool>()), 1..40),
    ) {
        let stream = stream_of(&frames);
        let mut reader = Reader::new(&stream);
        let mut given = Vec::new();
        reader.read_all(&reads, OPEN, &mut |frame| given.push(frame.to_vec())).unwrap();
        prop_assert_eq!(given, frames);
        prop_assert!(!reader.framer.is_partial());
        prop_assert!(reader.pinned_max <= PIECE_BYTES);
    }
}

#[test]
fn a_claimed_frame_costs_nothing() {
    let mut framer = Framer::default();
    let mut piece = &[0x06, 0x40, 0, 0][..];
    assert_eq!(framer.cut(&mut piece, Room { frame_bytes_max: 104_857_600, ..OPEN }), Ok(None));
    let body = framer.body.as_ref().unwrap();
    assert_eq!((body.length, body.bytes.capacity()), (104_857_600, 0));
    assert!(framer.direct().is_none());
}

#[test]
fn large_frames_in_a_row_cost_one_read_each() {
    let frames = vec![vec![7; 100_000]; 3];
    let stream = stream_of(&frames);
    let mut reader = Reader::new(&stream);
    let mut reads = 0;
    while !reader.stream.is_empty() {
        reader.read(1 << 20, OPEN).unwrap();
        reads += 1;
    }
    assert_eq!((reads, reader.frames), (4, frames.into_iter().map(Bytes::from).collect()));
}

#[test]
fn bad_lengths() {
    let check = |length: i32| {
        let mut framer = Framer::default();
        let room = Room { frame_bytes_max: 100, ..OPEN };
        let bad = framer.cut(&mut &length.to_be_bytes()[..], room).is_err();
        assert!(!bad || framer.body.is_none());
        bad
    };
    assert_eq!(
        [-1, 0, 1, 100, 101, i32::MIN, i32::MAX].map(check),
        [true, true, false, false, true, true, true]
    );
}

#[test]
fn what_has_no_room_waits() {
    let stream = stream_of(&[vec![1; 10], vec![2; 10]]);
    let mut reader = Reader::new(&stream);
    let tight = Room { bytes: 9, ..OPEN };
    reader.read(100, tight).unwrap();
    assert!(reader.frames.is_empty() && reader.framer.frame_waits());
    reader.read(100, Room { open: false, ..OPEN }).unwrap();
    assert!(reader.frames.is_empty());
    reader.read(100, OPEN).unwrap();
    assert_eq!(reader.frames.len(), 2);
}
