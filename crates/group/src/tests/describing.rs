//! DescribeGroups, ListGroups, and a group that is too large for new settings.

use klamm_model::Epoch;

use super::story::{Story, subscription};
use crate::{Coordinator, GroupConfig, GroupState, GroupType};

fn stable() -> Story {
    let mut story = Story::new(GroupConfig::default());
    for deed in
        ["a joins", "b joins static=i", "6s", "b syncs", "a syncs a=0,b=1", "- commits t:0=1", "a@h joins"]
    {
        story.tell(deed);
    }
    story
}

#[test]
fn a_stable_group_tells_all() {
    let mut story = stable();
    let seen = story.coordinator.describe("g").unwrap();
    assert_eq!((&*seen.protocol_type, &*seen.protocol, seen.members.len()), ("consumer", "range", 2));
    let member = &seen.members[1];
    assert_eq!((member.id.as_str(), &*member.client_id, &*member.client_host), ("i-1", "b", "/127.0.0.1"));
    assert_eq!(member.instance.as_ref().map(|instance| instance.as_str()), Some("i"));
    assert_eq!((&member.metadata, &member.assignment[..]), (&subscription("t"), &b"1"[..]));
    story.tell("a joins");
    let seen = story.coordinator.describe("g").unwrap();
    assert_eq!((seen.state, &*seen.protocol), (GroupState::PreparingRebalance, ""));
    assert!(seen.members.iter().all(|member| member.metadata.is_empty()));
    assert_eq!(story.coordinator.describe("nobody"), None);
    story.end();
}

#[test]
fn lists_are_filtered() {
    let mut story = stable();
    let list = |story: &Story, states: Option<&[GroupState]>, types: Option<&[GroupType]>| {
        let listed = story.coordinator.list(states, types);
        listed.iter().map(|listed| listed.group.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(&story, None, Some(&[GroupType::Classic])), ["g", "h"]);
    assert_eq!(list(&story, Some(&[GroupState::Stable, GroupState::Empty]), None), ["g"]);
    assert_eq!(list(&story, Some(&[]), None), [""; 0]);
    assert_eq!(list(&story, None, Some(&[])), [""; 0]);
    let parsed = [" preparingrebalance", "STABLE ", "dead"].map(GroupState::parse);
    assert_eq!(parsed, [Some(GroupState::PreparingRebalance), Some(GroupState::Stable), None]);
    assert_eq!(["Classic", "consumer"].map(GroupType::parse), [Some(GroupType::Classic), None]);
    story.end();
}

#[test]
fn a_group_that_is_too_large_rebalances_when_it_is_loaded() {
    let mut story = stable();
    let config = GroupConfig { members_max: 1, ..GroupConfig::default() };
    let (loaded, outputs) = Coordinator::load(Epoch(1), config, &story.machine, 0);
    assert_eq!(outputs, []);
    assert_eq!(loaded.describe("g").unwrap().state, GroupState::PreparingRebalance);
    assert_eq!(loaded.deadline_ms(), Some(10_000), "their sessions begin anew");
    story.end();
}
