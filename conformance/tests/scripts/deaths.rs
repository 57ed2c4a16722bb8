//! A member that dies without leaving: after its session the other gets its partitions, from what was committed on.

use serde_json::json;

use crate::script::{Script, Told, counts, shared, state, unless_unsupported, wait};

with_each_client!(script, without: []);

fn script(run: &mut Script) -> Told {
    let how = run.eager();
    run.write(3);
    run.join("a", how.clone())?;
    let states = run.wait(&["a"], "a reads all", |s| s[0].records.len() == 12);
    let all = states[0].assigned.clone();
    run.commit("a", &all, 3, "")?;
    let mut process = run.another();
    let command = run.joining("b", how);
    unless_unsupported(&mut process, command)?;
    let ask = || vec![run.state("a"), state(&mut process, "b")];
    let states = wait("two each", ask, |s| shared(s, 2));
    let of_b = states[1].assigned.clone();
    run.write(2);
    let ask = || vec![run.state("a"), state(&mut process, "b")];
    let states = wait("both read the new ones", ask, |s| s[0].records.len() == 16 && s[1].records.len() == 4);
    run.commit("a", &states[0].assigned, 5, "")?;

    drop(process);
    let states = run.wait(&["a"], "a has all and read what b did not commit", |s| {
        shared(s, 4) && s[0].records.len() == 20
    });
    let again: Vec<_> = states[0].records[16..].iter().map(|(p, _)| *p).collect();
    assert!(again.iter().all(|p| of_b.contains(p)), "a read again what was b's alone: {again:?} of {of_b:?}");
    run.tell(format!("b died: {}", counts(&states[0])));
    run.to("a", "leave", json!({}))
}
