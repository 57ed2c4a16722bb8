//! What machines write when they are asked a few things: the first inputs of the targets `payload` and `checkpoint`.

use klamm_cluster::{Cluster, NewTopic};
use klamm_group::{Committer, Generation, GenerationMember, Groups, NewOffset, Request};
use klamm_machine::{At, Machine, Now, PayloadWriter, Record as _};
use klamm_model::{Epoch, PartitionId, Slot, StorageClass, TopicId, TopicName};
use klamm_partition::Partitions;
use klamm_records::{BatchBuilder, Codec, Compression, Limits, single, validate};

use crate::seeds::Seed;

const EPOCH: Epoch = Epoch(1);
const TOPIC: TopicId = TopicId([5; 16]);
const PARTITION: PartitionId = PartitionId { topic: TOPIC, index: 0 };

/// Each record of each machine, and its state as a chunk.
pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds = told::<Cluster>("cluster", 0, cluster());
    seeds.extend(told::<Groups>("groups", 1, groups()));
    seeds.extend(told::<Partitions>("partitions", 2, partitions()));
    let checkpoint = [&[0, 1][..], &7_u64.to_be_bytes(), &2_u32.to_be_bytes(), &[9; 32]].concat();
    seeds.push(("checkpoint", "entry".to_owned(), checkpoint));
    seeds
}

fn told<M: Machine>(name: &str, number: u8, story: Vec<M::Command>) -> Vec<Seed> {
    let (mut machine, mut seeds) = (M::default(), Vec::new());
    for (slot, command) in (0..).zip(story) {
        let record = machine.decide(command, Now { epoch: EPOCH, wall_ms: 5 }).record;
        let record = record.expect("it changes something");
        machine.replay(&record, At { slot: Slot(slot), epoch: EPOCH, time_ms: 5 });
        let mut out = PayloadWriter::default();
        record.encode(&mut out);
        let payload = [&[number][..], &out.finish().concat()].concat();
        seeds.push(("payload", format!("{name}-{slot}"), payload));
    }
    let mut chunk = vec![number + 1];
    for part in machine.snapshot().into_iter().flat_map(|(key, value)| [key, value]) {
        chunk.extend_from_slice(&(part.len() as u32).to_be_bytes());
        chunk.extend_from_slice(&part);
    }
    seeds.push(("checkpoint", name.to_owned(), chunk));
    seeds
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("a good name")
}

fn cluster() -> Vec<klamm_cluster::Command> {
    use klamm_cluster::Command::*;
    let new = |name, id, partitions, class| {
        let configs = [("retention.ms".to_owned(), "5".to_owned())].into();
        CreateTopic(NewTopic { name: topic(name), id, partitions, class, configs })
    };
    let kept = TopicId([6; 16]);
    vec![
        Begin { id: [1; 16] },
        new("a", TOPIC, 2, StorageClass::Disk),
        new("b", kept, 1, StorageClass::Memory),
        AddPartitions { topic: kept, total: 3 },
        SetConfigs {
            topic: kept,
            changes: [("cleanup.policy".into(), Some("delete".into())), ("retention.ms".into(), None)].into(),
        },
        ReserveProducerIds { count: 1000 },
        ReserveOffsets { partition: PartitionId { topic: kept, index: 0 }, end: 1 << 40 },
        EffectDone { sequence: 0 },
        DeleteTopic(TOPIC),
    ]
}

fn groups() -> Vec<klamm_group::Command> {
    let member = |id: &str, instance: Option<&str>| GenerationMember {
        id: id.into(),
        instance: instance.map(Into::into),
        client_id: "client".into(),
        client_host: "host".into(),
        rebalance_timeout_ms: 1000,
        session_timeout_ms: 1000,
        metadata: b"subscribed".as_slice().into(),
        assignment: b"assigned".as_slice().into(),
    };
    let offset = |topic_name: &str, partition| NewOffset {
        topic: topic(topic_name),
        topic_id: TOPIC,
        partition,
        offset: 77,
        leader_epoch: 1,
        metadata: "words".into(),
    };
    let generation = Generation {
        id: 1,
        protocol_type: "consumer".into(),
        protocol: Some("range".into()),
        leader: Some("m1".into()),
        members: vec![member("m1", None), member("m2", Some("static"))],
    };
    let empty = Generation {
        id: 0,
        protocol_type: "consumer".into(),
        protocol: None,
        leader: None,
        members: Vec::new(),
    };
    let commit = |group: &str, committer, retention_ms, offsets| Request::Commit {
        group: group.into(),
        committer,
        retention_ms,
        offsets,
    };
    let requests = vec![
        Request::Complete { group: "g".into(), generation },
        commit("g", Committer::Member(1), None, vec![offset("a", 0), offset("a", 1), offset("b", 0)]),
        commit("simple", Committer::Simple, Some(1000), vec![offset("a", 0)]),
        Request::Complete { group: "gone".into(), generation: empty },
        Request::DeleteOffsets { group: "simple".into(), partitions: vec![(topic("a"), 0)] },
        Request::DeleteGroup { group: "gone".into() },
        Request::ForgetTopic { topic: topic("b"), id: TOPIC },
    ];
    requests.into_iter().map(|request| klamm_group::Command { epoch: Some(EPOCH), request }).collect()
}

fn partitions() -> Vec<klamm_partition::Command> {
    use klamm_partition::Command::*;
    let produce = |sequence, append_time| {
        let mut builder = BatchBuilder::new(Compression::of(Codec::None)).producer(9, 0, sequence);
        builder.push(1, Some(b"key"), Some(b"value"), &[]);
        let batch = builder.build().expect("it is built");
        let batch = validate(single(&batch).expect("one"), &Limits::client(1 << 20)).expect("it is good");
        Produce(klamm_partition::Produce {
            partition: PARTITION,
            batch,
            append_time,
            producer_expiration_ms: 1000,
            foreign_producer: false,
        })
    };
    vec![
        Create { topic: TOPIC, partitions: vec![(0, 0, 1000), (1, 5, i64::MAX)], forgotten_below: 3 },
        produce(0, false),
        produce(1, true),
        MoveLogStart { partition: PARTITION, to: Some(1) },
        Reserve { partition: PARTITION, end: 5000 },
        Create { topic: TopicId([6; 16]), partitions: vec![(0, 0, i64::MAX)], forgotten_below: i64::MAX },
        Drop { topic: TopicId([6; 16]) },
    ]
}
