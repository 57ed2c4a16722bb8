//! The cluster's rules, as short stories.

use std::collections::BTreeMap;

use klamm_machine::{At, Machine, Now, PayloadReader, PayloadWriter, Record};
use klamm_model::{Epoch, PartitionId, ShardId, Slot, StorageClass, TopicId, TopicName};

use crate::{Cluster, ClusterRecord, Command, CreateError, EffectKind, NewTopic, Reply};

#[derive(Default)]
struct Story(Cluster);

impl Story {
    fn begin() -> Self {
        let mut story = Self::default();
        story.tell(Command::Begin { id: [1; 16] });
        story
    }

    /// Decides and replays, through the record's codec.
    fn tell(&mut self, command: Command) -> Reply {
        let space = Cluster::space_bytes(&command).unwrap_or(u64::MAX);
        let decision = self.0.decide(command, Now { epoch: Epoch(1), wall_ms: 0 });
        if let Some(record) = decision.record {
            let mut out = PayloadWriter::default();
            record.encode(&mut out);
            assert!(out.len() as u64 <= space, "{} bytes for a record of {}", space, out.len());
            let back = ClusterRecord::decode(&mut PayloadReader::new(out.finish().concat().into())).unwrap();
            assert_eq!(back, record);
            self.0.replay(&back, At { slot: Slot(0), epoch: Epoch(1), time_ms: 0 });
        }
        decision.reply
    }

    fn create(&mut self, name: &str, id: u8, partitions: i32, class: StorageClass) -> Reply {
        self.tell(Command::CreateTopic(NewTopic {
            name: TopicName::parse(name).unwrap(),
            id: TopicId([id; 16]),
            partitions,
            class,
            configs: BTreeMap::from([("retention.ms".to_owned(), "5".to_owned())]),
        }))
    }
}

#[test]
fn a_cluster_begins_once() {
    let mut story = Story::begin();
    story.tell(Command::Begin { id: [2; 16] });
    assert_eq!(story.0.id(), Some([1; 16]));
}

#[test]
fn topics_come_and_go_with_their_effects() {
    let mut story = Story::begin();
    assert_eq!(story.create("a", 1, 3, StorageClass::Disk), Reply::Created(Ok(())));
    assert_eq!(story.create("a", 2, 3, StorageClass::Disk), Reply::Created(Err(CreateError::NameTaken)));
    let (_, effect) = story.0.outbox().next().unwrap();
    assert_eq!(effect.shard, ShardId(1));
    assert!(matches!(&effect.kind, EffectKind::Create(partitions) if partitions.len() == 3));
    assert_eq!(story.tell(Command::DeleteTopic(TopicId([1; 16]))), Reply::Deleted(true));
    assert_eq!(story.tell(Command::DeleteTopic(TopicId([1; 16]))), Reply::Deleted(false));
    assert_eq!((story.0.topic_count(), story.0.outbox().count()), (0, 3), "create, drop, forget the offsets");
    story.tell(Command::EffectDone { sequence: 0 });
    story.tell(Command::EffectDone { sequence: 0 });
    assert_eq!(story.0.outbox().next().unwrap().1.kind, EffectKind::Drop);
    let name = TopicName::parse("a").unwrap();
    assert_eq!(story.0.outbox().nth(1).unwrap().1.kind, EffectKind::ForgetOffsets(name));
    assert_eq!(
        story.create("a", 3, 1, StorageClass::Memory),
        Reply::Created(Ok(())),
        "the name is free again"
    );
}

#[test]
fn ids_and_offsets_are_given_out_once() {
    let mut story = Story::begin();
    let first = story.0.first_producer_id();
    assert!(first > 0 && !story.0.gave_out(first) && !story.0.gave_out(0));
    assert_eq!(story.tell(Command::ReserveProducerIds { count: 1000 }), Reply::ProducerIds(first));
    assert_eq!(story.tell(Command::ReserveProducerIds { count: 1000 }), Reply::ProducerIds(first + 1000));
    assert!(story.0.gave_out(first) && story.0.gave_out(first + 1999) && !story.0.gave_out(first + 2000));
    assert!(!story.0.gave_out(0), "another cluster's, perhaps");
    story.create("m", 9, 1, StorageClass::Memory);
    let partition = PartitionId { topic: TopicId([9; 16]), index: 0 };
    story.tell(Command::ReserveOffsets { partition, end: 5_000_000 });
    story.tell(Command::ReserveOffsets { partition, end: 4_000_000 });
    assert_eq!(story.0.topic_named("m").unwrap().partitions[0].reserved_end, 5_000_000);
}

#[test]
fn topics_grow_and_are_configured() {
    let mut story = Story::begin();
    story.create("a", 1, 2, StorageClass::Disk);
    let topic = TopicId([1; 16]);
    assert_eq!(story.tell(Command::AddPartitions { topic, total: 2 }), Reply::Changed(false));
    assert_eq!(story.tell(Command::AddPartitions { topic, total: 5 }), Reply::Changed(true));
    assert_eq!(story.0.topic(topic).unwrap().partitions.len(), 5);
    let (_, effect) = story.0.outbox().last().unwrap();
    assert!(matches!(&effect.kind, EffectKind::Create(new) if new.iter().map(|p| p.0).eq(2..5)));
    let changes =
        BTreeMap::from([("retention.ms".to_owned(), None), ("flush.ms".to_owned(), Some("1".to_owned()))]);
    assert_eq!(story.tell(Command::SetConfigs { topic, changes: changes.clone() }), Reply::Changed(true));
    assert_eq!(
        story.0.topic(topic).unwrap().configs,
        BTreeMap::from([("flush.ms".to_owned(), "1".to_owned())])
    );
    story.tell(Command::DeleteTopic(topic));
    assert_eq!(story.tell(Command::SetConfigs { topic, changes }), Reply::Changed(false));
    assert_eq!(story.0.shards().map(|(_, shard)| shard.partitions).sum::<u32>(), 0);
}

/// A full disk takes a command at its word: see [`Story::tell`].
#[test]
fn configurations_are_bounded_together() {
    let mut story = Story::begin();
    story.create("a", 1, 1, StorageClass::Disk);
    let topic = TopicId([1; 16]);
    let mut set = |name: &str, bytes: usize| {
        let changes = BTreeMap::from([(name.to_owned(), Some("x".repeat(bytes)))]);
        story.tell(Command::SetConfigs { topic, changes })
    };
    assert_eq!(set("one", 1 << 20), Reply::TooLarge);
    assert_eq!(set("one", 30_000), Reply::Changed(true));
    assert_eq!(set("two", 30_000), Reply::TooLarge);
    assert_eq!(set("two", 19_000), Reply::Changed(true));
    assert_eq!(set("retention.ms", 1000), Reply::TooLarge, "a short change records all");
    assert_eq!(set("one", 100), Reply::Changed(true));
    assert_eq!(set("retention.ms", 1000), Reply::Changed(true));
}

#[test]
fn a_snapshot_is_the_state() {
    let mut story = Story::begin();
    story.create("a", 1, 3, StorageClass::Disk);
    story.create("b", 2, 2, StorageClass::Memory);
    story.tell(Command::ReserveProducerIds { count: 7 });
    assert_eq!(story.0.forgotten_below(), 0, "nobody wrote to a topic that is gone");
    story.tell(Command::DeleteTopic(TopicId([1; 16])));
    story.tell(Command::ReserveProducerIds { count: 7 });
    assert_eq!(story.0.forgotten_below(), story.0.first_producer_id() + 7, "the first seven may have");
    let mut restored = Cluster::default();
    for (key, value) in story.0.snapshot() {
        for end in 0..value.len() {
            assert!(Cluster::default().restore(key.clone(), value.slice(..end)).is_err());
        }
        restored.restore(key, value).unwrap();
    }
    assert_eq!(restored, story.0);
}
