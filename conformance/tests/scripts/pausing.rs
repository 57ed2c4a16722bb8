//! Pause and resume: nothing of a paused partition, and nothing of it lost.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::script::{Script, Told, counts, sorted};

with_each_client!(script, without: []);

fn script(run: &mut Script) -> Told {
    let how = run.eager();
    run.write(3);
    run.join("a", how)?;
    run.wait(&["a"], "a reads all", |s| s[0].records.len() == 12);
    run.to("a", "pause", json!({"partitions": [0, 2]}))?;
    sleep(Duration::from_millis(500)); // a fetch that was under way may still bring something
    run.write(2);
    run.wait(&["a"], "a reads what is not paused", |s| s[0].records.len() >= 16);
    sleep(Duration::from_millis(500));
    let state = run.state("a");
    let paused = state.records[12..].iter().filter(|(p, _)| [0, 2].contains(p)).count();
    run.tell(format!(
        "while paused: {} of the others, {paused} of the paused",
        state.records.len() - 12 - paused
    ));
    run.to("a", "resume", json!({"partitions": [0, 2]}))?;
    let states = run.wait(&["a"], "a reads the rest", |s| s[0].records.len() >= 20);
    assert_eq!(sorted(&states), run.written_from(0), "each record once");
    run.tell(format!("resumed: {}", counts(&states[0])));
    Ok(())
}
