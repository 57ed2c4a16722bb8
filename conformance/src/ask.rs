//! The requests that most raw tests need, in few words.

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use klamm_protocol::create_topics::{CreatableTopic, CreatableTopicConfig};
use klamm_protocol::fetch::{FetchPartition, FetchTopic, PartitionData};
use klamm_protocol::list_offsets::{ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopic};
use klamm_protocol::metadata::{MetadataRequestTopic, MetadataResponseTopic};
use klamm_protocol::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use klamm_protocol::{
    CreateTopicsRequest, DescribeGroupsRequest, ErrorCode, FetchRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest, Records, Uuid,
};
use klamm_records::{BatchBuilder, Codec, Compression, RecordIter, batches_lenient, decompress};

use crate::Raw;

/// A batch of records with these values, a millisecond apart.
pub fn batch<V: AsRef<[u8]>>(values: &[V]) -> Bytes {
    batch_of(None, values)
}

/// [`batch`] by the producer (id, epoch, first sequence).
pub fn batch_of<V: AsRef<[u8]>>(producer: Option<(i64, i16, i32)>, values: &[V]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::of(Codec::None));
    if let Some((id, epoch, sequence)) = producer {
        builder = builder.producer(id, epoch, sequence);
    }
    for (i, value) in (0..).zip(values) {
        builder.push(1_790_000_000_000 + i, None, Some(value.as_ref()), &[]);
    }
    builder.build().expect("a batch")
}

/// Offset and value of each record in what a fetch gave.
pub fn records(data: &PartitionData<'_>) -> Vec<(i64, String)> {
    let bytes: Vec<u8> = data
        .records
        .as_ref()
        .map(|records| records.pieces().collect::<Vec<_>>().concat())
        .unwrap_or_default();
    let mut all = vec![];
    for raw in batches_lenient(&bytes.into()) {
        let raw = raw.expect("a batch");
        let header = raw.header();
        let codec = header.attributes.codec().expect("a codec");
        let payload = decompress(codec, &raw.payload(), Default::default()).expect("its records");
        for record in RecordIter::new(&payload, header.record_count) {
            let record = record.expect("a record");
            let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
            all.push((header.base_offset + i64::from(record.offset_delta), value));
        }
    }
    all
}

/// A produce request for one partition of a topic by its name.
pub fn to_produce<'a>(topic: &'a str, index: i32, records: impl Into<Bytes>) -> ProduceRequest<'a> {
    let records = Some(Records::from(records.into()));
    let partition_data = vec![PartitionProduceData { index, records }];
    let topic_data = vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }];
    ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data, ..Default::default() }
}

/// A fetch of one partition of a topic by its name, of up to 1 MiB, without waiting.
pub fn to_fetch(topic: &str, partition: i32, fetch_offset: i64) -> FetchRequest<'_> {
    let of = FetchPartition { partition, fetch_offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topics = vec![FetchTopic { topic: topic.into(), partitions: vec![of], ..Default::default() }];
    FetchRequest { min_bytes: 1, max_bytes: 1 << 24, topics, ..Default::default() }
}

impl Raw {
    /// Makes a topic, and waits until its partitions serve.
    ///
    /// # Panics
    /// When it is refused.
    pub fn create(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&'static str, &str)],
    ) -> MetadataResponseTopic<'static> {
        let config = |&(name, value): &(&'static str, &str)| CreatableTopicConfig {
            name: name.into(),
            value: Some(value.to_owned().into()),
        };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
        let made = self.ask(7, &request);
        assert_eq!(made.topics[0].error_code, ErrorCode::NONE, "{made:?}");
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let topic = self.topic(name);
            let mut serves = |index| self.offset(name, index, -1, -1).error_code.is_ok();
            if topic.error_code.is_ok() && topic.partitions.iter().all(|p| serves(p.partition_index)) {
                return topic;
            }
            assert!(Instant::now() < deadline, "{topic:?}");
            thread::sleep(Duration::from_millis(20)); // Kafka's metadata follow a little later.
        }
    }

    /// What the metadata say of a topic; it is not made by asking.
    pub fn topic(&mut self, name: &str) -> MetadataResponseTopic<'static> {
        let topic = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        self.ask(12, &request).topics.remove(0)
    }

    /// The id of a topic.
    pub fn topic_id(&mut self, name: &str) -> Uuid {
        self.topic(name).topic_id
    }

    /// Produces a batch to a partition with `acks=all`.
    pub fn produce(
        &mut self,
        topic: &str,
        index: i32,
        records: impl Into<Bytes>,
    ) -> PartitionProduceResponse<'static> {
        self.ask(9, &to_produce(topic, index, records)).responses.remove(0).partition_responses.remove(0)
    }

    /// [`Raw::produce`] that must succeed: the first offset.
    ///
    /// # Panics
    /// When it does not.
    pub fn append(&mut self, topic: &str, index: i32, records: impl Into<Bytes>) -> i64 {
        let answer = self.produce(topic, index, records);
        assert_eq!(answer.error_code, ErrorCode::NONE, "{answer:?}");
        answer.base_offset
    }

    /// Fetches from a partition without waiting.
    pub fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> PartitionData<'static> {
        self.ask(12, &to_fetch(topic, partition, offset)).responses.remove(0).partitions.remove(0)
    }

    /// A partition's offset at `timestamp`, with the client's idea of the leader epoch.
    pub fn offset(
        &mut self,
        topic: &str,
        partition_index: i32,
        timestamp: i64,
        current_leader_epoch: i32,
    ) -> ListOffsetsPartitionResponse {
        let partitions = vec![ListOffsetsPartition { partition_index, current_leader_epoch, timestamp }];
        let topics = vec![ListOffsetsTopic { name: topic.into(), partitions }];
        let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        self.ask(9, &request).topics.remove(0).partitions.remove(0)
    }

    /// The end of a partition.
    pub fn end(&mut self, topic: &str, partition: i32) -> i64 {
        self.offset(topic, partition, -1, -1).offset
    }

    /// Waits until the coordinators of groups serve: a fresh Kafka makes and loads its offsets topic at the first
    /// question, and says NOT_COORDINATOR for each of its partitions meanwhile.
    ///
    /// # Panics
    /// When they do not within 30 s.
    pub fn wait_for_coordinators(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let find = FindCoordinatorRequest { coordinator_keys: vec!["any".into()], ..Default::default() };
        let is_loading = |code: ErrorCode| {
            matches!(
                code,
                ErrorCode::NOT_COORDINATOR
                    | ErrorCode::COORDINATOR_NOT_AVAILABLE
                    | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            )
        };
        // Names enough to meet every partition of the offsets topic.
        let groups: Vec<String> = (0..32).map(|number| format!("ready-{number}")).collect();
        let describe = DescribeGroupsRequest {
            groups: groups.iter().map(|group| group.clone().into()).collect(),
            ..Default::default()
        };
        loop {
            let found = self.ask(4, &find).coordinators.iter().any(|each| is_loading(each.error_code));
            if !found && !self.ask(5, &describe).groups.iter().any(|group| is_loading(group.error_code)) {
                return;
            }
            assert!(Instant::now() < deadline, "the coordinators do not serve");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A new producer id and its epoch.
    ///
    /// # Panics
    /// When it is refused for more than 20 s (a fresh Kafka has its coordinators still to load).
    pub fn producer(&mut self) -> (i64, i16) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let request = InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms: 60_000,
                ..Default::default()
            };
            let answer = self.ask(4, &request);
            if answer.error_code.is_ok() {
                return (answer.producer_id, answer.producer_epoch);
            }
            assert!(Instant::now() < deadline, "{answer:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}
