//! Leader epochs of a partition (KIP-101, KIP-279): where each began. Invariant: sorted by both epoch and offset.

use klamm_model::{Epoch, Offset};

/// An epoch and its first offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: Epoch,
    /// The first offset that was written in it.
    pub start_offset: Offset,
}

/// Notes that a batch of `epoch` begins at `offset`.
pub(crate) fn note(epochs: &mut Vec<EpochStart>, epoch: Epoch, offset: Offset) {
    match epochs.last() {
        Some(last) if last.epoch == epoch => {}
        Some(last) => {
            assert!(last.epoch < epoch && last.start_offset <= offset, "leader epochs rise with offsets");
            epochs.push(EpochStart { epoch, start_offset: offset });
        }
        None => epochs.push(EpochStart { epoch, start_offset: offset }),
    }
}
