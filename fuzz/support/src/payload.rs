//! The payload of a journal entry: records of a machine. They are only decoded: that they may be replayed was decided before
//! they were written, and the entry's CRC and hash say that these are the bytes.

use bytes::Bytes;
use klamm_cluster::Cluster;
use klamm_group::Groups;
use klamm_machine::{Machine, PayloadReader, PayloadWriter, Record as _};
use klamm_partition::Partitions;

/// A byte for the machine, and records.
pub(crate) fn run(input: &[u8]) -> bool {
    let Some((machine, payload)) = input.split_first() else { return false };
    match machine % 3 {
        0 => records::<Cluster>(payload),
        1 => records::<Groups>(payload),
        _ => records::<Partitions>(payload),
    }
}

/// Whether all of it are records, and there are some.
fn records<M: Machine>(payload: &[u8]) -> bool {
    let mut input = PayloadReader::new(Bytes::copy_from_slice(payload));
    while input.remaining() > 0 {
        let Ok(record) = M::Record::decode(&mut input) else { return false };
        let mut out = PayloadWriter::default();
        record.encode(&mut out);
        let bytes = Bytes::from(out.finish().concat());
        let mut again = PayloadReader::new(bytes.clone());
        let record =
            M::Record::decode(&mut again).unwrap_or_else(|error| panic!("what was written is read: {error}"));
        assert_eq!(again.remaining(), 0, "to its end");
        let mut out = PayloadWriter::default();
        record.encode(&mut out);
        assert_eq!(Bytes::from(out.finish().concat()), bytes, "and is the same");
    }
    !payload.is_empty()
}

/// Records in memory are wider than in the journal.
pub(crate) fn allowed(input: usize) -> usize {
    64 * input + (1 << 20)
}
