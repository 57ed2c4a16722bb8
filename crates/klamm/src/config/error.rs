//! What can be wrong with a configuration. Each message says what, where, and what to do.

use std::{error, fmt, path::PathBuf};

use super::Source;

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no such key.
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        source: Source,
        /// The known one that is most like it.
        nearest: Option<String>,
    },
    /// There is no key for this environment variable.
    UnknownVariable {
        /// The variable.
        name: String,
        /// The known one that is most like it.
        nearest: Option<String>,
    },
    /// A value outside what the key allows.
    BadValue {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What the key allows.
        expected: String,
        /// Where it stands.
        source: Source,
    },
    /// A value that is neither a text nor a number nor a boolean.
    BadType {
        /// The key.
        key: String,
        /// What it is.
        found: &'static str,
        /// Where it stands.
        source: Source,
    },
    /// A key that stands twice in the file, written in two ways.
    Twice {
        /// The key.
        key: String,
        /// The first place.
        first: Source,
        /// The second place.
        second: Source,
    },
    /// Two values that do not go together.
    Conflict {
        /// The key.
        key: &'static str,
        /// Where its value came from.
        source: Source,
        /// What is wrong.
        problem: &'static str,
        /// The other key.
        other: &'static str,
        /// Where the other value came from.
        other_source: Source,
    },
    /// The file is not TOML.
    Syntax {
        /// Where.
        source: Source,
        /// What the parser says.
        problem: String,
    },
    /// The file could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let did_you_mean = |f: &mut fmt::Formatter<'_>, nearest: &Option<String>| match nearest {
            Some(nearest) => write!(f, "did you mean {nearest}?"),
            None => write!(f, "`klamm serve --help` lists all keys"),
        };
        match self {
            Self::UnknownKey { key, source, nearest } => {
                write!(f, "unknown configuration key {key:?} ({source}); ")?;
                did_you_mean(f, nearest)
            }
            Self::UnknownVariable { name, nearest } => {
                write!(f, "environment variable {name} is not a configuration key; ")?;
                did_you_mean(f, nearest)
            }
            Self::BadValue { key, value, expected, source } => {
                write!(f, "{key} is {value:?} ({source}); expected {expected}")
            }
            Self::BadType { key, found, source } => {
                write!(f, "{key:?} has the type {found} ({source}); expected a text, a number or a boolean")
            }
            Self::Twice { key, first, second } => {
                write!(f, "{key:?} is set twice ({first}; {second}); keep one of them")
            }
            Self::Conflict { key, source, problem, other, other_source } => {
                write!(f, "{key} ({source}): {problem} {other} ({other_source})")
            }
            Self::Syntax { source, problem } => write!(f, "{source}: not valid TOML: {problem}"),
            Self::Unreadable { path, problem } => {
                write!(f, "can't read the configuration file {}: {problem}", path.display())
            }
        }
    }
}

impl error::Error for ConfigError {}
