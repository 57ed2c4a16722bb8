//! Whatever happens: generations rise, the leader is a member, requests are answered once (the story checks that),
//! members of a stable group have assignments, and what members see of a quiet group is what is recorded.

use proptest::{prelude::*, sample::select};

use super::story::Story;
use crate::{GroupConfig, GroupState};

const MEMBERS: [&str; 5] = ["a", "b", "c", "d", "e"];
const DEEDS: [&str; 16] = [
    "joins",
    "joins",
    "joins v4",
    "joins anew",
    "joins static=i",
    "joins static=i anew",
    "joins static=j v9 anew",
    "joins topics=u",
    "joins knows=rr,range",
    "joins knows=rr anew",
    "assigns",
    "assigns",
    "assigns",
    "beats",
    "leaves",
    "commits t:0=1",
];
const EVENTS: [&str; 17] = [
    "1s",
    "3s",
    "3s",
    "10s",
    "60s",
    "10m",
    "hold",
    "flow",
    "flow",
    "full",
    "free",
    "free",
    "fails over",
    "deletes group",
    "deletes t:0",
    "removes i,j",
    "- commits t:0=2",
];

fn deed() -> impl Strategy<Value = String> {
    let member = (select(&MEMBERS), select(&DEEDS)).prop_map(|(who, what)| format!("{who} {what}"));
    prop_oneof![4 => member, 1 => select(&EVENTS).prop_map(str::to_owned)]
}

fn invariants(story: &Story) {
    let Some(seen) = story.coordinator.describe("g") else { return };
    if seen.state == GroupState::Stable {
        assert!(seen.members.iter().all(|member| !member.assignment.is_empty()), "all have assignments");
    }
    let Some((state, generation, leader)) = story.coordinator.look("g").filter(|_| story.is_quiet()) else {
        return;
    };
    let recorded = story.machine.get("g").and_then(|group| group.generation());
    match state {
        GroupState::Stable => {
            let recorded = recorded.expect("a stable group is recorded");
            assert_eq!((recorded.id, &recorded.leader), (generation, &leader));
            let ids = recorded.members.iter().map(|member| (&member.id, &member.assignment));
            assert!(ids.eq(seen.members.iter().map(|member| (&member.id, &member.assignment))));
        }
        GroupState::Empty => {
            assert!(recorded.is_none_or(|recorded| recorded.members.is_empty() && recorded.id == generation));
        }
        GroupState::PreparingRebalance | GroupState::CompletingRebalance => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_happens(deeds in prop::collection::vec(deed(), 1..80)) {
        let config = GroupConfig {
            members_max: 4,
            offsets_retention_ms: 1_200_000,
            new_member_join_timeout_ms: 40_000,
            ..GroupConfig::default()
        };
        let mut story = Story::new(config);
        story.random = true;
        let mut before = None;
        for deed in deeds {
            story.tell(&deed);
            invariants(&story);
            let generation = story.coordinator.look("g").map(|(_, generation, _)| generation);
            if deed != "fails over" {
                assert!(before.zip(generation).is_none_or(|(before, now)| before <= now), "generations rise");
            }
            before = generation;
        }
        story.end();
    }
}
