//! The machine by itself: what it refuses, and what it persists.

use bytes::Bytes;
use klamm_machine::{Machine, Now, PayloadReader, PayloadWriter, Record};
use klamm_model::{Epoch, TopicId, TopicName};

use super::story::{Story, assert_snapshot};
use crate::{
    Command, CommittedOffset, Committer, Generation, GenerationMember, GroupConfig, GroupError, GroupRecord,
    Groups, NewOffset, Reply, Request,
};

fn generation(id: i32, members: &[&str]) -> Generation {
    let member = |id: &&str| GenerationMember {
        id: (*id).into(),
        instance: id.starts_with('i').then(|| "i".into()),
        client_id: "client".into(),
        client_host: "/10.0.0.1".into(),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 10_000,
        metadata: Bytes::from_static(b"meta"),
        assignment: Bytes::from_static(b"mine"),
    };
    Generation {
        id,
        protocol_type: "consumer".into(),
        protocol: (!members.is_empty()).then(|| "range".into()),
        leader: members.first().map(|member| (*member).into()),
        members: members.iter().map(member).collect(),
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn offset(name: &str, id: u8, partition: i32, offset: i64) -> NewOffset {
    let topic_id = TopicId([id; 16]);
    NewOffset { topic: topic(name), topic_id, partition, offset, leader_epoch: 1, metadata: "m".into() }
}

fn commit(committer: Committer, offsets: Vec<NewOffset>) -> Request {
    Request::Commit { group: "g".into(), committer, retention_ms: None, offsets }
}

fn ask(story: &mut Story, request: Request) -> Reply {
    story.decide(Command { epoch: Some(Epoch(1)), request })
}

fn completed(story: &mut Story, generation: Generation) -> Reply {
    ask(story, Request::Complete { group: "g".into(), generation })
}

#[test]
fn what_records_can_tell_is_checked_again() {
    let mut story = Story::new(GroupConfig::default());
    assert_eq!(completed(&mut story, generation(3, &["a"])), Reply::Done);
    let one = || vec![offset("t", 1, 0, 5)];
    let refused = |error| Reply::Refused(error);
    assert_eq!(ask(&mut story, commit(Committer::Simple, one())), refused(GroupError::UnknownMemberId));
    assert_eq!(ask(&mut story, commit(Committer::Member(2), one())), refused(GroupError::IllegalGeneration));
    assert_eq!(ask(&mut story, commit(Committer::Member(3), one())), Reply::Done);
    assert_eq!(ask(&mut story, commit(Committer::Member(4), one())), Reply::Done, "it joined the next one");
    let stale = Command { epoch: Some(Epoch(0)), request: commit(Committer::Member(3), one()) };
    assert_eq!(story.decide(stale), Reply::Fenced);
    assert_eq!(completed(&mut story, generation(2, &["a"])), Reply::Fenced, "generations don't go back");
    let delete = || Request::DeleteGroup { group: "g".into() };
    assert_eq!(ask(&mut story, delete()), refused(GroupError::NonEmptyGroup));
    assert_eq!(completed(&mut story, generation(4, &[])), Reply::Done);
    assert_eq!(ask(&mut story, delete()), Reply::Done);
    assert_eq!(story.machine, Groups::default());
    assert_eq!(ask(&mut story, delete()), Reply::Done, "deleting twice is deleting once");
}

#[test]
fn an_offset_is_deleted_once_however_often_it_is_named() {
    let mut story = Story::new(GroupConfig::default());
    ask(&mut story, commit(Committer::Simple, vec![offset("t", 1, 0, 5), offset("t", 1, 1, 6)]));
    let partitions = [1, 0, 1, 7, 1].map(|index| (topic("t"), index)).to_vec();
    let request = Request::DeleteOffsets { group: "g".into(), partitions };
    let now = Now { epoch: Epoch(1), wall_ms: 0 };
    let decided = story.machine.decide(Command { epoch: Some(Epoch(1)), request }, now);
    let Some(GroupRecord::OffsetsDeleted { partitions, .. }) = decided.record else { panic!("{decided:?}") };
    assert_eq!(partitions, [(topic("t"), 1), (topic("t"), 0)]);
}

#[test]
fn a_topic_of_the_same_name_is_another() {
    let mut story = Story::new(GroupConfig::default());
    ask(
        &mut story,
        commit(Committer::Simple, vec![offset("t", 1, 0, 5), offset("t", 2, 1, 6), offset("t", 0, 2, 7)]),
    );
    let read = |story: &Story, id: u8| {
        let at = |partition| story.machine.offset("g", "t", TopicId([id; 16]), partition).map(|o| o.offset);
        [at(0), at(1), at(2)]
    };
    assert_eq!(read(&story, 0), [Some(5), Some(6), Some(7)]);
    assert_eq!(read(&story, 1), [Some(5), None, Some(7)]);
    let forget = Request::ForgetTopic { topic: topic("t"), id: TopicId([1; 16]) };
    story.decide(Command { epoch: None, request: forget });
    assert_eq!(read(&story, 0), [None, Some(6), None]);
    assert_eq!(story.machine.offsets("g").count(), 1);
    assert_eq!(story.machine.offsets("h").count(), 0);
}

#[test]
fn only_what_needs_space_is_refused_on_a_full_disk() {
    let space = |request| Groups::space_bytes(&Command { epoch: None, request });
    let complete = |generation| Request::Complete { group: "g".into(), generation };
    assert_eq!(space(complete(generation(1, &[]))), None);
    assert_eq!(space(Request::DeleteGroup { group: "g".into() }), None);
    let long = "n".repeat(30_000);
    let long_names = || Generation {
        protocol_type: long.as_str().into(),
        protocol: Some(long.as_str().into()),
        leader: Some(long.as_str().into()),
        ..generation(1, &["a"])
    };
    let mut commit_of_long = commit(Committer::Simple, vec![offset("t", 1, 0, 5)]);
    let Request::Commit { group, .. } = &mut commit_of_long else { panic!("it is a commit") };
    *group = long.as_str().into();
    let records = [
        (
            Request::Complete { group: long.as_str().into(), generation: long_names() },
            GroupRecord::Completed { group: long.as_str().into(), generation: long_names() },
        ),
        (
            commit_of_long,
            GroupRecord::Committed {
                group: long.as_str().into(),
                offsets: vec![(topic("t"), 0, committed(None))],
            },
        ),
        (
            complete(generation(1, &["a", "i1"])),
            GroupRecord::Completed { group: "g".into(), generation: generation(1, &["a", "i1"]) },
        ),
        (
            commit(Committer::Simple, vec![offset("t", 1, 0, 5); 100]),
            GroupRecord::Committed {
                group: "g".into(),
                offsets: vec![(topic("t"), 0, committed(Some(9))); 100],
            },
        ),
    ];
    for (request, record) in records {
        let mut out = PayloadWriter::default();
        record.encode(&mut out);
        assert!(space(request).unwrap() >= out.len() as u64);
    }
}

fn committed(expire_ms: Option<i64>) -> CommittedOffset {
    let (topic_id, metadata) = (TopicId([7; 16]), "m".into());
    CommittedOffset { topic_id, offset: 8, leader_epoch: -1, metadata, committed_ms: 1, expire_ms }
}

#[test]
fn records_are_read_as_they_were_written() {
    let group = || "g".into();
    let partitions = vec![(topic("t"), 0), (topic("u"), 7)];
    let records = [
        GroupRecord::Completed { group: group(), generation: generation(3, &["a", "i1"]) },
        GroupRecord::Completed { group: group(), generation: generation(4, &[]) },
        GroupRecord::Committed {
            group: group(),
            offsets: vec![(topic("t"), 0, committed(None)), (topic("t"), 1, committed(Some(5)))],
        },
        GroupRecord::OffsetsDeleted { group: group(), partitions: partitions.clone() },
        GroupRecord::GroupDeleted { group: group() },
        GroupRecord::TopicForgotten { topic: topic("t"), id: TopicId([3; 16]) },
        GroupRecord::Expired { offsets: vec![(group(), partitions)], groups: vec!["h".into()] },
    ];
    for record in records {
        let mut out = PayloadWriter::default();
        record.encode(&mut out);
        let bytes = Bytes::from(out.finish().concat());
        let mut input = PayloadReader::new(bytes.clone());
        assert_eq!(GroupRecord::decode(&mut input).unwrap(), record);
        input.finish().unwrap();
        for end in 0..bytes.len() {
            assert!(
                GroupRecord::decode(&mut PayloadReader::new(bytes.slice(..end))).is_err(),
                "cut at {end}"
            );
        }
    }
    assert!(GroupRecord::decode(&mut PayloadReader::new(Bytes::from_static(&[99]))).is_err());
}

/// The bytes of a release: a change here needs a new tag.
#[test]
fn the_format_is_what_it_was() {
    let record =
        GroupRecord::Committed { group: "g".into(), offsets: vec![(topic("t"), 1, committed(None))] };
    let mut out = PayloadWriter::default();
    record.encode(&mut out);
    let golden = [
        &[2, 0, 0, 0, 1, b'g', 0, 0, 0, 1, 0, 0, 0, 1, b't', 0, 0, 0, 1][..],
        &[7; 16],
        &[0, 0, 0, 0, 0, 0, 0, 8, 255, 255, 255, 255, 0, 0, 0, 1, b'm', 0, 0, 0, 0, 0, 0, 0, 1, 0],
    ];
    assert_eq!(out.finish().concat(), golden.concat());
}

#[test]
fn a_snapshot_is_the_state() {
    let mut story = Story::new(GroupConfig::default());
    completed(&mut story, generation(3, &["a", "i1"]));
    ask(&mut story, commit(Committer::Member(3), vec![offset("t", 1, 0, 5), offset("u", 2, 1, 6)]));
    ask(
        &mut story,
        Request::Complete { group: "a group with a longer name".into(), generation: generation(1, &[]) },
    );
    assert_snapshot(&story.machine);
    for (key, value) in story.machine.snapshot() {
        for end in 0..value.len() {
            assert!(Groups::default().restore(key.clone(), value.slice(..end)).is_err());
        }
    }
}
