//! Histories as text: an event a line, in JSON. `{"event":"send_ok","part":1,"writer":0,"first":7,"count":2,"offset":40}`

use crate::Event;

/// An event's line, without the line's end.
pub fn line(event: &Event) -> String {
    serde_json::to_string(event).expect("events are plain data")
}

/// A line that is no event.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the history: {error}")]
pub struct ParseError {
    /// Its number, from 1 on.
    pub line: usize,
    /// What is wrong.
    pub error: serde_json::Error,
}

/// The events of a text; empty lines are nothing.
pub fn parse(text: &str) -> impl Iterator<Item = Result<Event, ParseError>> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(line, text)| serde_json::from_str(text).map_err(|error| ParseError { line, error }))
}
