//! Kafka's own command line tools: each run against both, what they print compared line by line. What differs must stand in the
//! table of `docs/differences.md`, and what stands there must differ. The order of lines is not compared.

use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use klamm_conformance::{Client, Server, TempDir, Tool, unique};
use serde_json::json;

mod runs;

#[test]
#[ignore = "needs Apache Kafka: conformance/oracle/kafka with cargo test ... -- --include-ignored"]
fn topics_and_configs() {
    agree(runs::TOPICS_AND_CONFIGS);
}

#[test]
#[ignore = "needs Apache Kafka: conformance/oracle/kafka with cargo test ... -- --include-ignored"]
fn records() {
    agree(runs::RECORDS);
}

#[test]
#[ignore = "needs Apache Kafka: conformance/oracle/kafka with cargo test ... -- --include-ignored"]
fn groups() {
    agree(runs::GROUPS);
}

/// A row of the table: of which runs, and what the lines are like.
struct Known {
    run: String,
    kafka: String,
    klamm: String,
    met: bool,
}

fn agree(runs: &[&str]) {
    let kafka = env::var("KLAMM_CONFORMANCE_BOOTSTRAP").expect("it names Apache Kafka");
    let server = Server::start(&["-c", "group.initial.rebalance.delay.ms=0"]);
    let name = unique("");
    let (ours, theirs) = thread::scope(|scope| {
        let theirs = scope.spawn(|| all(&kafka, &name, runs));
        (all(server.addr(), &name, runs), theirs.join().expect("the tools run against Apache Kafka"))
    });
    let mut known = known();
    let mut complaints = vec![];
    for ((run, ours), theirs) in runs.iter().zip(&ours).zip(&theirs) {
        let missing: Vec<_> = theirs.iter().filter(|line| !ours.contains(line)).collect();
        let more: Vec<_> = ours.iter().filter(|line| !theirs.contains(line)).collect();
        let mut covers = |line: &str, side: fn(&Known) -> &str| {
            let mut rows =
                known.iter_mut().filter(|row| has_form(&row.run, run) && has_form(side(row), line));
            rows.next().map(|row| row.met = true).is_some()
        };
        let complained = complaints.len();
        for line in missing {
            if !covers(line, |row| &row.kafka) {
                complaints.push(format!("  Kafka: {line}"));
            }
        }
        for line in more {
            if !covers(line, |row| &row.klamm) {
                complaints.push(format!("  Klamm: {line}"));
            }
        }
        if complaints.len() > complained {
            complaints.insert(complained, format!("{run}:"));
        }
    }
    for row in known.iter().filter(|row| !row.met && runs.iter().any(|run| has_form(&row.run, run))) {
        complaints
            .push(format!("docs/differences.md: nothing differs as told of {}: {}", row.run, row.kafka));
    }
    assert!(complaints.is_empty(), "the tools print otherwise:\n{}", complaints.join("\n"));
    println!("{} runs of tools, equal but for the table of docs/differences.md", runs.len());
}

/// What each run prints against the broker at `address`.
fn all(address: &str, name: &str, runs: &[&str]) -> Vec<Vec<String>> {
    let (topic, group) = (format!("tools{name}"), format!("grouped{name}"));
    let mut tools = Client::start(Tool::JavaTools, address);
    let mut member = Client::start(Tool::Confluent, address);
    let dir = TempDir::new();
    let in_names = |text: &str| {
        text.replace("{t}", &topic).replace("{g}", &group).replace("{d}", &dir.path().display().to_string())
    };
    let carry_out = |run: &&str| -> Vec<String> {
        let (words, input) = run.split_once(" << ").unwrap_or((run, ""));
        let (own_only, words) = words.strip_prefix("own ").map_or((false, words), |rest| (true, rest));
        let words: Vec<_> = words.split(' ').map(&in_names).collect();
        match words[0].as_str() {
            "file" => {
                fs::write(dir.file(&words[1]), in_names(input)).expect("a file in a temporary folder");
                return vec![];
            }
            "member" => {
                let how = json!({"do": words[1], "member": "m", "group": group, "topic": words[2]});
                let how = if words[1] == "leave" { json!({"do": "leave", "member": "m"}) } else { how };
                member.tell(how);
                while words[1] == "join"
                    && member.tell(json!({"do": "state", "member": "m"}))["assigned"] == json!([])
                {
                    thread::sleep(std::time::Duration::from_millis(100));
                }
                return vec![];
            }
            _ => {}
        }
        let answer = tools.tell(json!({"do": "tool", "tool": words[0], "args": words[1..], "input": input}));
        let printed = answer["out"].as_str().expect("text");
        let lines = printed.lines().map(|line| normal(line, address, &topic, &group, dir.path().to_str()));
        let lines = lines.filter(|line| !line.starts_with("at "));
        lines
            .filter(|line| !own_only || line.contains("{t}") || line.contains("{g}"))
            .chain([format!("exit {}", answer["exit"])])
            .collect()
    };
    runs.iter().map(carry_out).collect()
}

/// `line` without what differs by nature: addresses, names, ids, times, folders, the width of columns.
fn normal(line: &str, address: &str, topic: &str, group: &str, dir: Option<&str>) -> String {
    let line = line.replace(address, "ADDRESS").replace(topic, "{t}").replace(group, "{g}");
    let line = line.replace(dir.expect("text"), "{d}");
    let mut words: Vec<&str> = line.split_whitespace().collect();
    for i in 0..words.len() {
        if i > 0 && words[i - 1] == "TopicId:" || words[i].starts_with("rdkafka-") {
            words[i] = "ID";
        }
    }
    times(&without_folder(&words.join(" ")))
}

fn without_folder(line: &str) -> String {
    let Some((before, after)) = line.split_once("\"logDir\":\"") else { return line.to_owned() };
    let rest = after.split_once('"').map_or("", |(_, rest)| rest);
    format!("{before}\"logDir\":\"DIR\"{rest}")
}

/// Numbers that are milliseconds of about now are `TIME`.
fn times(line: &str) -> String {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let mut shown = String::new();
    for part in line.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
        match digits.parse::<u128>() {
            Ok(number) if number.abs_diff(now_ms) < 86_400_000 => {
                shown.push_str("TIME");
                shown.push_str(&part[digits.len()..]);
            }
            _ => shown.push_str(part),
        }
    }
    shown
}

/// The table under the heading about the tools.
fn known() -> Vec<Known> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/differences.md");
    let text = fs::read_to_string(page).expect("docs/differences.md");
    let (_, part) = text.split_once("\n## Kafka's command line tools\n").expect("the part about the tools");
    let part = part.split("\n## ").next().unwrap_or_default();
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<_> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
        let [run, kafka, klamm, reason] = &cells[..] else { panic!("four cells: {line}") };
        assert!(!reason.is_empty(), "a reason: {line}");
        Known { run: run.clone(), kafka: kafka.clone(), klamm: klamm.clone(), met: false }
    };
    rows.map(row).collect()
}

/// Whether `text` has the form of `pattern`, in which `*` stands for any text.
fn has_form(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|&at| rest.is_char_boundary(at)).any(|at| has_form(tail, &rest[at..]))
}

#[test]
fn what_differs_by_nature_is_left_out() {
    let line = "Topic: t1  TopicId: q7H  at 127.0.0.1:1 rdkafka-12 9223372036854775807";
    let shown = normal(line, "127.0.0.1:1", "t1", "g1", Some("/tmp/x"));
    assert_eq!(shown, "Topic: {t} TopicId: ID at ADDRESS ID 9223372036854775807");
    assert!(has_form("a*c", "abc") && has_form("*", "") && !has_form("a*c", "ab"));
    assert!(!known().is_empty());
}
