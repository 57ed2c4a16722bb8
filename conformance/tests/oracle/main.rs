//! The oracle's table: the same requests to Apache Kafka 4.2 and to Klamm, the decoded answers compared field by field.
//! What differs must stand in `docs/differences.md`; what stands there must differ. The areas need Apache Kafka:
//! `conformance/oracle/kafka with cargo test -p klamm-conformance --test oracle -- --include-ignored`.
#![allow(clippy::disallowed_methods)] // Drives real processes from outside; nothing here is simulated.

mod compare;
mod normal;
mod reader;
mod rows;
mod run;
mod schema;
mod writer;

use std::panic::resume_unwind;
use std::{env, thread};

use klamm_conformance::{Server, unique};

use crate::compare::{Difference, differences, entries};
use crate::run::{Answer, Answers, Run};

macro_rules! areas {
    ($($area:ident)*) => {
        /// The areas: a file of rows each.
        const AREAS: &[&str] = &[$(stringify!($area)),*];
        $(
            #[test]
            #[ignore = "needs Apache Kafka: conformance/oracle/kafka with cargo test ... -- --include-ignored"]
            fn $area() {
                agree(stringify!($area), rows::$area::rows);
            }
        )*
    };
}

areas! { basics topics records groups offsets describing configs }

/// Asks both all rows of an area.
fn agree(area: &str, rows: fn(&mut Run)) {
    let kafka =
        env::var("KLAMM_CONFORMANCE_BOOTSTRAP").expect("KLAMM_CONFORMANCE_BOOTSTRAP names Apache Kafka");
    let klamm = Server::start(&["-c", "group.initial.rebalance.delay.ms=0", "-c", "node.id=1"]);
    let suffix = unique("");
    let (theirs, ours) = (Answers::default(), Answers::default());
    let asked = [(kafka.as_str(), &theirs), (klamm.addr(), &ours)];
    let ends = thread::scope(|scope| {
        let start = |(address, answers): &(&str, &Answers)| {
            let mut run = Run::new(address, &suffix, (*answers).clone());
            scope.spawn(move || rows(&mut run))
        };
        let runs: Vec<_> = asked.iter().map(start).collect();
        runs.into_iter().map(|run| run.join()).collect::<Vec<_>>()
    });
    let (theirs, ours) = (theirs.lock().expect("whole"), ours.lock().expect("whole"));
    let verdict = judge(area, &theirs, &ours);
    for end in ends {
        if let Err(panic) = end {
            eprintln!("{}", verdict.as_ref().err().map_or("", String::as_str));
            resume_unwind(panic);
        }
    }
    match verdict {
        Ok(known) => println!("{area}: {} answers, {known} fields differ as documented", theirs.len()),
        Err(what) => panic!("{what}"),
    }
}

/// How many fields differ as documented; or what is not documented, and what is but does not differ.
fn judge(area: &str, theirs: &[Answer], ours: &[Answer]) -> Result<usize, String> {
    let entries = entries()?.into_iter().filter(|entry| entry.id.split('/').next() == Some(area));
    let mut entries: Vec<_> = entries.map(|entry| (entry, false)).collect();
    let (mut complaints, mut known) = (vec![], 0);
    for (kafka, klamm) in theirs.iter().zip(ours) {
        if kafka.row != klamm.row {
            complaints.push(format!("Kafka was asked {:?}, Klamm {:?}", kafka.row, klamm.row));
            break;
        }
        let is_documented = |difference: &Difference| {
            let mut covering = entries.iter_mut().filter(|(entry, _)| entry.covers(difference));
            covering.next().map(|(_, met)| *met = true).is_some()
        };
        let (documented, unknown): (Vec<_>, Vec<_>) =
            differences(kafka, klamm).into_iter().partition(is_documented);
        known += documented.len();
        if !unknown.is_empty() {
            let request: String = kafka.request.to_string().chars().take(600).collect();
            let lines: Vec<_> = unknown.iter().map(Difference::to_string).collect();
            complaints.push(format!("{}\n  on {request}", lines.join("\n")));
        }
    }
    if theirs.len() != ours.len() {
        let last = |of: &[Answer]| of.last().map_or(String::new(), |answer| answer.row.clone());
        let (kafka, klamm) = (last(theirs), last(ours));
        let counts = (theirs.len(), ours.len());
        complaints
            .push(format!("Kafka gave {} answers (to {kafka:?}), Klamm {} ({klamm:?})", counts.0, counts.1));
    }
    let unmet = entries.iter().filter(|(_, met)| !met);
    complaints.extend(unmet.map(|(entry, _)| format!("docs/differences.md: {} does not differ", entry.id)));
    if complaints.is_empty() { Ok(known) } else { Err(format!("{area}:\n{}", complaints.join("\n"))) }
}
