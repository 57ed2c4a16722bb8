//! Static members: one that comes back within its session gets what it had, and the other notices nothing.

use klamm_conformance::Tool;
use serde_json::{Value, json};

use crate::script::{PARTITIONS, Script, Told, counts, shared, state, unless_unsupported, wait};

with_each_client!(script, without: [Tool::Kafkajs]);

fn script(run: &mut Script) -> Told {
    let how = |instance: &str| -> Value { json!({"instance": instance, "session_ms": 30_000}) };
    run.write(3);
    run.join("a", how("first"))?;
    run.wait(&["a"], "a has all", |s| shared(s, 4));
    let join_b = run.joining("b", how("second"));
    let mut process = run.another();
    unless_unsupported(&mut process, join_b.clone())?;
    let ask = || vec![run.state("a"), state(&mut process, "b")];
    let before = wait("two each", ask, |s| shared(s, 2));

    drop(process); // killed: it could not leave
    let mut process = run.another();
    unless_unsupported(&mut process, join_b)?;
    let ask = || vec![run.state("a"), state(&mut process, "b")];
    let after = wait("b is back", ask, |s| shared(s, 2));
    assert_eq!(after[1].assigned, before[1].assigned, "b has what it had");
    assert_eq!(after[0].events, before[0].events, "a saw no rebalance");
    run.tell(format!("a: {}; b again: {}", counts(&after[0]), counts(&after[1])));

    let seen = after[0].records.len();
    run.write(1);
    let ask = || vec![run.state("a"), state(&mut process, "b")];
    let end = wait("each reads on", ask, |s| {
        s[0].records.len() == seen + 2 && s[1].records.len() as i64 == PARTITIONS / 2 * 4
    });
    run.tell(format!(
        "a read {} more, b began again and read {}",
        end[0].records.len() - seen,
        end[1].records.len()
    ));
    Ok(())
}
