//! Records are not copied: what a fetch answers is the memory of the frame in which it was produced.

use std::ops::Range;

use bytes::Bytes;
use klamm_bench::{batch, node, request};

/// The addresses of the bytes.
fn span(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr() as usize;
    start..start + bytes.len()
}

/// Bytes of the answer that lie in one of the frames.
fn shared_bytes(answer: &[Bytes], frames: &[Bytes]) -> usize {
    let within = |piece: &&Bytes| {
        let piece = span(piece);
        frames
            .iter()
            .map(|frame| span(frame))
            .any(|frame| frame.start <= piece.start && piece.end <= frame.end)
    };
    answer.iter().filter(within).map(Bytes::len).sum()
}

/// Produces batches in requests of their own and fetches them all: (bytes shared, bytes of batches, bytes answered).
async fn round_trip(batches: usize, bytes: usize) -> (usize, usize, usize) {
    let mut session = node::session(1).await;
    let batch = batch::build(bytes, None);
    let mut frames = Vec::new();
    for _ in 0..batches {
        let frame = request::body(request::produce("bench", &[0], &batch, -1));
        node::call(&mut session, frame.clone()).await;
        frames.push(frame);
    }
    let answer =
        node::call(&mut session, request::body(request::fetch("bench", &[(0, 0)], 8 << 20, 1))).await;
    let answered = answer.iter().map(Bytes::len).sum();
    (shared_bytes(&answer, &frames), batches * batch.len(), answered)
}

/// What of a batch is written anew: its head, with offset and epoch filled in.
const HEAD_BYTES: usize = klamm_records::HEAD_BYTES;

#[tokio::test]
async fn large_batches_are_the_same_memory_from_frame_to_fetch() {
    for (batches, bytes) in [(1, 16 << 10), (1, 1 << 20), (64, 16 << 10)] {
        let (shared, payload, answered) = round_trip(batches, bytes).await;
        assert_eq!(shared, payload - batches * HEAD_BYTES, "{batches} of {bytes}: all but the heads");
        assert!(answered - payload < 200, "{batches} of {bytes}: {answered} bytes for {payload}");
    }
}

#[tokio::test]
async fn a_small_batch_does_not_pin_its_frame() {
    let mut session = node::session(1).await;
    let frame = request::body(request::produce("bench", &[0], &batch::build(1 << 10, None), -1));
    node::call(&mut session, frame.clone()).await;
    assert!(frame.is_unique(), "the tail has copied it out");
}
