//! Commits of the library's own accord, the policy where there is none, and the lag.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::script::{PARTITIONS, Script, Told, shared, sorted};

with_each_client!(script, without: []);

fn script(run: &mut Script) -> Told {
    let mut how = run.eager();
    how.as_object_mut()
        .expect("an object")
        .extend([("auto_commit".to_owned(), Value::from(true)), ("reset".to_owned(), Value::from("latest"))]);
    run.write(10);
    run.join("a", how.clone())?;
    run.wait(&["a"], "a has all", |s| shared(s, 4));
    sleep(Duration::from_millis(1500)); // until it knows where the ends are
    run.write(5);
    let states = run.wait(&["a"], "a reads the new ones", |s| s[0].records.len() >= 20);
    assert_eq!(sorted(&states), run.written_from(10), "only what came after it");
    sleep(Duration::from_millis(1500)); // its interval is 500 ms
    run.to("a", "leave", json!({}))?;
    lag(run);

    run.write(2);
    lag(run);
    how["reset"] = Value::from("earliest");
    run.join("b", how)?;
    let states = run.wait(&["b"], "b reads the rest", |s| s[0].records.len() >= 8);
    assert_eq!(sorted(&states), run.written_from(15), "from what was committed on");
    run.to("b", "leave", json!({}))?;
    lag(run);
    Ok(())
}

/// Tells the end, what is committed, and the difference for each partition.
fn lag(run: &mut Script) {
    let committed = run.committed();
    assert_eq!(committed.len() as i64, PARTITIONS);
    for (partition, offset, _) in committed {
        let command = json!({"do": "offsets", "topic": run.topic, "partition": partition, "at": "latest"});
        let end = run.client.tell(command)["offset"].as_i64().expect("an offset");
        run.tell(format!("partition {partition}: committed {offset} of {end}, lag {}", end - offset));
    }
}
