//! Where a partition's log should begin: after the longest prefix of batches that its limits let go. By batches, not by
//! files: a file is shared by many partitions. Extents are judged whole by what their footers say; only of the one at
//! the edge the index is read, and the edge is remembered until the log's start or its first segment changes.
//!
//! Kafka's rules (`UnifiedLog.deleteOldSegments`), batch for segment: by size a batch goes while the rest still has the
//! limit; by age it goes when its largest timestamp is older than the limit, and the first younger one ends the prefix,
//! also one from the future. A batch without timestamps has no age: it goes with an older batch behind it, or with its segment.

use klamm_model::Offset;
use klamm_store::{BatchAt, Extent, SegmentError, SegmentId};

use super::{PartitionView, Partitions, ReadError, partition::State};

/// What is kept of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Batches whose largest timestamp is below this go, in milliseconds (now less `retention.ms`); None for no limit.
    pub since_ms: Option<i64>,
    /// Never less than this many bytes stay because of their size (`retention.bytes`); None for no limit.
    pub bytes: Option<u64>,
}

/// The first batch of a partition, as long as the log's start and the first segment are these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    log_start: Offset,
    /// None if nothing is sealed.
    segment: Option<SegmentId>,
    first: BatchAt,
    /// Bytes of the segment's batches of the partition that lie before the log's start.
    below_bytes: u64,
}

/// Batches in a row: one, or an extent.
#[derive(Debug, Clone, Copy)]
struct Row {
    last_offset: Offset,
    max_timestamp: i64,
    bytes: u64,
}

/// How far a prefix reaches that the limits let go.
#[derive(Debug)]
struct Prefix {
    keep: Keep,
    /// The bytes behind the rows that were taken; counted down when there is a limit.
    rest_bytes: u64,
    /// Where the log begins after what goes for sure.
    start: Offset,
}

/// What becomes of a row.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Goes,
    /// Goes if something behind it does by its age.
    GoesAlong,
    Stays,
}

impl Prefix {
    fn judge(&self, row: &Row) -> Verdict {
        if self.keep.bytes.is_some_and(|bytes| self.rest_bytes.saturating_sub(row.bytes) >= bytes) {
            return Verdict::Goes;
        }
        match self.keep.since_ms {
            Some(_) if row.max_timestamp < 0 => Verdict::GoesAlong,
            Some(since) if row.max_timestamp < since => Verdict::Goes,
            _ => Verdict::Stays,
        }
    }

    /// Takes a row in; false when it ends the prefix.
    fn take(&mut self, row: &Row) -> bool {
        let verdict = self.judge(row);
        if verdict == Verdict::Stays {
            return false;
        }
        self.rest_bytes = self.rest_bytes.saturating_sub(row.bytes);
        if verdict == Verdict::Goes {
            self.start = row.last_offset + 1;
        }
        true
    }
}

impl From<&BatchAt> for Row {
    fn from(batch: &BatchAt) -> Self {
        let BatchAt { last_offset, max_timestamp, bytes, .. } = *batch;
        Self { last_offset, max_timestamp, bytes: u64::from(bytes) }
    }
}

impl From<&Extent> for Row {
    fn from(extent: &Extent) -> Self {
        let Extent { last_offset, max_timestamp, bytes, .. } = *extent;
        Self { last_offset, max_timestamp, bytes }
    }
}

impl State {
    fn first_segment(&self) -> Option<SegmentId> {
        self.extents.front().map(|(id, _)| *id)
    }

    /// The edge, if it is still known where it is.
    fn known_edge(&self) -> Option<Edge> {
        self.edge.filter(|edge| (edge.log_start, edge.segment) == (self.log_start, self.first_segment()))
    }

    /// Bytes of the first segment that lie before the log's start, as far as its index was read.
    pub(super) fn below_bytes(&self) -> u64 {
        self.known_edge().map_or(0, |edge| edge.below_bytes)
    }

    /// The number of the first open batch that reaches to an offset.
    fn open_from(&self, offset: Offset) -> usize {
        self.open.partition_point(|batch| batch.last_offset < offset)
    }
}

impl Partitions {
    /// Where the log should begin, at or after where it does. Reads nothing while the first batch stays, but once after a
    /// change of the log's start.
    pub async fn kept_from(&self, view: &PartitionView, keep: &Keep) -> Result<Offset, ReadError> {
        let log_start = view.watermarks().log_start;
        let Some(first) = self.first_batch(view).await? else { return Ok(log_start) };
        let (mut prefix, extents, open) = {
            let state = view.state.lock();
            if (state.log_start, state.first_segment()) != (first.log_start, first.segment) {
                return Ok(state.log_start); // it changed meanwhile: another time
            }
            let open = state.open.range(state.open_from(state.log_start)..);
            let rest_bytes = match keep.bytes {
                Some(_) => {
                    let sealed = state.extents.iter().map(|(_, extent)| extent.bytes).sum::<u64>();
                    let open = open.clone().map(|batch| u64::from(batch.bytes)).sum::<u64>();
                    (sealed + open).saturating_sub(first.below_bytes)
                }
                None => 0,
            };
            let prefix = Prefix { keep: *keep, rest_bytes, start: state.log_start };
            if prefix.judge(&Row::from(&first.first)) == Verdict::Stays {
                return Ok(state.log_start);
            }
            (prefix, state.extents.clone(), open.copied().collect::<Vec<_>>())
        };
        for (id, extent) in extents {
            // Below the log's start its sums tell too much.
            let whole = extent.base_offset >= first.log_start;
            if whole && prefix.judge(&Row::from(&extent)) == Verdict::Goes {
                prefix.take(&Row::from(&extent));
                continue;
            }
            let Some(batches) = self.index_if_there(id, &extent).await? else { return Ok(prefix.start) };
            let inside = batches.iter().filter(|batch| batch.last_offset >= first.log_start);
            for batch in inside {
                if !prefix.take(&Row::from(batch)) {
                    return Ok(prefix.start);
                }
            }
        }
        for batch in &open {
            if !prefix.take(&Row::from(batch)) {
                break;
            }
        }
        Ok(prefix.start)
    }

    /// The first batch, with its place as of now; None in an empty partition.
    async fn first_batch(&self, view: &PartitionView) -> Result<Option<Edge>, ReadError> {
        let (log_start, (id, extent)) = {
            let state = view.state.lock();
            let log_start = state.log_start;
            if let Some(edge) = state.known_edge() {
                return Ok(Some(edge));
            }
            let Some(front) = state.extents.front() else {
                let first = state.open.get(state.open_from(log_start));
                let edge = |first: &BatchAt| Edge { log_start, segment: None, first: *first, below_bytes: 0 };
                return Ok(first.map(edge));
            };
            (log_start, *front)
        };
        let Some(batches) = self.index_if_there(id, &extent).await? else { return Ok(None) };
        let below = batches.partition_point(|batch| batch.last_offset < log_start);
        let Some(first) = batches.get(below) else { return Ok(None) };
        let below_bytes = batches[..below].iter().map(|batch| u64::from(batch.bytes)).sum();
        let edge = Edge { log_start, segment: Some(id), first: *first, below_bytes };
        view.state.lock().edge = Some(edge);
        Ok(Some(edge))
    }

    /// The batches of an extent; None if its segment was deleted meanwhile (then another round finds what replaced it).
    async fn index_if_there(
        &self,
        id: SegmentId,
        extent: &Extent,
    ) -> Result<Option<Vec<BatchAt>>, ReadError> {
        match self.segments.index(id, extent).await {
            Ok(batches) => Ok(Some(batches)),
            Err(SegmentError::Gone(_)) => Ok(None),
            Err(error) => Err(ReadError::Storage(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows as (largest timestamp, bytes), one offset each; gives where the log begins.
    fn check(keep: (Option<i64>, Option<u64>), rows: &[(i64, u64)], start: Offset) {
        let rest_bytes = rows.iter().map(|(_, bytes)| bytes).sum();
        let mut prefix = Prefix { keep: Keep { since_ms: keep.0, bytes: keep.1 }, rest_bytes, start: 0 };
        for (last_offset, (max_timestamp, bytes)) in (0..).zip(rows) {
            if !prefix.take(&Row { last_offset, max_timestamp: *max_timestamp, bytes: *bytes }) {
                break;
            }
        }
        assert_eq!(prefix.start, start, "{keep:?} {rows:?}");
    }

    #[test]
    fn by_age() {
        let since = (Some(100), None);
        check(since, &[(10, 1), (99, 1), (100, 1), (10, 1)], 2);
        check(since, &[(10, 1), (20, 1)], 2);
        check(since, &[(i64::MAX, 1), (10, 1)], 0);
        check(since, &[(-1, 1), (-1, 1), (10, 1), (-1, 1), (200, 1)], 3);
        check(since, &[(-1, 1), (-1, 1)], 0);
        check((None, None), &[(0, 1)], 0);
    }

    #[test]
    fn by_size() {
        check((None, Some(30)), &[(0, 10), (0, 10), (0, 10), (0, 10)], 1);
        check((None, Some(35)), &[(0, 10), (0, 10), (0, 10), (0, 10)], 0);
        check((None, Some(0)), &[(0, 10), (0, 10)], 2);
        check((None, Some(15)), &[(0, 100), (0, 10), (0, 6)], 1);
        check((None, Some(100)), &[(0, 10)], 0);
    }

    #[test]
    fn by_both() {
        // The future does not keep what is too much; behind it age counts again.
        check((Some(100), Some(25)), &[(i64::MAX, 10), (10, 10), (200, 10), (10, 10)], 2);
        check((Some(100), Some(10)), &[(10, 10), (200, 10), (200, 10)], 2);
        check((Some(100), Some(20)), &[(-1, 5), (200, 10), (200, 10)], 1);
    }
}
