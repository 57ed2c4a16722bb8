//! Consumer groups of the classic protocol: every version of every API, and the rules that clients lean on.

use klamm_conformance::{Broker, Raw, not_run, unique};
use klamm_protocol::{
    ApiKey, Blob, DeleteGroupsRequest, DescribeGroupsRequest, ErrorCode, FindCoordinatorRequest,
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest, Uuid,
    join_group::JoinGroupRequestProtocol,
    leave_group::MemberIdentity,
    offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics},
    sync_group::SyncGroupRequestAssignment,
};

use crate::pair;

/// A member that joined and synced.
struct Member {
    group: String,
    id: String,
    generation: i32,
}

fn join(raw: &mut Raw, version: i16, group: &str, member: &str) -> JoinGroupResponse<'static> {
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: Blob::Borrowed(b"me") };
    let request = JoinGroupRequest {
        group_id: group.to_owned().into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: member.to_owned().into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    };
    raw.ask(version, &request)
}

fn sync(raw: &mut Raw, version: i16, member: &Member) -> (ErrorCode, Vec<u8>) {
    let assignment = SyncGroupRequestAssignment {
        member_id: member.id.clone().into(),
        assignment: Blob::Borrowed(b"yours"),
    };
    let request = SyncGroupRequest {
        group_id: member.group.clone().into(),
        generation_id: member.generation,
        member_id: member.id.clone().into(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: vec![assignment],
        ..Default::default()
    };
    let answer = raw.ask(version, &request);
    (answer.error_code, answer.assignment.to_vec())
}

/// Joins as the only member and syncs.
fn stable(raw: &mut Raw, group: &str) -> Member {
    let first = join(raw, 9, group, "");
    assert_eq!(first.error_code, ErrorCode::MEMBER_ID_REQUIRED);
    let joined = join(raw, 9, group, &first.member_id);
    assert_eq!(joined.error_code, ErrorCode::NONE);
    let member = Member {
        group: group.to_owned(),
        id: joined.member_id.to_string(),
        generation: joined.generation_id,
    };
    assert_eq!(sync(raw, 5, &member), (ErrorCode::NONE, b"yours".to_vec()));
    member
}

fn heartbeat(raw: &mut Raw, version: i16, member: &Member) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: member.group.clone().into(),
        generation_id: member.generation,
        member_id: member.id.clone().into(),
        ..Default::default()
    };
    raw.ask(version, &request).error_code
}

fn leave(raw: &mut Raw, version: i16, member: &Member) -> ErrorCode {
    let id = member.id.clone();
    let batched = version >= 3;
    let identity = MemberIdentity { member_id: id.clone().into(), ..Default::default() };
    let request = LeaveGroupRequest {
        group_id: member.group.clone().into(),
        member_id: if batched { "".into() } else { id.into() },
        members: if batched { vec![identity] } else { Vec::new() },
    };
    let answer = raw.ask(version, &request);
    if batched { answer.members[0].error_code } else { answer.error_code }
}

fn commit(raw: &mut Raw, version: i16, member: &Member, topic: &str, offset: i64) -> ErrorCode {
    let topic_id = if version >= 10 { raw.topic_id(topic) } else { Uuid::ZERO };
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: offset,
        committed_leader_epoch: 1,
        committed_metadata: Some("words".into()),
    };
    let topics = vec![OffsetCommitRequestTopic {
        name: topic.to_owned().into(),
        topic_id,
        partitions: vec![partition],
    }];
    let request = OffsetCommitRequest {
        group_id: member.group.clone().into(),
        generation_id_or_member_epoch: member.generation,
        member_id: member.id.clone().into(),
        topics,
        ..Default::default()
    };
    raw.ask(version, &request).topics[0].partitions[0].error_code
}

/// The committed offset, its words and its error; in the form of each version.
fn fetch(raw: &mut Raw, version: i16, group: &str, topic: &str) -> (i64, String, ErrorCode) {
    let words = |words: &Option<klamm_protocol::Str<'_>>| words.as_deref().unwrap_or_default().to_owned();
    if version < 8 {
        let topics =
            vec![OffsetFetchRequestTopic { name: topic.to_owned().into(), partition_indexes: vec![0] }];
        let request = OffsetFetchRequest {
            group_id: group.to_owned().into(),
            topics: Some(topics),
            ..Default::default()
        };
        let answer = raw.ask(version, &request);
        let found = &answer.topics[0].partitions[0];
        return (found.committed_offset, words(&found.metadata), found.error_code);
    }
    let topic_id = if version >= 10 { raw.topic_id(topic) } else { Uuid::ZERO };
    let topics = vec![OffsetFetchRequestTopics {
        name: topic.to_owned().into(),
        topic_id,
        partition_indexes: vec![0],
    }];
    let group = OffsetFetchRequestGroup {
        group_id: group.to_owned().into(),
        topics: Some(topics),
        ..Default::default()
    };
    let answer = raw.ask(version, &OffsetFetchRequest { groups: vec![group], ..Default::default() });
    let found = &answer.groups[0].topics[0].partitions[0];
    (found.committed_offset, words(&found.metadata), found.error_code)
}

/// The row of an API for [`crate::versions`]; false if it is not one of groups.
pub(crate) fn exercise(raw: &mut Raw, topic: &str, api: ApiKey, version: i16, what: &str) -> bool {
    let group = unique("group");
    match api {
        ApiKey::FindCoordinator => coordinator(raw, &group, version, what),
        ApiKey::JoinGroup => first(raw, &group, version, what),
        ApiKey::SyncGroup => syncs(raw, &group, version, what),
        ApiKey::Heartbeat => beats(raw, &group, version, what),
        ApiKey::LeaveGroup => leaves(raw, &group, version, what),
        ApiKey::OffsetCommit => commits(raw, &group, topic, version, what),
        ApiKey::OffsetFetch => fetches(raw, &group, topic, version, what),
        ApiKey::DescribeGroups => describe(raw, version, &group, what),
        ApiKey::ListGroups => listed(raw, &group, version, what),
        ApiKey::DeleteGroups => deleted(raw, &group, version, what),
        ApiKey::OffsetDelete => forgotten(raw, &group, topic, version, what),
        _ => return false,
    }
    true
}

fn coordinator(raw: &mut Raw, group: &str, version: i16, what: &str) {
    let keys = vec![group.to_owned().into()];
    let request = match version {
        ..4 => FindCoordinatorRequest { key: group.to_owned().into(), ..Default::default() },
        4.. => FindCoordinatorRequest { coordinator_keys: keys, ..Default::default() },
    };
    let answer = raw.ask(version, &request);
    let (code, port) = match version {
        ..4 => (answer.error_code, answer.port),
        4.. => (answer.coordinators[0].error_code, answer.coordinators[0].port),
    };
    assert!(code.is_ok() && port > 0, "{what}: {answer:?}");
}

fn first(raw: &mut Raw, group: &str, version: i16, what: &str) {
    let mut joined = join(raw, version, group, "");
    if version >= 4 {
        assert_eq!(joined.error_code, ErrorCode::MEMBER_ID_REQUIRED, "{what}");
        joined = join(raw, version, group, &joined.member_id);
    }
    assert_eq!((joined.error_code, joined.generation_id), (ErrorCode::NONE, 1), "{what}");
    assert_eq!((joined.leader.clone(), joined.members.len()), (joined.member_id.clone(), 1), "{what}");
    assert_eq!(joined.protocol_name.as_deref(), Some("range"), "{what}");
    let odd = join(raw, version, group, "nobody");
    assert_eq!(odd.error_code, ErrorCode::UNKNOWN_MEMBER_ID, "{what}");
}

fn syncs(raw: &mut Raw, group: &str, version: i16, what: &str) {
    let mut member = stable(raw, group);
    assert_eq!(sync(raw, version, &member), (ErrorCode::NONE, b"yours".to_vec()), "{what}");
    member.generation += 1;
    assert_eq!(sync(raw, version, &member).0, ErrorCode::ILLEGAL_GENERATION, "{what}");
}

fn beats(raw: &mut Raw, group: &str, version: i16, what: &str) {
    let mut member = stable(raw, group);
    assert_eq!(heartbeat(raw, version, &member), ErrorCode::NONE, "{what}");
    member.generation += 1;
    assert_eq!(heartbeat(raw, version, &member), ErrorCode::ILLEGAL_GENERATION, "{what}");
    member.id.push('x');
    assert_eq!(heartbeat(raw, version, &member), ErrorCode::UNKNOWN_MEMBER_ID, "{what}");
}

fn leaves(raw: &mut Raw, group: &str, version: i16, what: &str) {
    let member = stable(raw, group);
    assert_eq!(leave(raw, version, &member), ErrorCode::NONE, "{what}");
    assert_eq!(leave(raw, version, &member), ErrorCode::UNKNOWN_MEMBER_ID, "{what}");
}

fn commits(raw: &mut Raw, group: &str, topic: &str, version: i16, what: &str) {
    let mut member = stable(raw, group);
    assert_eq!(commit(raw, version, &member, topic, 5), ErrorCode::NONE, "{what}");
    assert_eq!(fetch(raw, 9, group, topic), (5, "words".to_owned(), ErrorCode::NONE), "{what}");
    member.generation += 1;
    assert_eq!(commit(raw, version, &member, topic, 6), ErrorCode::ILLEGAL_GENERATION, "{what}");
}

fn fetches(raw: &mut Raw, group: &str, topic: &str, version: i16, what: &str) {
    assert_eq!(fetch(raw, version, group, topic), (-1, String::new(), ErrorCode::NONE), "{what}");
    let member = stable(raw, group);
    commit(raw, 9, &member, topic, 7);
    assert_eq!(fetch(raw, version, group, topic), (7, "words".to_owned(), ErrorCode::NONE), "{what}");
}

fn listed(raw: &mut Raw, group: &str, version: i16, what: &str) {
    stable(raw, group);
    let listed = raw.ask(version, &ListGroupsRequest::default());
    let found = listed.groups.iter().find(|found| *found.group_id == *group).expect("it is listed");
    assert_eq!(&*found.protocol_type, "consumer", "{what}");
    assert_eq!(&*found.group_state, if version >= 4 { "Stable" } else { "" }, "{what}");
}

fn deleted(raw: &mut Raw, group: &str, version: i16, what: &str) {
    let member = stable(raw, group);
    let mut delete = || {
        let request = DeleteGroupsRequest { groups_names: vec![group.to_owned().into()] };
        raw.ask(version, &request).results[0].error_code
    };
    assert_eq!(delete(), ErrorCode::NON_EMPTY_GROUP, "{what}");
    leave(raw, 3, &member);
    let request = DeleteGroupsRequest { groups_names: vec![group.to_owned().into()] };
    assert_eq!(raw.ask(version, &request).results[0].error_code, ErrorCode::NONE, "{what}");
    assert_eq!(raw.ask(version, &request).results[0].error_code, ErrorCode::GROUP_ID_NOT_FOUND, "{what}");
}

fn forgotten(raw: &mut Raw, group: &str, topic: &str, version: i16, what: &str) {
    let member = stable(raw, group);
    commit(raw, 9, &member, topic, 7);
    leave(raw, 3, &member);
    let partitions = vec![OffsetDeleteRequestPartition { partition_index: 0 }];
    let topics = vec![OffsetDeleteRequestTopic { name: topic.to_owned().into(), partitions }];
    let answer = raw.ask(version, &OffsetDeleteRequest { group_id: group.to_owned().into(), topics });
    assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::NONE, "{what}");
    assert_eq!(fetch(raw, 9, group, topic).0, -1, "{what}");
}

fn describe(raw: &mut Raw, version: i16, group: &str, what: &str) {
    let request = DescribeGroupsRequest { groups: vec![group.to_owned().into()], ..Default::default() };
    let missing = &raw.ask(version, &request).groups[0];
    let code = if version >= 6 { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE };
    assert_eq!((missing.error_code, &*missing.group_state), (code, "Dead"), "{what}");
    let member = stable(raw, group);
    let found = &raw.ask(version, &request).groups[0];
    assert_eq!((found.error_code, &*found.group_state), (ErrorCode::NONE, "Stable"), "{what}");
    assert_eq!((&*found.protocol_type, &*found.protocol_data), ("consumer", "range"), "{what}");
    let one = &found.members[0];
    assert_eq!((&*one.member_id, &*one.client_host), (&*member.id, "/127.0.0.1"), "{what}");
    assert_eq!((&*one.member_metadata, &*one.member_assignment), (&b"me"[..], &b"yours"[..]), "{what}");
}

#[test]
fn a_second_member_makes_the_first_rejoin() {
    let (broker, mut raw) = pair();
    let group = unique("rebalance");
    let first = stable(&mut raw, &group);
    let mut other = Raw::connect(broker.addr());
    let id = join(&mut other, 9, &group, "").member_id.to_string();
    let joining = std::thread::spawn({
        let (group, id) = (group.clone(), id.clone());
        move || (join(&mut other, 9, &group, &id), other)
    });
    // The first learns of it by its heartbeat.
    while heartbeat(&mut raw, 4, &first) == ErrorCode::NONE {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(heartbeat(&mut raw, 4, &first), ErrorCode::REBALANCE_IN_PROGRESS);
    let again = join(&mut raw, 9, &group, &first.id);
    let (joined, mut other) = joining.join().expect("the second joins");
    assert_eq!((again.generation_id, joined.generation_id), (2, 2));
    assert_eq!(again.leader, joined.leader, "both know one leader");
    assert_eq!((again.members.len(), joined.members.len()), (2, 0), "the leader, who stays, knows all");
    let leader = Member { group: group.clone(), id: first.id, generation: 2 };
    let follower = Member { group, id, generation: 2 };
    let waiting = std::thread::spawn(move || sync(&mut other, 5, &follower));
    assert_eq!(sync(&mut raw, 5, &leader).0, ErrorCode::NONE);
    assert_eq!(
        waiting.join().expect("the follower syncs"),
        (ErrorCode::NONE, Vec::new()),
        "nothing was given to it"
    );
}

#[test]
fn offsets_and_groups_outlive_a_kill() {
    let Broker::Klamm(mut server) = pair().0 else { return not_run("it restarts klamm") };
    let (group, topic) = (unique("kept"), unique("kept"));
    let mut raw = Raw::connect(server.addr());
    raw.create(&topic, 1, &[]);
    let member = stable(&mut raw, &group);
    assert_eq!(commit(&mut raw, 9, &member, &topic, 41), ErrorCode::NONE);
    assert_eq!(commit(&mut raw, 9, &member, &topic, 42), ErrorCode::NONE);
    server.kill9();
    server.restart();
    let mut raw = Raw::connect(server.addr());
    assert_eq!(fetch(&mut raw, 9, &group, &topic), (42, "words".to_owned(), ErrorCode::NONE));
    assert_eq!(heartbeat(&mut raw, 4, &member), ErrorCode::NONE, "the generation is there again");
    assert_eq!(commit(&mut raw, 9, &member, &topic, 43), ErrorCode::NONE);
}

#[test]
fn a_deleted_topic_takes_its_offsets_along() {
    let (_broker, mut raw) = pair();
    let (group, topic) = (unique("forgotten"), unique("forgotten"));
    raw.create(&topic, 1, &[]);
    let simple = Member { group: group.clone(), id: String::new(), generation: -1 };
    assert_eq!(commit(&mut raw, 9, &simple, &topic, 9), ErrorCode::NONE);
    assert_eq!(fetch(&mut raw, 9, &group, &topic).0, 9);
    let request = klamm_protocol::DeleteTopicsRequest {
        topic_names: vec![topic.clone().into()],
        timeout_ms: 10_000,
        ..Default::default()
    };
    assert!(raw.ask(5, &request).responses[0].error_code.is_ok());
    raw.create(&topic, 1, &[]);
    assert_eq!(fetch(&mut raw, 9, &group, &topic).0, -1, "the new topic of the name has none");
}
