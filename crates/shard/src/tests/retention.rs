//! Where a log should begin, whatever its batches lie in.

use super::{Served, eventually, memory, partition, serve};
use crate::{Keep, tests::batch};
use klamm_partition::{Command, Reply};

fn value(number: i64) -> String {
    format!("{number:0>200}")
}

impl Served {
    async fn kept_from(&self, since_ms: Option<i64>, bytes: Option<u64>) -> i64 {
        self.partitions.kept_from(&self.view(0), &Keep { since_ms, bytes }).await.unwrap()
    }

    async fn begin_at(&self, to: i64) {
        let moved = self.shard.ask(Command::MoveLogStart { partition: partition(0), to: Some(to) }).await;
        assert!(matches!(moved, Ok(Reply::Moved(Ok(start))) if start == to), "{moved:?}");
    }
}

#[tokio::test]
async fn the_start_is_exact_to_a_batch_in_every_source() {
    for file_bytes in [1 << 30, 4000] {
        let store = memory();
        let served = serve(&store, file_bytes, 0).await;
        served.create(2).await;
        assert_eq!(served.kept_from(Some(i64::MAX), Some(0)).await, 0, "an empty partition");
        for number in 0..100 {
            served.send(0, batch(&value(number), number, None)).await.unwrap().unwrap();
            served.write(1, "other").await;
        }
        if file_bytes == 4000 {
            eventually(async || store.segments.list().await.unwrap().len() > 3).await;
        }
        let size = served.view(0).bytes() / 100;
        for start in [0, 1, 7, 50, 98, 100] {
            assert_eq!(served.kept_from(Some(start), None).await, start);
            let keep = (100 - start as u64) * size;
            assert_eq!(served.kept_from(None, Some(keep)).await, start);
            assert_eq!(served.kept_from(None, Some(keep.saturating_sub(1))).await, start);
            assert_eq!(served.kept_from(Some(1), Some(keep)).await, start.max(1));
        }
        // What lies before the start does not count, also in the segment that it lies in.
        for start in [3, 5, 41] {
            served.begin_at(start).await;
            assert_eq!(served.kept_from(None, Some((100 - start as u64) * size)).await, start);
            assert_eq!(served.view(0).bytes(), (100 - start as u64) * size, "its index was read");
            assert_eq!(served.kept_from(None, Some((90 - start as u64) * size)).await, start + 10);
            assert_eq!(served.kept_from(Some(2), None).await, start, "never back");
            assert_eq!(served.kept_from(Some(start + 1), None).await, start + 1);
        }
        served.begin_at(100).await;
        assert_eq!(served.kept_from(Some(i64::MAX), Some(0)).await, 100);
        served.send(0, batch("new", 5, None)).await.unwrap().unwrap();
        assert_eq!(served.kept_from(Some(5), None).await, 100);
        assert_eq!(served.kept_from(Some(6), None).await, 101);
    }
}
