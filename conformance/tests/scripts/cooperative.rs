//! Cooperative rebalancing: who keeps a partition never stops reading it.

use klamm_conformance::Tool;
use serde_json::json;

use crate::script::{Script, Told, counts, shared, sorted};

with_each_client!(script, without: [Tool::Aiokafka, Tool::Kafkajs]);

fn script(run: &mut Script) -> Told {
    let how = json!({"strategy": "cooperative-sticky"});
    run.write(10);
    run.join("a", how.clone())?;
    let states = run.wait(&["a"], "a reads all", |s| s[0].records.len() == 40);
    let all = states[0].assigned.clone();
    run.commit("a", &all, 10, "")?;

    run.join("b", how)?;
    let states = run.wait(&["a", "b"], "two each", |s| shared(s, 2));
    let (kept, moved) = (states[0].assigned.clone(), states[1].assigned.clone());
    let revoked: Vec<_> =
        states[0].events.iter().filter(|(what, _)| what != "assigned").map(|(_, p)| p.clone()).collect();
    assert_eq!(revoked, std::slice::from_ref(&moved), "a gave up what b got, and nothing else");
    run.write(5);
    // Nothing was committed after the first ten: a second reading would show.
    let states = run.wait(&["a", "b"], "both read the new ones", |s| sorted(s).len() >= 60);
    assert_eq!(sorted(&states), run.written_from(0), "each record once");
    run.tell(format!("b came: {}; {}", counts(&states[0]), counts(&states[1])));
    run.commit("a", &kept, 15, "")?;
    run.commit("b", &moved, 15, "")?;

    run.to("b", "leave", json!({}))?;
    let states = run.wait(&["a"], "a has all", |s| shared(s, 4));
    assert_eq!(states[0].events.last().map(|(what, p)| (what.as_str(), p)), Some(("assigned", &moved)));
    run.tell(format!("b left: {}", counts(&states[0])));
    Ok(())
}
