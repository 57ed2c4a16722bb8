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

/// Forgets what ended before `log_start`; the epoch that holds it begins there.
pub fn trim(epochs: &mut Vec<EpochStart>, log_start: Offset) {
    let after = epochs.partition_point(|epoch| epoch.start_offset <= log_start);
    epochs.drain(..after.saturating_sub(1));
    if let Some(first) = epochs.first_mut() {
        first.start_offset = first.start_offset.max(log_start);
    }
}

/// Notes that a batch of `epoch` begins at `offset`.
pub fn note(epochs: &mut Vec<EpochStart>, epoch: Epoch, offset: Offset) {
    match epochs.last() {
        Some(last) if last.epoch == epoch => {}
        Some(last) => {
            assert!(last.epoch < epoch && last.start_offset <= offset, "leader epochs rise with offsets");
            epochs.push(EpochStart { epoch, start_offset: offset });
        }
        None => epochs.push(EpochStart { epoch, start_offset: offset }),
    }
}

/// Where `wanted` ended, for a leader of epoch `current` whose log ends at `end`: the epoch itself or the one before it
/// that has records, and the offset after its last record. None for an epoch above `current`. Kafka's rules.
pub fn end_of(epochs: &[EpochStart], wanted: Epoch, current: Epoch, end: Offset) -> Option<(Epoch, Offset)> {
    if wanted == current {
        return Some((wanted, end));
    }
    if wanted > current {
        return None;
    }
    let after = epochs.partition_point(|epoch| epoch.epoch <= wanted);
    // A leader's epoch begins where the log ended then, also before it writes.
    let next = epochs.get(after).map_or(end, |epoch| epoch.start_offset);
    let floor = after.checked_sub(1).map_or(wanted, |at| epochs[at].epoch);
    Some((floor, next))
}
