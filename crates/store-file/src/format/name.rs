//! The names of files in a journal's folder: `<first slot>.log` for what the journal writes (sealed or not), and
//! `<first slot>-<generation>.seg` for merged segments.

use klamm_model::Slot;
use klamm_store::SegmentId;

const SLOT_DIGITS: usize = 20;

/// The file of a segment; also of the journal file that will be the segment.
pub(crate) fn file_name(id: SegmentId) -> String {
    match id.generation {
        0 => format!("{:020}.log", id.first.0),
        generation => format!("{:020}-{generation}.seg", id.first.0),
    }
}

/// Whose file has this name; None for other files.
pub(crate) fn segment_id(name: &str) -> Option<SegmentId> {
    let (first, rest) = name.split_at_checked(SLOT_DIGITS)?;
    let generation = match rest {
        ".log" => 0,
        _ => rest.strip_prefix('-')?.strip_suffix(".seg")?.parse().ok()?,
    };
    let id = SegmentId { first: Slot(first.parse().ok()?), generation };
    // Only the spelling that we write is ours.
    (file_name(id) == name).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_others() {
        for (first, generation) in [(0, 0), (7, 1), (u64::MAX, u32::MAX)] {
            let id = SegmentId { first: Slot(first), generation };
            assert_eq!(segment_id(&file_name(id)), Some(id));
        }
        let zeros = "0".repeat(20);
        let bad = ["-0.seg", "-01.seg", "-1.log", "-.seg", "-4294967296.seg", ".seg", "", "x.log"];
        for name in bad.map(|rest| format!("{zeros}{rest}")) {
            assert_eq!(segment_id(&name), None, "{name}");
        }
        assert_eq!(segment_id("0000000000000000000.log"), None);
        assert_eq!(segment_id("+0000000000000000001.log"), None);
    }
}
