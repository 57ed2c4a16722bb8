//! The configuration file: TOML. `num.partitions = 3`, `"num.partitions" = 3` and `[num] partitions = 3` are the same.

use std::{collections::BTreeMap, path::Path};

use toml::de::{DeTable, DeValue};

use super::{ConfigError, Setting, Source};

pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Setting>, ConfigError> {
    let source = |at: usize| Source::File { path: path.to_owned(), line: line_of(text, at) };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        source: source(error.span().map_or(0, |span| span.start)),
        problem: explained(error.message()),
    })?;
    let mut settings = Vec::new();
    flatten("", table.get_ref(), &source, &mut settings)?;
    settings.sort_by(|a, b| a.source.cmp(&b.source));
    let mut seen: BTreeMap<String, Source> = BTreeMap::new();
    for setting in &settings {
        if let Some(first) = seen.insert(setting.key.clone(), setting.source.clone()) {
            let (key, second) = (setting.key.clone(), setting.source.clone());
            return Err(ConfigError::Twice { key, first, second });
        }
    }
    Ok(settings)
}

/// TOML takes `max.connections` for a table where `max.connections.per.ip` is set too.
fn explained(problem: &str) -> String {
    let hint = match problem {
        _ if problem.contains("dotted key") => "",
        "duplicate key" => "keep one of them; ",
        _ => return problem.to_owned(),
    };
    format!("{problem}; {hint}where a key goes on from another, write it in quotes: \"max.connections\" = 5")
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn flatten(
    prefix: &str,
    table: &DeTable<'_>,
    source: &dyn Fn(usize) -> Source,
    settings: &mut Vec<Setting>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        let source_here = source(name.span().start);
        let value = match value.get_ref() {
            DeValue::Table(table) => {
                flatten(&format!("{key}."), table, source, settings)?;
                continue;
            }
            DeValue::String(text) => text.clone().into_owned(),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.as_str().to_owned(), |number| number.to_string()),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(value) => value.to_string(),
            other @ (DeValue::Array(_) | DeValue::Datetime(_)) => {
                return Err(ConfigError::BadType { key, found: other.type_str(), source: source_here });
            }
        };
        settings.push(Setting { key, value, source: source_here });
    }
    Ok(())
}
