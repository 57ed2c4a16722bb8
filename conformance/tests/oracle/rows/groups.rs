//! Consumer groups: found, joined, synced, kept alive, left, described, listed, deleted.

use serde_json::{Value, json};

use crate::run::Run;

/// Asks all of them.
pub(crate) fn rows(run: &mut Run) {
    finding(run);
    refused(run);
    alone(run);
    together(run);
    superseded(run);
    choosing(run);
    statics(run);
    leaving(run);
    listing(run);
    deleting(run);
}

/// A request to join, with `more` fields.
fn join(group: &str, member: &str, more: Value) -> Value {
    let mut request = json!({
        "groupId": group, "sessionTimeoutMs": 30000, "rebalanceTimeoutMs": 5000, "memberId": member,
        "protocolType": "consumer", "protocols": [{"name": "range", "metadata": "m"}],
    });
    request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    request
}

fn sync(group: &str, member: &str, generation: i64, more: Value) -> Value {
    let mut request = json!({
        "groupId": group, "generationId": generation, "memberId": member, "protocolType": "consumer",
        "protocolName": "range", "assignments": [{"memberId": member, "assignment": "a"}],
    });
    request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    request
}

fn beat(group: &str, member: &str, generation: i64) -> Value {
    json!({"groupId": group, "generationId": generation, "memberId": member})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// A stable group of one member: its id and the generation. Not compared.
pub(super) fn member(run: &mut Run, group: &str, metadata: Value) -> (String, i64) {
    let protocols = json!({"protocols": [{"name": "range", "metadata": metadata}]});
    let id = text(&run.prepare("JoinGroup", 9, join(group, "", protocols.clone()))["memberId"]);
    let joined = run.prepare("JoinGroup", 9, join(group, &id, protocols));
    assert_eq!(joined["errorCode"], "NONE", "{joined}");
    let generation = joined["generationId"].as_i64().expect("a generation");
    let synced = run.prepare("SyncGroup", 5, sync(group, &id, generation, json!({})));
    assert_eq!(synced["errorCode"], "NONE", "{synced}");
    (id, generation)
}

fn finding(run: &mut Run) {
    let group = run.name("found");
    let keys = |kind: i8, names: Value| json!({"key": group, "keyType": kind, "coordinatorKeys": names});
    run.prepare("FindCoordinator", 4, keys(0, json!([group])));
    run.ask("a group", "FindCoordinator", .., keys(0, json!([group])));
    run.ask("two groups", "FindCoordinator", 4..=6, keys(0, json!([group, "other"])));
    run.ask("a group twice", "FindCoordinator", 4..=6, keys(0, json!([group, group])));
    run.ask("no groups", "FindCoordinator", 4..=6, keys(0, json!([])));
    run.ask(
        "an empty group",
        "FindCoordinator",
        ..,
        json!({"key": "", "keyType": 0, "coordinatorKeys": [""]}),
    );
    let transactional = json!({"key": "t", "keyType": 1, "coordinatorKeys": ["t"]});
    run.prepare("FindCoordinator", 4, transactional.clone());
    run.ask("a transactional id", "FindCoordinator", 1..=6, transactional);
    run.ask("a type of 7", "FindCoordinator", 1..=6, keys(7, json!([group])));
    run.ask("a type of -1", "FindCoordinator", 1..=6, keys(-1, json!([group])));
    run.ask("a share group before version 6", "FindCoordinator", 1..=5, keys(2, json!([group])));
    run.ask("a bad share key", "FindCoordinator", 6, keys(2, json!(["x"])));
}

fn refused(run: &mut Run) {
    let group = run.name("refused");
    let plain = json!({});
    run.ask("an empty group", "JoinGroup", .., join("", "", plain.clone()));
    run.ask("a short session", "JoinGroup", .., join(&group, "", json!({"sessionTimeoutMs": 5999})));
    run.ask("a long session", "JoinGroup", .., join(&group, "", json!({"sessionTimeoutMs": 1_800_001})));
    run.ask("a negative session", "JoinGroup", 9, join(&group, "", json!({"sessionTimeoutMs": -1})));
    run.ask("an unknown member", "JoinGroup", .., join(&group, "nobody", plain.clone()));
    run.ask("no protocols", "JoinGroup", .., join(&group, "", json!({"protocols": []})));
    run.ask("an empty protocol type", "JoinGroup", .., join(&group, "", json!({"protocolType": ""})));
    run.ask("a new member has to ask again", "JoinGroup", 4..=9, join(&group, "", plain.clone()));
    for (api, last) in [("Heartbeat", 4), ("SyncGroup", 5)] {
        let ask = |group: &str, member: &str, generation: i64| match api {
            "Heartbeat" => beat(group, member, generation),
            _ => sync(group, member, generation, json!({})),
        };
        let absent = run.name("no-group");
        run.ask("no such group", api, 0..=last, ask(&absent, "m", 1));
        run.ask("an empty group", api, 0..=last, ask("", "m", 1));
        run.ask("an empty member", api, 0..=last, ask(&absent, "", 1));
        run.ask("a negative generation", api, 0..=last, ask(&absent, "m", -1));
    }
    let leave = |group: &str| json!({"groupId": group, "memberId": "m", "members": [{"memberId": "m"}]});
    run.ask("no such group", "LeaveGroup", .., leave(&run.name("no-group")));
    run.ask("an empty group", "LeaveGroup", .., leave(""));
}

fn alone(run: &mut Run) {
    for version in 0..=9 {
        let group = run.name(&format!("alone-{version}"));
        let mut joined = run.ask("the first", "JoinGroup", version, join(&group, "", json!({})));
        if version >= 4 {
            let id = text(&joined["memberId"]);
            joined = run.ask("the first, by its id", "JoinGroup", version, join(&group, &id, json!({})));
        }
        let id = text(&joined["memberId"]);
        let generation = joined["generationId"].as_i64().expect("a generation");
        run.ask("before the sync", "Heartbeat", 4, beat(&group, &id, generation));
        run.ask("before the sync", "DescribeGroups", 5, json!({"groups": [group]}));
        let asked = sync(&group, &id, generation, json!({}));
        run.ask("its assignment", "SyncGroup", version.min(5), asked.clone());
        run.ask("its assignment again", "SyncGroup", version.min(5), asked);
        run.ask("alive", "Heartbeat", version.min(4), beat(&group, &id, generation));
        run.ask("the generation before", "Heartbeat", version.min(4), beat(&group, &id, generation - 1));
        run.ask("the generation to come", "Heartbeat", version.min(4), beat(&group, &id, generation + 1));
        run.ask("another member", "Heartbeat", version.min(4), beat(&group, "nobody", generation));
        run.ask("a member without an id", "Heartbeat", version.min(4), beat(&group, "", generation));
        run.ask("another member", "SyncGroup", version.min(5), sync(&group, "nobody", generation, json!({})));
        run.ask(
            "a wrong generation",
            "SyncGroup",
            version.min(5),
            sync(&group, &id, generation + 1, json!({})),
        );
        run.ask(
            "another protocol",
            "SyncGroup",
            5,
            sync(&group, &id, generation, json!({"protocolName": "sticky"})),
        );
        run.ask(
            "another type",
            "SyncGroup",
            5,
            sync(&group, &id, generation, json!({"protocolType": "connect"})),
        );
        run.ask(
            "no protocol",
            "SyncGroup",
            5,
            sync(&group, &id, generation, json!({"protocolName": null, "protocolType": null})),
        );
        run.ask("another type", "JoinGroup", version, join(&group, "", json!({"protocolType": "connect"})));
        run.ask(
            "another protocol",
            "JoinGroup",
            version,
            join(&group, "", json!({"protocols": [{"name": "sticky", "metadata": "m"}]})),
        );
        run.ask("a member that is not", "JoinGroup", version, join(&group, "nobody", json!({})));
        run.ask("stable", "DescribeGroups", .., json!({"groups": [group]}));
        run.ask("once more, the leader", "JoinGroup", version, join(&group, &id, json!({})));
        run.ask("it rebalances", "Heartbeat", 4, beat(&group, &id, generation + 1));
        run.ask("the sync of before", "SyncGroup", 5, sync(&group, &id, generation, json!({})));
        run.ask(
            "no assignment for it",
            "SyncGroup",
            5,
            sync(&group, &id, generation + 1, json!({"assignments": []})),
        );
        run.ask("an empty assignment", "DescribeGroups", 5, json!({"groups": [group]}));
        let leave = json!({"groupId": group, "memberId": id, "members": [{"memberId": id}]});
        run.ask("it leaves", "LeaveGroup", version.min(5), leave.clone());
        run.ask("it left", "LeaveGroup", version.min(5), leave);
        run.ask("it left", "Heartbeat", version.min(4), beat(&group, &id, generation + 1));
        run.ask("empty", "DescribeGroups", 5, json!({"groups": [group]}));
    }
}

/// Two members: the second makes the first join again.
fn together(run: &mut Run) {
    let group = run.name("together");
    let two = json!({"protocols": [{"name": "range", "metadata": "a"}, {"name": "sticky", "metadata": "b"}]});
    let first = text(&run.prepare("JoinGroup", 9, join(&group, "", two.clone()))["memberId"]);
    let second = text(&run.prepare("JoinGroup", 9, join(&group, "", two.clone()))["memberId"]);
    run.prepare("JoinGroup", 9, join(&group, &first, two.clone()));
    let (mut one, mut other) = (run.line(), run.line());
    run.ask("one of two to come", "SyncGroup", 5, sync(&group, &first, 1, json!({})));
    run.start(&mut other, "the second waits", "JoinGroup", 9, join(&group, &second, two.clone()));
    wait_for(run, &group, "PreparingRebalance");
    run.ask("a rebalance is told", "Heartbeat", 4, beat(&group, &first, 1));
    run.ask("a sync while joining", "SyncGroup", 5, sync(&group, &first, 1, json!({})));
    run.ask("while joining", "DescribeGroups", 5, json!({"groups": [group]}));
    run.start(&mut one, "the first joins again", "JoinGroup", 9, join(&group, &first, two.clone()));
    run.finish(&mut one);
    run.finish(&mut other);
    run.ask("while syncing", "DescribeGroups", 5, json!({"groups": [group]}));
    run.start(
        &mut other,
        "the follower waits",
        "SyncGroup",
        5,
        sync(&group, &second, 2, json!({"assignments": []})),
    );
    let both = json!({"assignments": [{"memberId": first, "assignment": "x"}, {"memberId": second, "assignment": "y"}]});
    run.ask("the leader tells", "SyncGroup", 5, sync(&group, &first, 2, both));
    run.finish(&mut other);
    run.ask("the follower asks again", "SyncGroup", 5, sync(&group, &second, 2, json!({})));
    run.ask("two members", "DescribeGroups", .., json!({"groups": [group]}));
    run.ask("the follower joins as it is", "JoinGroup", 9, join(&group, &second, two));
    run.ask(
        "one of two leaves",
        "LeaveGroup",
        5,
        json!({"groupId": group, "members": [{"memberId": second}]}),
    );
    run.ask("the other is told", "Heartbeat", 4, beat(&group, &first, 2));
}

/// A request that waits is superseded by the same member's next one, on another connection.
fn superseded(run: &mut Run) {
    let group = run.name("superseded");
    let plain = json!({});
    let (first, _) = member(run, &group, json!("m"));
    let second = text(&run.prepare("JoinGroup", 9, join(&group, "", plain.clone()))["memberId"]);
    let (mut old, mut new) = (run.line(), run.line());
    run.start(&mut old, "a join that waits", "JoinGroup", 9, join(&group, &second, plain.clone()));
    wait_for(run, &group, "PreparingRebalance");
    run.start(&mut new, "the join after it", "JoinGroup", 9, join(&group, &second, plain.clone()));
    run.finish_or_silence(&mut old);
    run.ask("the first joins", "JoinGroup", 9, join(&group, &first, plain));
    run.finish(&mut new);
    let (mut old, mut new) = (run.line(), run.line());
    let asked = sync(&group, &second, 2, json!({"assignments": []}));
    run.start(&mut old, "a sync that waits", "SyncGroup", 5, asked.clone());
    // Nothing tells from outside that it arrived.
    std::thread::sleep(std::time::Duration::from_millis(300));
    run.start(&mut new, "the sync after it", "SyncGroup", 5, asked);
    run.finish_or_silence(&mut old);
    let both = json!({"assignments": [{"memberId": first, "assignment": "x"}, {"memberId": second, "assignment": "y"}]});
    run.ask("the leader tells", "SyncGroup", 5, sync(&group, &first, 2, both));
    run.finish(&mut new);
}

/// Which protocol a group takes: one that all have, by the most votes.
fn choosing(run: &mut Run) {
    for (row, lists) in [
        ("the first choice of most", [&["a", "b", "c"][..], &["b", "a"], &["b", "c", "a"]]),
        ("the only one that all have", [&["a", "b"], &["a", "c", "b"], &["c", "b"]]),
        ("a tie", [&["a", "b", "c"], &["b", "c", "a"], &["c", "a", "b"]]),
        ("a second choice counts once the first is not common", [&["x", "b", "a"], &["a", "b"], &["a", "b"]]),
    ] {
        let group = run.name(&format!("choosing-{}", row.replace(' ', "-")));
        let of = |names: &[&str]| {
            let protocols: Vec<_> =
                names.iter().map(|name| json!({"name": name, "metadata": name})).collect();
            json!({"protocols": protocols})
        };
        let new = |run: &mut Run, names: &[&str]| {
            text(&run.prepare("JoinGroup", 9, join(&group, "", of(names)))["memberId"])
        };
        let first = new(run, lists[0]);
        run.prepare("JoinGroup", 9, join(&group, &first, of(lists[0])));
        let (second, third) = (new(run, lists[1]), new(run, lists[2]));
        let (mut one, mut two, mut three) = (run.line(), run.line(), run.line());
        run.start(
            &mut two,
            &format!("{row}: the second"),
            "JoinGroup",
            9,
            join(&group, &second, of(lists[1])),
        );
        wait_for(run, &group, "PreparingRebalance");
        run.start(
            &mut three,
            &format!("{row}: the third"),
            "JoinGroup",
            9,
            join(&group, &third, of(lists[2])),
        );
        wait_for_members(run, &group, 3);
        run.start(&mut one, &format!("{row}: the first"), "JoinGroup", 9, join(&group, &first, of(lists[0])));
        for line in [&mut one, &mut two, &mut three] {
            run.finish(line);
        }
        let other = json!({"protocols": [{"name": "none of theirs", "metadata": ""}]});
        run.ask(&format!("{row}: a member that has none of theirs"), "JoinGroup", 9, join(&group, "", other));
        run.ask(row, "DescribeGroups", 5, json!({"groups": [group]}));
    }
}

fn wait_for_members(run: &mut Run, group: &str, count: usize) {
    let asked = json!({"groups": [group]});
    for _ in 0..500 {
        let described = run.prepare("DescribeGroups", 5, asked.clone());
        if described["groups"][0]["members"].as_array().is_some_and(|members| members.len() == count) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{group} has not {count} members");
}

fn wait_for(run: &mut Run, group: &str, state: &str) {
    let asked = json!({"groups": [group]});
    for _ in 0..500 {
        if run.prepare("DescribeGroups", 5, asked.clone())["groups"][0]["groupState"] == state {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{group} is not {state}");
}

fn statics(run: &mut Run) {
    let group = run.name("statics");
    let named = |instance: &str| json!({"groupInstanceId": instance});
    let joined = run.ask("a static member", "JoinGroup", 5, join(&group, "", named("i1")));
    let id = text(&joined["memberId"]);
    run.ask("its assignment", "SyncGroup", 5, sync(&group, &id, 1, named("i1")));
    let with = |member: &str, instance: &str| json!({"groupId": group, "generationId": 1, "memberId": member, "groupInstanceId": instance});
    run.ask("alive", "Heartbeat", 3..=4, with(&id, "i1"));
    run.ask("another member by that instance", "Heartbeat", 3..=4, with("nobody", "i1"));
    run.ask("an unknown instance", "Heartbeat", 3..=4, with(&id, "i9"));
    run.ask("another member by that instance", "SyncGroup", 3..=5, sync(&group, "nobody", 1, named("i1")));
    run.ask("another member by that instance", "JoinGroup", 5..=9, join(&group, "nobody", named("i1")));
    run.ask("the instance by no id of its own", "JoinGroup", 9, join(&group, "nobody", named("i9")));
    run.ask("described", "DescribeGroups", .., json!({"groups": [group]}));
    let again = run.ask("it comes back", "JoinGroup", 9, join(&group, "", named("i1")));
    let new = text(&again["memberId"]);
    run.ask("the old one is fenced", "Heartbeat", 3..=4, with(&id, "i1"));
    let generation = again["generationId"].as_i64().expect("a generation");
    run.ask("it still has it", "SyncGroup", 5, sync(&group, &new, generation, named("i1")));
    let leave = |member: &str, instance: &str| json!({"groupId": group, "members": [{"memberId": member, "groupInstanceId": instance}]});
    run.ask("an unknown instance", "LeaveGroup", 3..=5, leave("", "i9"));
    run.ask("the old one", "LeaveGroup", 3..=5, leave(&id, "i1"));
    run.ask("by its instance alone", "LeaveGroup", 3, leave("", "i1"));
    run.ask("it left", "DescribeGroups", 5, json!({"groups": [group]}));
    run.ask("an empty instance", "JoinGroup", 9, join(&group, "", named("")));
}

fn leaving(run: &mut Run) {
    let group = run.name("leaving");
    let (id, _) = member(run, &group, json!("m"));
    let of = |members: Value| json!({"groupId": group, "members": members});
    run.ask("nobody", "LeaveGroup", 3..=5, of(json!([])));
    run.ask("an unknown one", "LeaveGroup", 3..=5, of(json!([{"memberId": "nobody"}])));
    run.ask("one without an id", "LeaveGroup", 3..=5, of(json!([{"memberId": ""}])));
    run.ask(
        "several",
        "LeaveGroup",
        5,
        of(json!([{"memberId": "nobody"}, {"memberId": id, "reason": "done"}, {"memberId": id}, {"memberId": "", "groupInstanceId": "i"}])),
    );
}

fn listing(run: &mut Run) {
    let (group, empty, absent) = (run.name("listed"), run.name("listed-empty"), run.name("absent"));
    member(run, &group, json!("m"));
    let (id, _) = member(run, &empty, json!("m"));
    run.prepare("LeaveGroup", 5, json!({"groupId": empty, "members": [{"memberId": id}]}));
    let mut list = |row: &str, versions: std::ops::RangeInclusive<i16>, filters: Value| {
        for version in versions {
            let mut answer = run.prepare("ListGroups", version, filters.clone());
            // Only those of this row: others run beside it.
            if let Some(groups) = answer["groups"].as_array_mut() {
                groups.retain(|each| each["groupId"] == group.as_str() || each["groupId"] == empty.as_str());
            }
            run.keep(format!("ListGroups v{version}: {row}"), filters.clone(), "ListGroups", answer);
        }
    };
    list("all", 0..=5, json!({}));
    for state in ["Stable", "Empty", "stable", "Dead", "nonsense", ""] {
        list(&format!("state {state:?}"), 4..=5, json!({"statesFilter": [state]}));
    }
    for kind in ["classic", "Classic", "consumer", "share", "nonsense", ""] {
        list(&format!("type {kind:?}"), 5..=5, json!({"typesFilter": [kind]}));
    }
    list("two states", 4..=5, json!({"statesFilter": ["Empty", "Stable"]}));
    list("a state and a type", 5..=5, json!({"statesFilter": ["Empty"], "typesFilter": ["classic"]}));
    run.ask("unknown", "DescribeGroups", .., json!({"groups": [absent]}));
    run.ask("none", "DescribeGroups", .., json!({"groups": []}));
    run.ask("empty", "DescribeGroups", .., json!({"groups": [empty]}));
    run.ask("a group twice", "DescribeGroups", 5, json!({"groups": [group, group]}));
    run.ask(
        "its operations",
        "DescribeGroups",
        3..=6,
        json!({"groups": [group], "includeAuthorizedOperations": true}),
    );
    run.ask(
        "operations of nothing",
        "DescribeGroups",
        3..=6,
        json!({"groups": [absent], "includeAuthorizedOperations": true}),
    );
}

fn deleting(run: &mut Run) {
    let (group, empty, absent) = (run.name("kept"), run.name("doomed"), run.name("absent"));
    member(run, &group, json!("m"));
    let (id, _) = member(run, &empty, json!("m"));
    run.prepare("LeaveGroup", 5, json!({"groupId": empty, "members": [{"memberId": id}]}));
    let names = |names: Value| json!({"groupsNames": names});
    run.ask("one with members", "DeleteGroups", .., names(json!([group])));
    run.ask("an unknown one", "DeleteGroups", .., names(json!([absent])));
    run.ask("none", "DeleteGroups", .., names(json!([])));
    run.ask("an empty one and others", "DeleteGroups", 2, names(json!([empty, group, absent])));
    run.ask("a deleted one", "DeleteGroups", 2, names(json!([empty])));
    run.ask("an unknown one twice", "DeleteGroups", 2, names(json!([absent, absent])));
    run.ask("a deleted one", "DescribeGroups", 5..=6, json!({"groups": [empty]}));
    run.ask("a deleted one", "Heartbeat", 4, beat(&empty, &id, 1));
}
