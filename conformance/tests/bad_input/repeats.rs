//! Names that a request repeats: Kafka answers each time, and a thousand bytes would ask for a gigabyte. Few are answered,
//! many are closed.

use klamm_conformance::{Raw, batch_of, unique};
use klamm_protocol::describe_configs::DescribeConfigsResource;
use klamm_protocol::describe_producers::TopicRequest;
use klamm_protocol::join_group::JoinGroupRequestProtocol;
use klamm_protocol::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use klamm_protocol::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use klamm_protocol::sync_group::SyncGroupRequestAssignment;
use klamm_protocol::{
    Blob, DescribeConfigsRequest, DescribeGroupsRequest, DescribeProducersRequest, JoinGroupRequest,
    OffsetCommitRequest, OffsetFetchRequest, Request, SyncGroupRequest,
};

use crate::{Attacked, MIB};

/// Asks with a name `count` times, after it was asked twice. `R` by version.
fn check<R: Request>(
    attacked: &Attacked,
    version: i16,
    request: impl Fn(usize) -> R,
    answers: fn(&R::Response<'_>) -> usize,
    count: usize,
) {
    let few = attacked.connect().ask(version, &request(2));
    assert_eq!(answers(&few), 2, "{} tells what is named twice twice", R::API);
    let before = attacked.server.peak_bytes();
    assert!(
        attacked.connect().try_ask(version, &request(count)).is_none(),
        "{} v{version}: very many",
        R::API
    );
    let grew = attacked.server.peak_bytes() - before;
    assert!(grew < 16 * MIB, "{} v{version}: {grew} bytes of memory", R::API);
}

#[test]
fn configurations() {
    const BROKER: i8 = 4;
    let attacked = Attacked::start(&["-c", "node.id=1"]);
    let resource = DescribeConfigsResource {
        resource_type: BROKER,
        resource_name: "1".into(),
        configuration_keys: None,
    };
    let request = |count| DescribeConfigsRequest {
        resources: vec![resource.clone(); count],
        include_synonyms: true,
        include_documentation: true,
    };
    check(&attacked, 4, request, |answer| answer.results.len(), 20_000);
    attacked.survived(16 * MIB);
}

#[test]
fn producers() {
    let attacked = Attacked::start(&[]);
    let mut raw = attacked.connect();
    let topic = unique("producers");
    raw.create(&topic, 1, &[]);
    for id in 0..500 {
        raw.append(&topic, 0, batch_of(Some((id, 0, 0)), &["x"]));
    }
    let of = |count| TopicRequest { name: topic.clone().into(), partition_indexes: vec![0; count] };
    let request = |count| DescribeProducersRequest { topics: vec![of(count)] };
    check(&attacked, 0, request, |answer| answer.topics[0].partitions.len(), 50_000);
    attacked.survived(16 * MIB);
}

/// A stable group of one member, with so much metadata, and an assignment as large.
fn group(raw: &mut Raw, bytes: usize) -> String {
    let group = unique("group");
    let protocols =
        vec![JoinGroupRequestProtocol { name: "p".into(), metadata: Blob::Owned(vec![1; bytes]) }];
    let join = JoinGroupRequest {
        group_id: group.clone().into(),
        session_timeout_ms: 60_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols,
        ..Default::default()
    };
    let joined = raw.ask(2, &join);
    assert!(joined.error_code.is_ok(), "{joined:?}");
    let assignment = Blob::Owned(vec![2; bytes]);
    let assignments = vec![SyncGroupRequestAssignment { member_id: joined.member_id.clone(), assignment }];
    let sync = SyncGroupRequest {
        group_id: group.clone().into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id,
        assignments,
        ..Default::default()
    };
    assert!(raw.ask(2, &sync).error_code.is_ok());
    group
}

#[test]
fn groups() {
    let attacked = Attacked::start(&["-c", "group.initial.rebalance.delay.ms=0"]);
    let group = group(&mut attacked.connect(), 100_000);
    let request =
        |count| DescribeGroupsRequest { groups: vec![group.clone().into(); count], ..Default::default() };
    check(&attacked, 5, request, |answer| answer.groups.len(), 5000);
    attacked.survived(16 * MIB);
}

#[test]
fn offsets() {
    let attacked = Attacked::start(&[]);
    let mut raw = attacked.connect();
    let (topic, group) = (unique("offsets"), unique("group"));
    raw.create(&topic, 1, &[]);
    let partition = OffsetCommitRequestPartition {
        committed_metadata: Some("m".repeat(4096).into()),
        ..Default::default()
    };
    let topics = vec![OffsetCommitRequestTopic {
        name: topic.clone().into(),
        partitions: vec![partition],
        ..Default::default()
    }];
    let commit = OffsetCommitRequest {
        group_id: group.clone().into(),
        generation_id_or_member_epoch: -1,
        topics,
        ..Default::default()
    };
    assert!(raw.ask(8, &commit).topics[0].partitions[0].error_code.is_ok());
    let of =
        |topics| OffsetFetchRequestGroup { group_id: group.clone().into(), topics, ..Default::default() };
    let whole = |count| OffsetFetchRequest { groups: vec![of(None); count], ..Default::default() };
    check(&attacked, 8, whole, |answer| answer.groups.iter().map(|group| group.topics.len()).sum(), 20_000);
    let named = |count| {
        let partition_indexes = vec![0; count];
        let topics = vec![OffsetFetchRequestTopics {
            name: topic.clone().into(),
            partition_indexes,
            ..Default::default()
        }];
        OffsetFetchRequest { groups: vec![of(Some(topics))], ..Default::default() }
    };
    check(&attacked, 8, named, |answer| answer.groups[0].topics[0].partitions.len(), 50_000);
    attacked.survived(16 * MIB);
}
