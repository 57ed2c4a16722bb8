//! The machine's rules, as short stories.

use bytes::Bytes;
use klamm_machine::{At, Machine, Now, PayloadReader, PayloadWriter, Record};
use klamm_model::{Epoch, PartitionId, Slot, TopicId};
use klamm_records::{BatchBuilder, Codec, Compression, Limits, ValidBatch, single, validate};

use crate::{
    Command, EpochStart, MoveError, PartitionRecord, Partitions, Produce, ProduceError, Reply, SequenceError,
};

/// Ids from here on are another cluster's.
const FOREIGN: i64 = 1000;
const TOPIC: TopicId = TopicId([5; 16]);
const DAY_MS: i64 = 86_400_000;

struct Story {
    machine: Partitions,
    slot: u64,
    time_ms: i64,
}

fn batch(producer: Option<(i64, i16, i32)>, count: usize) -> ValidBatch {
    let mut builder = BatchBuilder::new(Compression::of(Codec::None));
    if let Some((id, epoch, sequence)) = producer {
        builder = builder.producer(id, epoch, sequence);
    }
    for _ in 0..count {
        builder.push(1000, None, Some(b"v"), &[]);
    }
    validate(single(&builder.build().unwrap()).unwrap(), &Limits::client(1 << 20)).unwrap()
}

impl Story {
    fn begin() -> Self {
        let mut story = Self { machine: Partitions::default(), slot: 0, time_ms: 1_000_000 };
        let partitions = vec![(0, 0, i64::MAX), (1, 100, 110)];
        story.tell(Command::Create { topic: TOPIC, partitions, forgotten_below: 3 });
        story
    }

    /// Decides and replays, through the record's codec.
    fn tell(&mut self, command: Command) -> Reply {
        let now = Now { epoch: Epoch(3), wall_ms: self.time_ms };
        let space = Partitions::space_bytes(&command).unwrap_or(u64::MAX);
        let decision = self.machine.decide(command, now);
        if let Some(record) = decision.record {
            let mut out = PayloadWriter::default();
            record.encode(&mut out);
            assert!(out.len() as u64 <= space, "a full disk takes commands at their word");
            let mut input = PayloadReader::new(out.finish().concat().into());
            let back = PartitionRecord::decode(&mut input).unwrap();
            input.finish().unwrap();
            assert_eq!(back, record);
            self.machine.replay(&back, At { slot: Slot(self.slot), epoch: Epoch(3), time_ms: self.time_ms });
            self.slot += 1;
        }
        decision.reply
    }

    fn produce(&mut self, index: i32, batch: ValidBatch) -> Result<i64, ProduceError> {
        let partition = PartitionId { topic: TOPIC, index };
        let foreign_producer = batch.header().producer_id >= FOREIGN;
        let producer_expiration_ms = DAY_MS;
        let produce =
            Produce { partition, batch, append_time: false, producer_expiration_ms, foreign_producer };
        match self.tell(Command::Produce(produce)) {
            Reply::Produced(result) => result.map(|produced| produced.base_offset),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn offsets_are_contiguous() {
    let mut story = Story::begin();
    assert_eq!([3, 1, 2].map(|count| story.produce(0, batch(None, count)).unwrap()), [0, 3, 4]);
    assert_eq!(story.produce(9, batch(None, 1)), Err(ProduceError::UnknownPartition));
}

#[test]
fn reserved_offsets_bound_what_is_given_out() {
    let mut story = Story::begin();
    assert_eq!(story.produce(1, batch(None, 10)), Ok(100));
    assert_eq!(story.produce(1, batch(None, 1)), Err(ProduceError::Unreserved));
    story.tell(Command::Reserve { partition: PartitionId { topic: TOPIC, index: 1 }, end: 111 });
    assert_eq!(story.produce(1, batch(None, 1)), Ok(110));
}

#[test]
fn a_window_of_five_duplicates() {
    let mut story = Story::begin();
    for i in 0..6 {
        assert_eq!(story.produce(0, batch(Some((7, 0, i * 2)), 2)), Ok(i64::from(i) * 2));
    }
    for i in 1..6 {
        assert_eq!(
            story.produce(0, batch(Some((7, 0, i * 2)), 2)),
            Ok(i64::from(i) * 2),
            "inside the window"
        );
    }
    let out_of_order =
        |expected, got| Err(ProduceError::Sequence(SequenceError::OutOfOrder { expected, got }));
    assert_eq!(story.produce(0, batch(Some((7, 0, 0)), 2)), out_of_order(12, 0), "before the window");
    assert_eq!(story.produce(0, batch(Some((7, 0, 13)), 1)), out_of_order(12, 13), "a gap");
    assert_eq!(story.produce(0, batch(Some((7, 1, 5)), 1)), out_of_order(0, 5), "a new epoch begins at 0");
    assert_eq!(story.produce(0, batch(Some((7, 1, 0)), 1)), Ok(12));
    let stale = Err(ProduceError::Sequence(SequenceError::StaleEpoch { current: 1 }));
    assert_eq!(story.produce(0, batch(Some((7, 0, 12)), 1)), stale);
    assert_eq!(story.produce(1, batch(Some((7, 0, 0)), 1)), Ok(100), "windows are per partition");
}

#[test]
fn the_log_start_moves_forward_only() {
    let mut story = Story::begin();
    story.produce(0, batch(None, 10)).unwrap();
    let id = PartitionId { topic: TOPIC, index: 0 };
    let mut move_to = |to| match story.tell(Command::MoveLogStart { partition: id, to }) {
        Reply::Moved(result) => result,
        other => panic!("{other:?}"),
    };
    assert_eq!(move_to(Some(4)), Ok(4));
    assert_eq!(move_to(Some(2)), Ok(4));
    assert_eq!(move_to(Some(11)), Err(MoveError::OutOfRange));
    assert_eq!(move_to(Some(-2)), Err(MoveError::OutOfRange));
    assert_eq!(move_to(None), Ok(10));
    let partition = story.machine.get(id).unwrap();
    assert_eq!((partition.log_start_offset, partition.next_offset), (10, 10));
    assert_eq!(partition.epochs, [EpochStart { epoch: Epoch(3), start_offset: 10 }]);
}

#[test]
fn sequences_wrap_to_zero() {
    let mut story = Story::begin();
    assert_eq!(story.produce(0, batch(Some((2, 0, i32::MAX - 1)), 2)), Ok(0));
    assert_eq!(story.produce(0, batch(Some((2, 0, 0)), 1)), Ok(2));
}

#[test]
fn silent_producers_are_forgotten() {
    let mut story = Story::begin();
    story.produce(0, batch(Some((7, 4, 0)), 1)).unwrap();
    story.time_ms += DAY_MS;
    assert_eq!(story.produce(0, batch(Some((7, 0, 50)), 1)), Ok(1), "its old epoch and sequence are gone");
    story.time_ms += DAY_MS;
    story.produce(0, batch(Some((8, 0, 0)), 1)).unwrap();
    assert_eq!(story.machine.get(PartitionId { topic: TOPIC, index: 0 }).unwrap().producers(), 1);
}

#[test]
fn who_comes_from_a_cluster_that_was_wiped_goes_on() {
    let mut story = Story::begin();
    assert_eq!(story.produce(0, batch(Some((FOREIGN, 0, 40)), 1)), Ok(0));
    let gap = Err(ProduceError::Sequence(SequenceError::OutOfOrder { expected: 41, got: 43 }));
    assert_eq!(story.produce(0, batch(Some((FOREIGN, 0, 43)), 1)), gap, "known now");
}

#[test]
fn who_was_never_here_begins_with_0() {
    let mut story = Story::begin();
    let gap = |got| Err(ProduceError::Sequence(SequenceError::OutOfOrder { expected: 0, got }));
    assert_eq!(story.produce(0, batch(Some((2, 0, 40)), 1)), Ok(0), "2 may have been forgotten");
    // 3 is new. Its first batch was refused; were the second taken, the first could not come any more.
    assert_eq!(story.produce(0, batch(Some((3, 0, 5)), 1)), gap(5));
    assert_eq!(story.produce(0, batch(Some((3, 0, 0)), 5)), Ok(1));
    assert_eq!(story.produce(0, batch(Some((3, 0, 5)), 1)), Ok(6));
    assert_eq!(story.produce(0, batch(Some((9, 2, 1)), 1)), gap(1), "in a later epoch, too");
    // After a day 3 is forgotten, by another's batch or by its own. Then nobody knows who up to 3 was here.
    story.time_ms += DAY_MS;
    assert_eq!(story.produce(0, batch(Some((3, 0, 90)), 1)), Ok(7), "silent for a day, it goes on");
    story.time_ms += DAY_MS;
    story.produce(0, batch(Some((9, 0, 0)), 1)).unwrap();
    assert_eq!(story.produce(0, batch(Some((3, 0, 91)), 1)), Ok(9), "forgotten, it goes on");
    assert_eq!(story.produce(0, batch(Some((4, 0, 1)), 1)), gap(1));
    let mut restored = Partitions::default();
    story.machine.snapshot().into_iter().for_each(|(key, value)| restored.restore(key, value).unwrap());
    story.machine = restored;
    assert_eq!(story.produce(0, batch(Some((4, 0, 1)), 1)), gap(1), "as a snapshot knows");
}

#[test]
fn a_stranger_who_falls_silent_takes_nobody_along() {
    let mut story = Story::begin();
    let gap = Err(ProduceError::Sequence(SequenceError::OutOfOrder { expected: 0, got: 5 }));
    assert_eq!(story.produce(0, batch(Some((FOREIGN, 0, 40)), 1)), Ok(0));
    let mut restored = Partitions::default();
    story.machine.snapshot().into_iter().for_each(|(key, value)| restored.restore(key, value).unwrap());
    assert_eq!(restored, story.machine);
    story.machine = restored;
    story.time_ms += DAY_MS;
    assert_eq!(story.produce(0, batch(None, 1)), Ok(1));
    assert_eq!(story.produce(0, batch(Some((9, 0, 0)), 1)), Ok(2));
    assert_eq!(story.machine.get(PartitionId { topic: TOPIC, index: 0 }).unwrap().producers(), 1);
    assert_eq!(story.produce(0, batch(Some((4, 0, 5)), 1)), gap, "4 was never here");
    assert_eq!(story.produce(0, batch(Some((FOREIGN, 0, 41)), 1)), Ok(3), "it goes on all the same");
}

#[test]
fn what_older_versions_wrote_says_nothing_of_who_was_forgotten() {
    let mut out = PayloadWriter::default();
    out.u8(2);
    out.raw(&TOPIC.0);
    out.u32(1);
    out.i32(0);
    out.i64(0);
    out.i64(i64::MAX);
    let bytes = Bytes::from(out.finish().concat());
    let record = PartitionRecord::decode(&mut PayloadReader::new(bytes.clone())).unwrap();
    let mut again = PayloadWriter::default();
    record.encode(&mut again);
    assert_eq!(again.finish().concat(), bytes);
    let mut story = Story { machine: Partitions::default(), slot: 0, time_ms: 1_000_000 };
    story.machine.replay(&record, At { slot: Slot(0), epoch: Epoch(3), time_ms: 0 });
    let [(key, value)] = &story.machine.snapshot()[..] else { panic!("one partition") };
    assert_eq!(value[0], 1, "its checkpoint's hash is that of the older version");
    let mut restored = Partitions::default();
    restored.restore(key.clone(), value.clone()).unwrap();
    assert_eq!(restored, story.machine);
    assert_eq!(story.produce(0, batch(Some((77, 0, 5)), 1)), Ok(0), "anybody may have been forgotten");
}

#[test]
fn creating_and_dropping_twice_is_once() {
    let mut story = Story::begin();
    story.produce(0, batch(None, 4)).unwrap();
    let before = story.machine.clone();
    story.tell(Command::Create { topic: TOPIC, partitions: vec![(0, 0, 9)], forgotten_below: 9 });
    assert_eq!(story.machine, before);
    story.tell(Command::Drop { topic: TOPIC });
    assert_eq!(story.machine, Partitions::default());
    let slot = story.slot;
    story.tell(Command::Drop { topic: TOPIC });
    assert_eq!(story.slot, slot);
}

#[test]
fn a_snapshot_is_the_state() {
    let mut story = Story::begin();
    for i in 0..7 {
        story.produce(0, batch(Some((i % 3, 1, 0)), 1)).ok();
    }
    let mut restored = Partitions::default();
    for (key, value) in story.machine.snapshot() {
        for end in 0..value.len() {
            assert!(Partitions::default().restore(key.clone(), value.slice(..end)).is_err());
        }
        restored.restore(key, value).unwrap();
    }
    assert_eq!(restored, story.machine);
    assert!(restored.restore(Bytes::new(), Bytes::new()).is_err());
}

#[test]
fn producers_are_told() {
    let mut story = Story::begin();
    story.produce(0, batch(Some((7, 1, 0)), 3)).unwrap();
    let slot = story.slot;
    let mut told =
        |index| story.tell(Command::DescribeProducers { partition: PartitionId { topic: TOPIC, index } });
    let Reply::Producers(Some(producers)) = told(0) else { panic!("the partition is there") };
    let [producer] = producers[..] else { panic!("{producers:?}") };
    assert_eq!(
        (producer.id, producer.epoch, producer.last_sequence, producer.last_time_ms),
        (7, 1, 2, 1_000_000)
    );
    assert!(matches!(told(9), Reply::Producers(None)));
    assert_eq!(story.slot, slot, "it changes nothing");
}

/// Kafka's `LeaderEpochFileCache.endOffsetFor`.
#[test]
fn ends_of_epochs() {
    let start = |epoch, start_offset| EpochStart { epoch: Epoch(epoch), start_offset };
    let known = [start(2, 5), start(4, 10), start(5, 12)];
    let end = |wanted, current| {
        crate::epochs::end_of(&known, Epoch(wanted), Epoch(current), 20).map(|(epoch, end)| (epoch.0, end))
    };
    assert_eq!(end(1, 5), Some((1, 5)), "before all that is known");
    assert_eq!(end(2, 5), Some((2, 10)));
    assert_eq!(end(3, 5), Some((2, 10)), "an epoch without records");
    assert_eq!(end(4, 5), Some((4, 12)));
    assert_eq!(end(5, 5), Some((5, 20)));
    assert_eq!(end(6, 5), None);
    assert_eq!(end(5, 7), Some((5, 20)), "a leader that has not written yet");
    assert_eq!(end(6, 7), Some((5, 20)));
    assert_eq!(end(7, 7), Some((7, 20)));
    assert_eq!(crate::epochs::end_of(&[], Epoch(1), Epoch(2), 20), Some((Epoch(1), 20)));
}
