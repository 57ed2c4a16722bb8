//! Entries are bounded, and what is kept of a frame does not keep all of it.

use klamm_model::Slot;
use klamm_partition::{ProduceError, Reply};
use klamm_records::{BatchBuilder, Codec, Compression, Limits, ValidBatch, single, validate};
use klamm_store::EntryKind;

use super::{batch, memory, produce, serve};
use crate::Ack;

fn is_produced(reply: &Reply) -> bool {
    matches!(reply, Reply::Produced(Ok(_)))
}

#[tokio::test]
async fn a_large_request_is_several_entries() {
    let store = memory();
    let served = serve(&store, 1 << 30, 1 << 20).await;
    served.create(2).await;
    let before = served.shard.durable();
    let commands = |from: i32| {
        let values = (from..from + 20).map(|i| (i, format!("{i}").repeat(500_000)));
        values.map(|(i, value)| produce(i % 2, batch(&value, 0, Some((1, i / 2))))).collect()
    };
    for (ack, from) in [(Ack::Durable, 0), (Ack::Written, 20)] {
        let replies = served.shard.submit(commands(from), ack).await.unwrap();
        assert!(replies.len() == 20 && replies.iter().all(is_produced), "{replies:?}");
    }
    served.shard.settled().await.unwrap();
    assert!(served.shard.durable() >= Slot(before.0 + 8), "{:?} after {before:?}", served.shard.durable());
    let entries = store.journal.read(Slot(0), usize::MAX).await.unwrap();
    let records = entries.iter().filter(|entry| entry.header.kind == EntryKind::Records);
    let largest = records.map(|entry| entry.header.payload_bytes).max().unwrap();
    assert!(largest < 6 << 20, "an entry of {largest} bytes");

    // Loaded again, the state is the same: each producer goes on behind its last batch.
    let values = [served.values(0, 0).await, served.values(1, 0).await];
    served.shard.stop().await;
    let again = serve(&store, 1 << 30, 1 << 20).await;
    assert_eq!([again.values(0, 0).await, again.values(1, 0).await], values);
    assert_eq!(again.send(0, batch("next", 0, Some((1, 20)))).await.unwrap().unwrap().base_offset, 20);
}

#[tokio::test]
async fn what_no_entry_takes_is_refused() {
    let served = serve(&memory(), 1 << 30, 1 << 20).await;
    served.create(1).await;
    let mut builder = BatchBuilder::new(Compression::of(Codec::None));
    builder.push(0, None, Some(&vec![0; 253 << 20]), &[]);
    let large: ValidBatch = validate(single(&builder.build().unwrap()).unwrap(), &Limits::broker()).unwrap();
    let commands = vec![produce(0, batch("a", 0, None)), produce(0, large), produce(0, batch("b", 0, None))];
    let replies = served.shard.submit(commands, Ack::Durable).await.unwrap();
    assert!(is_produced(&replies[0]) && is_produced(&replies[2]), "{replies:?}");
    assert!(matches!(replies[1], Reply::Produced(Err(ProduceError::TooLarge))), "{replies:?}");
    assert_eq!(served.values(0, 0).await, ["a", "b"]);
    assert_eq!(served.shard.ready().await, Ok(served.epoch), "it was not loaded again");
}

#[tokio::test]
async fn a_small_part_of_a_frame_is_copied_out_of_it() {
    let served = serve(&memory(), 1 << 30, 1 << 20).await;
    served.create(2).await;
    let value = "x".repeat(3000);
    let (other, unknown) = (Some(1), Some(9));
    // Of two batches of 3,000 bytes, the second may be for a partition that is not there.
    for (pinned_bytes, beside, is_shared) in [
        (0, None, true),
        (6000, None, true),
        (7000, None, false),
        (7000, other, true),
        (7000, unknown, false),
    ] {
        let mine = batch(&value, 0, None);
        let memory = mine.bytes().as_ptr_range();
        let second = beside.map(|partition| produce(partition, batch(&value, 0, None)));
        let commands = [produce(0, mine.clone())].into_iter().chain(second).collect();
        let before = served.view(0).watermarks().high_watermark;
        let replies = served.shard.submit_shared(commands, Ack::Durable, pinned_bytes).await.unwrap();
        assert!(
            is_produced(&replies[0]) && beside.is_none_or(|_| is_produced(&replies[1]) == (beside == other))
        );
        let fetched = served.partitions.read(&served.view(0), before, usize::MAX, true).await.unwrap();
        let shares = fetched.pieces.iter().any(|piece| memory.contains(&piece.as_ptr()));
        assert_eq!(shares, is_shared, "{pinned_bytes} {beside:?}");
    }
}
