//! Decide and replay of the cluster.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use klamm_machine::{At, Corrupt, Decision, Machine, NoRoom, Now, Pair};
use klamm_model::{Offset, ShardId, StorageClass, TopicId};

use crate::{
    Cluster, ClusterRecord, Command, CreateError, Effect, EffectKind, NewTopic, Reply, Shard, ShardRole,
    Topic, TopicPartition, snapshot,
};

/// How many offsets of a partition in memory are reserved at a time. They are skipped at a restart.
pub const OFFSETS_RESERVED: Offset = 1_000_000;

/// What a topic's configurations take at most, as [`configs_bytes`] counts: some more than the longest value that Kafka's own
/// messages carry. A change of one is recorded with all the others.
pub const CONFIGS_BYTES_MAX: usize = 48 << 10;

/// What a topic's configurations take in a record, but for their number.
pub fn configs_bytes(configs: &BTreeMap<String, String>) -> usize {
    configs.iter().map(|(key, value)| key.len() + value.len() + 8).sum()
}

/// The shards that a new cluster of one broker has.
const FIRST_SHARDS: [(ShardId, ShardRole); 3] = [
    (ShardId(1), ShardRole::Partitions(StorageClass::Disk)),
    (ShardId(2), ShardRole::Partitions(StorageClass::Memory)),
    (ShardId(3), ShardRole::Groups),
];

type Decided = Decision<ClusterRecord, Reply>;

impl Cluster {
    fn create(&self, new: NewTopic) -> Decided {
        if self.names.contains_key(&new.name) {
            return Decision::reply(Reply::Created(Err(CreateError::NameTaken)));
        }
        assert!(new.partitions > 0, "the handler refuses topics without partitions");
        let partitions = self.place(new.class, new.partitions);
        let topic = Topic { name: new.name, id: new.id, class: new.class, partitions, configs: new.configs };
        Decision::record(ClusterRecord::TopicCreated(topic), Reply::Created(Ok(())))
    }

    /// Shards for new partitions: each goes to the shard of the class that has the fewest.
    fn place(&self, class: StorageClass, count: i32) -> Vec<TopicPartition> {
        let reserved_end = match class {
            StorageClass::Memory => OFFSETS_RESERVED,
            StorageClass::Disk => Offset::MAX,
        };
        let of_class = self.shards.iter().filter(|(_, shard)| shard.role == ShardRole::Partitions(class));
        let mut shards: Vec<(u32, ShardId)> = of_class.map(|(id, shard)| (shard.partitions, *id)).collect();
        let place = |_| {
            let (load, shard) = shards.iter_mut().min().expect("every class has a shard");
            *load += 1;
            TopicPartition { shard: *shard, reserved_end }
        };
        (0..count).map(place).collect()
    }

    /// Takes a topic in; used by replay and by snapshots.
    pub(crate) fn insert(&mut self, topic: Topic) {
        self.load(&topic.partitions);
        let old = self.names.insert(topic.name.clone(), topic.id);
        assert!(old.is_none(), "a name is taken once");
        self.topics.insert(topic.id, Arc::new(topic));
    }

    fn owe(&mut self, effect: Effect) {
        self.outbox.insert(self.next_effect, Arc::new(effect));
        self.next_effect += 1;
    }

    /// Counts partitions in their shards.
    fn load(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(shard) = self.shards.get_mut(&partition.shard) {
                shard.partitions += 1;
            }
        }
    }

    fn owe_creation(&mut self, topic: TopicId, first: i32, partitions: &[TopicPartition]) {
        let mut by_shard = BTreeMap::<ShardId, Vec<_>>::new();
        for (index, partition) in (first..).zip(partitions) {
            by_shard.entry(partition.shard).or_default().push((index, 0, partition.reserved_end));
        }
        for (shard, partitions) in by_shard {
            self.owe(Effect { shard, topic, kind: EffectKind::Create(partitions) });
        }
    }

    fn add_partitions(&self, id: TopicId, total: i32) -> Decided {
        let topic = self.topics.get(&id).filter(|topic| (topic.partitions.len() as i64) < i64::from(total));
        let Some(topic) = topic else { return Decision::reply(Reply::Changed(false)) };
        let partitions = self.place(topic.class, total - topic.partitions.len() as i32);
        Decision::record(ClusterRecord::PartitionsAdded { topic: id, partitions }, Reply::Changed(true))
    }

    fn set_configs(&self, id: TopicId, changes: BTreeMap<String, Option<String>>) -> Decided {
        let Some(topic) = self.topics.get(&id) else { return Decision::reply(Reply::Changed(false)) };
        let mut configs = topic.configs.clone();
        for (key, value) in changes {
            match value {
                Some(value) => drop(configs.insert(key, value)),
                None => drop(configs.remove(&key)),
            }
        }
        // Two changes that are good by themselves may be too much together.
        if configs_bytes(&configs) > CONFIGS_BYTES_MAX {
            return Decision::reply(Reply::TooLarge);
        }
        Decision::record(ClusterRecord::ConfigsSet { topic: id, configs }, Reply::Changed(true))
    }

    fn remove(&mut self, id: TopicId) {
        let topic = self.topics.remove(&id).expect("only a topic that is there is deleted");
        self.names.remove(&topic.name);
        let mut shards: Vec<ShardId> = topic.partitions.iter().map(|partition| partition.shard).collect();
        for id in &shards {
            if let Some(shard) = self.shards.get_mut(id) {
                shard.partitions -= 1;
            }
        }
        shards.sort_unstable();
        shards.dedup();
        shards.into_iter().for_each(|shard| self.owe(Effect { shard, topic: id, kind: EffectKind::Drop }));
        let groups = self.shards.iter().filter(|(_, shard)| shard.role == ShardRole::Groups);
        let groups: Vec<ShardId> = groups.map(|(shard, _)| *shard).collect();
        for shard in groups {
            self.owe(Effect { shard, topic: id, kind: EffectKind::ForgetOffsets(topic.name.clone()) });
        }
    }
}

impl Machine for Cluster {
    type Command = Command;
    type Reply = Reply;
    type Record = ClusterRecord;

    fn decide(&self, command: Command, _: Now) -> Decided {
        match command {
            Command::Begin { .. } if self.id.is_some() => Decision::reply(Reply::Done),
            Command::Begin { id } => {
                Decision::record(ClusterRecord::Begun { id, shards: FIRST_SHARDS.to_vec() }, Reply::Done)
            }
            Command::CreateTopic(new) => self.create(new),
            Command::DeleteTopic(id) if self.topics.contains_key(&id) => {
                Decision::record(ClusterRecord::TopicDeleted(id), Reply::Deleted(true))
            }
            Command::DeleteTopic(_) => Decision::reply(Reply::Deleted(false)),
            Command::AddPartitions { topic, total } => self.add_partitions(topic, total),
            Command::SetConfigs { topic, changes } => self.set_configs(topic, changes),
            Command::ReserveProducerIds { count } => {
                let first = match self.next_producer_id {
                    0 => self.first_producer_id(),
                    next => next,
                };
                Decision::record(ClusterRecord::ProducerIdsReserved(first + count), Reply::ProducerIds(first))
            }
            Command::ReserveOffsets { partition, end } => {
                let known =
                    self.topic(partition.topic).and_then(|t| t.partitions.get(partition.index as usize));
                match known {
                    Some(known) if known.reserved_end < end => {
                        Decision::record(ClusterRecord::OffsetsReserved { partition, end }, Reply::Done)
                    }
                    _ => Decision::reply(Reply::Done),
                }
            }
            Command::EffectDone { sequence } if self.outbox.contains_key(&sequence) => {
                Decision::record(ClusterRecord::EffectDone { sequence }, Reply::Done)
            }
            Command::EffectDone { .. } => Decision::reply(Reply::Done),
        }
    }

    fn space_bytes(command: &Command) -> Option<u64> {
        match command {
            Command::DeleteTopic(_) | Command::EffectDone { .. } => None,
            Command::CreateTopic(new) => {
                Some(512 + 12 * new.partitions as u64 + configs_bytes(&new.configs) as u64)
            }
            Command::AddPartitions { total, .. } => Some(64 + 12 * u64::from(total.unsigned_abs())),
            Command::SetConfigs { .. } => Some(64 + CONFIGS_BYTES_MAX as u64),
            Command::Begin { .. } | Command::ReserveProducerIds { .. } | Command::ReserveOffsets { .. } => {
                Some(64)
            }
        }
    }

    fn refuse(_: Reply, why: NoRoom) -> Reply {
        match why {
            NoRoom::Full => Reply::Full,
            NoRoom::TooLarge => Reply::TooLarge,
        }
    }

    fn replay(&mut self, record: &ClusterRecord, _: At) {
        match record {
            ClusterRecord::Begun { id, shards } => {
                assert!(self.id.is_none(), "a cluster begins once");
                self.id = Some(*id);
                let shard = |(id, role): &(ShardId, ShardRole)| (*id, Shard { role: *role, partitions: 0 });
                self.shards = shards.iter().map(shard).collect();
            }
            ClusterRecord::TopicCreated(topic) => {
                self.owe_creation(topic.id, 0, &topic.partitions);
                self.insert(topic.clone());
            }
            ClusterRecord::TopicDeleted(id) => {
                self.remove(*id);
                self.forgotten_below = self.next_producer_id;
            }
            ClusterRecord::PartitionsAdded { topic, partitions } => {
                let known =
                    Arc::make_mut(self.topics.get_mut(topic).expect("only a topic that is there grows"));
                let first = known.partitions.len() as i32;
                known.partitions.extend_from_slice(partitions);
                self.load(partitions);
                self.owe_creation(*topic, first, partitions);
            }
            ClusterRecord::ConfigsSet { topic, configs } => {
                let known = self.topics.get_mut(topic).expect("only a topic that is there is configured");
                Arc::make_mut(known).configs.clone_from(configs);
            }
            ClusterRecord::ProducerIdsReserved(end) => {
                assert!(*end > self.next_producer_id, "producer ids are given out once");
                self.next_producer_id = *end;
            }
            ClusterRecord::OffsetsReserved { partition, end } => {
                let topic = self.topics.get_mut(&partition.topic).map(Arc::make_mut);
                if let Some(known) = topic.and_then(|t| t.partitions.get_mut(partition.index as usize)) {
                    known.reserved_end = *end;
                }
            }
            ClusterRecord::EffectDone { sequence } => {
                self.outbox.remove(sequence);
            }
        }
    }

    fn snapshot(&self) -> Vec<Pair> {
        snapshot::encode(self)
    }

    fn restore(&mut self, key: Bytes, value: Bytes) -> Result<(), Corrupt> {
        snapshot::restore(self, key, value)
    }
}
