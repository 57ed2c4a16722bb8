//! Members come and go; each record is read once; commits carry metadata and are found by who takes over.

use crate::script::{Script, Told, counts, shared, sorted};

with_each_client!(script, without: []);

fn script(run: &mut Script) -> Told {
    let how = run.eager();
    run.write(10);
    run.join("a", how.clone())?;
    let [a] = &run.wait(&["a"], "a reads all", |s| s[0].records.len() == 40)[..] else { unreachable!() };
    run.tell(format!("a alone: {}", counts(a)));
    let all = a.assigned.clone();
    run.commit("a", &all, 10, "by a alone")?;
    let committed = run.committed();
    run.tell(format!("{committed:?}"));

    run.join("b", how)?;
    run.wait(&["a", "b"], "two each", |s| shared(s, 2));
    run.write(5);
    let states = run.wait(&["a", "b"], "both read the new ones", |s| sorted(s).len() >= 60);
    assert_eq!(sorted(&states), run.written_from(0), "each record once");
    run.tell(format!("a and b: {}; {}", counts(&states[0]), counts(&states[1])));
    for (member, state) in ["a", "b"].iter().zip(&states) {
        run.commit(member, &state.assigned, 15, "by two")?;
    }
    let committed = run.committed();
    run.tell(format!("{committed:?}"));

    run.to("a", "leave", serde_json::json!({}))?;
    run.wait(&["b"], "b has all", |s| shared(s, 4));
    run.write(1);
    let before = states[1].records.len();
    let states = run.wait(&["b"], "b reads the last ones", |s| s[0].records.len() >= before + 4);
    let mut last = states[0].records[before..].to_vec();
    last.sort();
    assert_eq!(last, run.written_from(15), "b goes on where a stopped");
    run.tell(format!("b alone: {}", counts(&states[0])));
    run.to("b", "leave", serde_json::json!({}))?;
    let committed = run.committed();
    run.tell(format!("{committed:?}"));
    Ok(())
}
