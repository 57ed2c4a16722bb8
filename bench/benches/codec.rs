//! Decoding Produce, judging batches, encoding Fetch responses.

use bytes::Bytes;
use divan::{AllocProfiler, Bencher, black_box, counter::BytesCount};
use klamm_bench::{batch, request};
use klamm_protocol::{
    Decode as _, Decoder, FetchResponse, ProduceRequest, Records, decode_request_header,
    encode_response_frame,
    fetch::{FetchableTopicResponse, PartitionData},
};
use klamm_records::{DecompressCap, Limits, single, validate, validate_records};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// (partitions, bytes of each batch)
#[divan::bench(args = [(1, 16 << 10), (100, 1 << 10)])]
fn decode_produce(bencher: Bencher<'_, '_>, (partitions, bytes): (i32, usize)) {
    let partitions: Vec<i32> = (0..partitions).collect();
    let frame = request::body(request::produce("bench", &partitions, &batch::build(bytes, None), -1));
    bencher.counter(BytesCount::new(frame.len())).bench(|| {
        let mut decoder = Decoder::new(black_box(&frame));
        let header = decode_request_header(&mut decoder).unwrap();
        black_box(ProduceRequest::decode_all(decoder, header.api_version).unwrap());
    });
}

/// Head and CRC.
#[divan::bench(args = [100, 16 << 10, 1 << 20])]
fn validate_batch(bencher: Bencher<'_, '_>, bytes: usize) {
    let bytes = batch::build(bytes, None);
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| validate(single(black_box(&bytes)).unwrap(), &Limits::client(2 << 20)).unwrap());
}

/// The walk over the records (of 1 KiB) that Produce does besides.
#[divan::bench(args = [100, 16 << 10, 1 << 20])]
fn walk_records(bencher: Bencher<'_, '_>, bytes: usize) {
    let batch = batch::valid(batch::build(bytes, None));
    bencher
        .counter(BytesCount::new(batch.bytes().len()))
        .bench(|| validate_records(black_box(&batch), false, DecompressCap::default()).unwrap());
}

/// (batches, bytes of each)
#[divan::bench(args = [(1, 1 << 20), (64, 16 << 10)])]
fn encode_fetch(bencher: Bencher<'_, '_>, (batches, bytes): (usize, usize)) {
    let batch = batch::build(bytes, None);
    // As a tail serves them: the head apart from the rest.
    let pieces = |_| [Bytes::copy_from_slice(&batch[..61]), batch.slice(61..)];
    let pieces: Vec<Bytes> = (0..batches).flat_map(pieces).collect();
    bencher.counter(BytesCount::new(batch.len() * batches)).with_inputs(|| pieces.clone()).bench_values(
        |pieces| {
            let partition = PartitionData { records: Some(Records::Segments(pieces)), ..Default::default() };
            let topic = FetchableTopicResponse {
                topic: "bench".into(),
                partitions: vec![partition],
                ..Default::default()
            };
            let response = FetchResponse { responses: vec![topic], ..Default::default() };
            encode_response_frame(request::FETCH_VERSION, 1, &response).unwrap()
        },
    );
}
