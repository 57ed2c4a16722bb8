//! Tail, open files, segments: whichever serves, readers see the same.

use std::time::Duration;

use klamm_records::DecompressCap;

use super::{eventually, memory, serve};
use crate::{ReadError, Room, TimestampQuery, Waiter, tests::batch};

fn value(number: usize) -> String {
    format!("{number:0>200}")
}

#[tokio::test]
async fn every_source_gives_the_same() {
    let want: Vec<String> = (0..200).map(value).collect();
    // Roomy tail: memory. No tail and one file: open batches. No tail and small files: mostly segments.
    for (file_bytes, tail_bytes) in [(1 << 30, 1 << 20), (1 << 30, 0), (4000, 0), (4000, 5000)] {
        let store = memory();
        let served = serve(&store, file_bytes, tail_bytes).await;
        served.create(2).await;
        for value in &want {
            served.write(0, value).await;
            served.write(1, "other").await;
        }
        assert_eq!(served.values(0, 0).await, want, "{file_bytes} {tail_bytes}");
        assert_eq!(served.values(0, 150).await, want[150..]);
        if file_bytes == 4000 {
            eventually(async || store.segments.list().await.unwrap().len() > 3).await;
            assert_eq!(served.values(0, 0).await, want);
            assert_eq!(served.values(1, 190).await.len(), 10);
        }
    }
}

#[tokio::test]
async fn the_first_batch_comes_whole_or_not_at_all() {
    let served = serve(&memory(), 1 << 30, 1 << 20).await;
    served.create(1).await;
    served.write(0, &value(1)).await;
    let view = served.view(0);
    assert!(served.partitions.read(&view, 0, 10, true).await.unwrap().bytes > 10);
    assert_eq!(served.partitions.read(&view, 0, 10, false).await.unwrap().bytes, 0);
    assert_eq!(served.partitions.read(&view, 1, 10, true).await.unwrap().bytes, 0, "at the end");
    assert_eq!(served.partitions.read(&view, 2, 10, true).await.err(), Some(ReadError::OutOfRange));
    assert_eq!(served.partitions.read(&view, -1, 10, true).await.err(), Some(ReadError::OutOfRange));
}

#[tokio::test]
async fn what_comes_from_a_store_has_room_of_its_own() {
    for (file_bytes, tail_bytes) in [(1 << 30, 1 << 20), (1 << 30, 0), (3000, 0)] {
        let served = serve(&memory(), file_bytes, tail_bytes).await;
        served.create(1).await;
        for number in 0..20 {
            served.write(0, &value(number)).await;
        }
        let view = served.view(0);
        let read = async |stored_bytes, at_least_one| {
            let room = Room { bytes: 1500, stored_bytes };
            let fetched = served.partitions.read(&view, 0, room, at_least_one).await.unwrap();
            assert_eq!(fetched.stored_bytes, if tail_bytes == 0 { fetched.bytes } else { 0 });
            fetched.pieces.len()
        };
        let one = served.partitions.read(&view, 0, 1, true).await.unwrap().bytes;
        let all = 1500 / one;
        let few = if tail_bytes == 0 { [all, 2, 1, 1, 0] } else { [all; 5] };
        assert_eq!(read(1 << 20, true).await, few[0]);
        assert_eq!(read(one * 3 - 1, true).await, few[1]);
        assert_eq!(read(1, true).await, few[2]);
        assert_eq!(read(0, true).await, few[3]);
        assert_eq!(read(0, false).await, few[4]);
    }
}

#[tokio::test]
async fn records_are_found_by_time() {
    for file_bytes in [1 << 30, 1000] {
        let store = memory();
        let served = serve(&store, file_bytes, 0).await;
        served.create(1).await;
        for (number, time) in [10, 30, 20, 50, 40].into_iter().enumerate() {
            served.send(0, batch(&value(number), time, None)).await.unwrap().unwrap();
        }
        let view = served.view(0);
        let find = async |query| {
            let found = served.partitions.find_by_time(&view, query, DecompressCap::default()).await.unwrap();
            found.map(|(found, _)| (found.offset, found.timestamp))
        };
        assert_eq!(find(TimestampQuery::AtOrAfter(0)).await, Some((0, 10)));
        assert_eq!(find(TimestampQuery::AtOrAfter(11)).await, Some((1, 30)));
        assert_eq!(find(TimestampQuery::AtOrAfter(31)).await, Some((3, 50)));
        assert_eq!(find(TimestampQuery::AtOrAfter(51)).await, None);
        assert_eq!(find(TimestampQuery::Max).await, Some((3, 50)));
    }
}

#[tokio::test]
async fn waiters_are_told_of_new_records() {
    let served = serve(&memory(), 1 << 30, 1 << 20).await;
    served.create(2).await;
    let mut waiter = Waiter::default();
    waiter.watch(served.view(0));
    served.write(1, "elsewhere").await;
    assert!(tokio::time::timeout(Duration::from_millis(20), waiter.changed()).await.is_err());
    let (told, _) = tokio::join!(waiter.changed(), served.write(0, "here"));
    assert_eq!(told, ());
    assert_eq!(served.view(0).available_bytes(0, 1), served.view(0).available_bytes(0, u64::MAX));
    assert_eq!(served.view(0).available_bytes(1, 1), 0);
}
