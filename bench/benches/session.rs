//! A whole call in process, over the memory class: frame in, answer out; no socket, no disk.

use divan::{AllocProfiler, Bencher, counter::BytesCount};
use klamm_bench::{batch, node, request};
use klamm_broker::Session;
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn serving(partitions: i32) -> (Runtime, Session) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let session = runtime.block_on(node::session(partitions));
    (runtime, session)
}

/// (partitions, bytes of the batch for each)
#[divan::bench(args = [(1, 1 << 10), (1, 16 << 10), (1, 1 << 20), (64, 16 << 10)], sample_count = 50)]
fn produce(bencher: Bencher<'_, '_>, (partitions, bytes): (i32, usize)) {
    let (runtime, mut session) = serving(partitions);
    let batch = batch::build(bytes, None);
    let all: Vec<i32> = (0..partitions).collect();
    let frame = request::body(request::produce("bench", &all, &batch, -1));
    bencher
        .counter(BytesCount::new(batch.len() * partitions as usize))
        .bench_local(|| runtime.block_on(node::call(&mut session, frame.clone())));
}

/// (batches, bytes of each): one fetch of all of them from the tail.
#[divan::bench(args = [(1, 1 << 20), (64, 16 << 10)])]
fn fetch(bencher: Bencher<'_, '_>, (batches, bytes): (usize, usize)) {
    let (runtime, mut session) = serving(1);
    let batch = batch::build(bytes, None);
    let frame = request::body(request::produce("bench", &[0], &batch, -1));
    for _ in 0..batches {
        runtime.block_on(node::call(&mut session, frame.clone()));
    }
    let frame = request::body(request::fetch("bench", &[(0, 0)], 2 << 20, 1));
    bencher.counter(BytesCount::new(batches * batch.len())).bench_local(|| {
        let answer = runtime.block_on(node::call(&mut session, frame.clone()));
        assert!(answer.iter().map(|piece| piece.len()).sum::<usize>() > batches * batch.len());
        answer
    });
}
