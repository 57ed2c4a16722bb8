//! A checkpoint's entry and the chunks of its snapshot. What a machine takes in must come out of it again.

use bytes::Bytes;
use klamm_cluster::Cluster;
use klamm_group::Groups;
use klamm_machine::Machine;
use klamm_partition::Partitions;
use klamm_shard::{Checkpoint, restore_chunk};

/// A byte for what it is, and the bytes.
pub(crate) fn run(input: &[u8]) -> bool {
    let Some((what, bytes)) = input.split_first() else { return false };
    let bytes = Bytes::copy_from_slice(bytes);
    match what % 4 {
        0 => Checkpoint::decode(bytes.clone()).is_ok_and(|checkpoint| {
            assert_eq!(checkpoint.encode(), bytes, "there is one form");
            true
        }),
        1 => chunk::<Cluster>(bytes),
        2 => chunk::<Groups>(bytes),
        _ => chunk::<Partitions>(bytes),
    }
}

/// Whether the machine takes it in, and has something then.
fn chunk<M: Machine>(bytes: Bytes) -> bool {
    let mut machine = M::default();
    if restore_chunk(&mut machine, bytes).is_err() {
        return false;
    }
    let pairs = machine.snapshot();
    let mut again = M::default();
    for (key, value) in pairs.clone() {
        again.restore(key, value).unwrap_or_else(|error| panic!("a snapshot is taken back in: {error}"));
    }
    assert!(again.snapshot() == pairs, "and is the same");
    M::default().snapshot() != pairs
}

/// State in memory is wider than in a snapshot.
pub(crate) fn allowed(input: usize) -> usize {
    128 * input + (4 << 20)
}
