//! Seek by time: the offset of a time is asked, and the member goes on from there.

use klamm_conformance::{Record, Tool};
use serde_json::json;

use crate::script::{Script, Told};

with_each_client!(script, without: [Tool::Sarama]);

fn script(run: &mut Script) -> Told {
    let how = run.eager();
    let mut records = Record::text(10, "timed");
    let start_ms = records[0].timestamp_ms - 60_000;
    (start_ms..).step_by(1000).zip(&mut records).for_each(|(at, record)| record.timestamp_ms = at);
    run.write_to(0, &records);
    run.join("a", how)?;
    run.wait(&["a"], "a reads all", |s| s[0].records.len() == 10);
    let topic = run.topic.clone();
    for (time_ms, expected) in [(start_ms + 6500, 7), (start_ms + 3000, 3), (0, 0)] {
        let offset = run.client.offset_at(&topic, time_ms);
        assert_eq!(offset, expected, "the first record that is not before {time_ms}");
        let before = run.state("a").records.len();
        run.to("a", "seek", json!({"partition": 0, "offset": offset}))?;
        let count = 10 - offset as usize;
        let states = run.wait(&["a"], "a reads again", |s| s[0].records.len() >= before + count);
        let again: Vec<_> = states[0].records[before..].iter().map(|(_, at)| *at).collect();
        assert_eq!(again, (offset..10).collect::<Vec<_>>());
        run.tell(format!("from {} ms: {again:?}", (time_ms - start_ms).max(-1)));
    }
    Ok(())
}
