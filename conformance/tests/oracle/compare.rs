//! Field by field, and what `docs/differences.md` says of it.

use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::run::Answer;

/// A field that two answers do not agree on.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The row.
    pub(crate) row: String,
    /// Where in the answer, as `topics[0].errorCode`.
    pub(crate) field: String,
    /// Apache Kafka's, as JSON.
    pub(crate) kafka: String,
    /// Klamm's.
    pub(crate) klamm: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  {}\n    Kafka {}\n    Klamm {}", self.row, self.field, self.kafka, self.klamm)
    }
}

/// All fields in which the answers to one row differ.
pub(crate) fn differences(kafka: &Answer, klamm: &Answer) -> Vec<Difference> {
    let (mut found, row_name) = (vec![], kafka.row.clone());
    walk(String::new(), Some(&kafka.answer), Some(&klamm.answer), &mut |field, kafka, klamm| {
        let shown = |value: Option<&Value>| value.map_or("absent".into(), Value::to_string);
        let row = row_name.clone();
        found.push(Difference { row, field: field.into(), kafka: shown(kafka), klamm: shown(klamm) });
    });
    found
}

type Found<'a> = &'a mut dyn FnMut(&str, Option<&Value>, Option<&Value>);

fn walk(path: String, kafka: Option<&Value>, klamm: Option<&Value>, found: Found<'_>) {
    match (kafka, klamm) {
        (Some(Value::Object(theirs)), Some(Value::Object(ours))) => {
            let of_both = theirs.keys().chain(ours.keys().filter(|name| !theirs.contains_key(*name)));
            for name in of_both {
                let dot = if path.is_empty() { "" } else { "." };
                walk(format!("{path}{dot}{name}"), theirs.get(name), ours.get(name), found);
            }
        }
        (Some(Value::Array(theirs)), Some(Value::Array(ours))) if theirs.len() == ours.len() => {
            for (at, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                walk(format!("{path}[{at}]"), Some(theirs), Some(ours), found);
            }
        }
        _ if kafka == klamm => {}
        _ => found(&path, kafka, klamm),
    }
}

/// An entry of `docs/differences.md`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Entry {
    /// `AREA/NAME`.
    pub(crate) id: String,
    rows: String,
    field: String,
    kafka: String,
    klamm: String,
    reason: String,
}

impl Entry {
    /// Whether it speaks of this difference. `*` stands for any text.
    pub(crate) fn covers(&self, difference: &Difference) -> bool {
        matches(&self.rows, &difference.row)
            && matches(&self.field, &difference.field)
            && matches(&self.kafka, &difference.kafka)
            && matches(&self.klamm, &difference.klamm)
    }
}

/// The entries of `docs/differences.md`.
///
/// # Errors
/// A line that is not of an entry's form.
pub(crate) fn entries() -> Result<Vec<Entry>, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/differences.md");
    parse(&fs::read_to_string(path).map_err(|e| format!("docs/differences.md: {e}"))?)
}

/// An entry is a heading `### AREA/NAME` and five lines: rows, field, Kafka, Klamm, reason.
fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = vec![];
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(id) = line.strip_prefix("### ") {
            entries.push(Entry { id: id.into(), ..Default::default() });
            continue;
        }
        let Some(entry) = entries.last_mut() else { continue };
        let Some((name, value)) = line.strip_prefix("- ").and_then(|line| line.split_once(": ")) else {
            continue;
        };
        let place = match name {
            "rows" => &mut entry.rows,
            "field" => &mut entry.field,
            "Kafka" => &mut entry.kafka,
            "Klamm" => &mut entry.klamm,
            "reason" => &mut entry.reason,
            other => {
                return Err(format!("docs/differences.md:{number}: no line of an entry is called {other}"));
            }
        };
        *place = value.trim_matches('`').into();
    }
    for entry in &entries {
        let all = [&entry.rows, &entry.field, &entry.kafka, &entry.klamm, &entry.reason];
        if all.iter().any(|value| value.is_empty()) || !entry.id.contains('/') {
            return Err(format!("docs/differences.md: {} lacks a line", entry.id));
        }
    }
    Ok(entries)
}

/// Whether `text` is of one of the forms of `pattern`, which are parted by "` or `".
fn matches(pattern: &str, text: &str) -> bool {
    pattern.split("` or `").any(|form| has_form(form, text))
}

/// Whether `text` is of this form, in which `*` stands for any text.
fn has_form(form: &str, text: &str) -> bool {
    match form.split_once('*') {
        None => form == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            (0..=text.len()).any(|at| text.is_char_boundary(at) && has_form(rest, &text[at..]))
        }),
    }
}

#[test]
fn entries_have_the_form_that_the_page_tells() {
    let entries = entries().unwrap_or_else(|what| panic!("{what}"));
    for entry in &entries {
        let area = entry.id.split('/').next().expect("a part");
        assert!(crate::AREAS.contains(&area), "{}: no rows are of {area}", entry.id);
        assert_eq!(entries.iter().filter(|other| other.id == entry.id).count(), 1, "{} twice", entry.id);
    }
    assert!(parse("### a/b\n- rows: `x`\n").is_err());
    assert!(parse("### a/b\n- raws: `x`\n").is_err());
}

#[test]
fn a_star_stands_for_any_text() {
    assert!(matches("topics[*].errorCode", "topics[10].errorCode"));
    assert!(matches("*", "") && matches("a*", "a") && matches("a*c*", "abc"));
    assert!(!matches("a*c", "abd") && !matches("a", "ab"));
    assert!(matches("a` or `b*", "bc") && !matches("a` or `b*", "ac"));
}

#[test]
fn every_field_that_differs_is_found() {
    let answer = |answer| Answer { row: "r".into(), request: Value::Null, answer };
    let kafka = answer(serde_json::json!({"a": [{"b": 1, "c": 2}], "d": null, "e": [1]}));
    let klamm = answer(serde_json::json!({"a": [{"b": 1, "c": 3}], "e": [1, 2], "f": 0}));
    let found: Vec<_> = differences(&kafka, &klamm).into_iter().map(|each| each.field).collect();
    assert_eq!(found, ["a[0].c", "d", "e", "f"]);
    assert!(differences(&kafka, &kafka).is_empty());
}
