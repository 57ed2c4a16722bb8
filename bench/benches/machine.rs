//! The partition machine (decide, then replay) and its records on their way into an entry's payload.

use divan::{AllocProfiler, Bencher, black_box, counter::ItemsCount};
use klamm_bench::batch;
use klamm_machine::{At, Machine as _, Now, PayloadWriter, Record as _};
use klamm_model::{Epoch, PartitionId, Slot, TopicId};
use klamm_partition::{Command, PartitionRecord, Partitions, Produce};
use klamm_records::ValidBatch;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const NOW: Now = Now { epoch: Epoch(1), wall_ms: 1_700_000_000_000 };
const AT: At = At { slot: Slot(1), epoch: Epoch(1), time_ms: 1_700_000_000_000 };
const TOPIC: TopicId = TopicId([7; 16]);

fn main() {
    divan::main();
}

fn produce(batch: ValidBatch, index: i32) -> Command {
    Command::Produce(Produce {
        partition: PartitionId { topic: TOPIC, index },
        batch,
        append_time: false,
        producer_expiration_ms: 86_400_000,
        foreign_producer: false,
    })
}

fn machine(partitions: i32) -> Partitions {
    let mut machine = Partitions::default();
    let partitions = (0..partitions).map(|index| (index, 0, i64::MAX)).collect();
    let created =
        machine.decide(Command::Create { topic: TOPIC, partitions, forgotten_below: 0 }, NOW).record.unwrap();
    machine.replay(&created, AT);
    machine
}

fn step(machine: &mut Partitions, command: Command) -> PartitionRecord {
    let record = machine.decide(command, NOW).record.expect("it is appended");
    machine.replay(&record, AT);
    record
}

/// 64 batches of an idempotent producer, in sequence; the partition is one of so many.
#[divan::bench(args = [1, 1000])]
fn decide_and_replay_64(bencher: Bencher<'_, '_>, partitions: i32) {
    let batches: Vec<_> = (0..64).map(|at| batch::valid(batch::build(100, Some((1, at))))).collect();
    let empty = machine(partitions);
    bencher
        .counter(ItemsCount::new(64_u32))
        .with_inputs(|| {
            let commands: Vec<_> = batches.iter().map(|batch| produce(batch.clone(), 0)).collect();
            (empty.clone(), commands)
        })
        .bench_local_values(|(mut machine, commands)| {
            commands.into_iter().for_each(|command| drop(black_box(step(&mut machine, command))));
            machine
        });
}

/// The same while a snapshot shares the state: the partition is copied once.
#[divan::bench]
fn decide_and_replay_beside_a_snapshot(bencher: Bencher<'_, '_>) {
    let batch = batch::valid(batch::build(100, Some((1, 0))));
    let shared = machine(1000);
    bencher
        .with_inputs(|| (shared.clone(), produce(batch.clone(), 0)))
        .bench_local_values(|(mut machine, command)| (step(&mut machine, command), machine));
}

/// (batches, bytes of each): records to a payload. From 2 KiB on their bytes are shared.
#[divan::bench(args = [(1, 16 << 10), (64, 16 << 10), (64, 1 << 10)])]
fn entry_payload(bencher: Bencher<'_, '_>, (batches, bytes): (usize, usize)) {
    let mut machine = machine(1);
    let batch = batch::valid(batch::build(bytes, None));
    let records: Vec<_> = (0..batches).map(|_| step(&mut machine, produce(batch.clone(), 0))).collect();
    bencher.counter(ItemsCount::new(batches)).bench_local(|| {
        let mut payload = PayloadWriter::with_capacity(256);
        records.iter().for_each(|record| record.encode(&mut payload));
        payload.finish()
    });
}
