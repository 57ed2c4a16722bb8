//! Lists: as a table for people, as JSON for programs. Pure but for [`print`].

use std::io::Write as _;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::Stop;

/// How a list is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// Aligned columns
    #[default]
    Table,
    /// JSON
    Json,
}

/// What each listing command takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ListArgs {
    /// How to show it
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    pub(super) output: Shape,
}

/// Rows under named columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Listing {
    pub(super) fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(super) fn push(&mut self, row: Vec<Value>) {
        assert_eq!(row.len(), self.columns.len(), "a row has a cell for each column");
        self.rows.push(row);
    }

    pub(super) fn json(&self) -> Value {
        let object = |row: &Vec<Value>| {
            let cells = self.columns.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned());
            Value::Object(Map::from_iter(cells))
        };
        self.rows.iter().map(object).collect()
    }

    pub(super) fn table(&self) -> String {
        let head: Vec<String> = self.columns.iter().map(|name| name.to_uppercase()).collect();
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([head[column].chars().count()]).max().unwrap_or_default()
        };
        let widths: Vec<_> = (0..head.len()).map(width).collect();
        let right: Vec<_> = (0..head.len())
            .map(|column| {
                let mut cells = self.rows.iter().map(|row| &row[column]);
                cells.clone().any(Value::is_number) && cells.all(|cell| cell.is_number() || cell.is_null())
            })
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&head).chain(&rows) {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[column] - cell.chars().count());
                let parts = if right[column] { [pad.as_str(), cell] } else { [cell, pad.as_str()] };
                line.extend(parts);
                line.push_str("  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Shows it.
    pub(super) fn print(&self, args: &ListArgs) -> Result<(), Stop> {
        match args.output {
            Shape::Table => print(&self.table()),
            Shape::Json => print_json(&self.json()),
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Writes text to standard output.
pub(super) fn print(text: &str) -> Result<(), Stop> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes a value to standard output, for people and programs.
pub(super) fn print_json(value: &Value) -> Result<(), Stop> {
    print(&format!("{value:#}\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_aligned() {
        let mut listing = Listing::new(&["topic", "n", "replicas"]);
        listing.push(vec![json!("a"), json!(10), json!([1, 2])]);
        listing.push(vec![json!("longer"), json!(null), json!([])]);
        assert_eq!(listing.table(), "TOPIC    N  REPLICAS\na       10  1,2\nlonger   -\n");
        assert_eq!(listing.json()[0], json!({"topic": "a", "n": 10, "replicas": [1, 2]}));
    }
}
