//! A checkpoint's entry and the chunks of its snapshot. What a machine takes in must come out of it again.

use bytes::Bytes;
use klamm_cluster::Cluster;
use klamm_group::Groups;
use klamm_machine::Machine;
use klamm_partition::Partitions;
use klamm_shard::{Checkpoint, restore_chunk};

/// A byte for what it is, and the bytes.
pub(crate) fn run(input: &[u8]) {
    let Some((what, bytes)) = input.split_first() else { return };
    let bytes = Bytes::copy_from_slice(bytes);
    match what % 4 {
        0 => {
            if let Ok(checkpoint) = Checkpoint::decode(bytes.clone()) {
                assert_eq!(checkpoint.encode(), bytes, "there is one form");
            }
        }
        1 => chunk::<Cluster>(bytes),
        2 => chunk::<Groups>(bytes),
        _ => chunk::<Partitions>(bytes),
    }
}

fn chunk<M: Machine>(bytes: Bytes) {
    let mut machine = M::default();
    if restore_chunk(&mut machine, bytes).is_err() {
        return;
    }
    let pairs = machine.snapshot();
    let mut again = M::default();
    for (key, value) in pairs.clone() {
        again.restore(key, value).unwrap_or_else(|error| panic!("a snapshot is taken back in: {error}"));
    }
    assert!(again.snapshot() == pairs, "and is the same");
}

/// State in memory is wider than in a snapshot.
pub(crate) fn allowed(input: usize) -> usize {
    128 * input + (4 << 20)
}
