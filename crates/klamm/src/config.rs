//! The configuration. Layers, each over the one before: defaults, a TOML file, `KLAMM_…` in the environment, flags.
//!
//! Contract: one table ([`KEYS`]) has every key with its default, its range and its line of help; a key that is not
//! there is refused wherever it stands, and so is a value outside its range. Each value remembers where it came
//! from. Loading does no I/O: the caller hands in the file's text and the environment.

mod environment;
mod error;
mod file;
mod keys;
mod open_files;
mod value;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

pub use environment::variable_of;
pub use error::ConfigError;
pub use keys::{Config, KEYS, Key};
pub use open_files::Fit;
pub use value::{Kind, Value};

/// Where a value came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Nobody said anything.
    #[default]
    Default,
    /// The default gave way to the limit of open files, which is this many.
    OpenFiles(u64),
    /// The configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable, by its name.
    Environment(String),
    /// A flag on the command line, as it is written there (`-c`, `--listen`).
    Flag(&'static str),
}

impl Source {
    /// Whether somebody said it.
    pub fn is_set(&self) -> bool {
        !matches!(self, Self::Default | Self::OpenFiles(_))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::OpenFiles(limit) => write!(f, "default, fitted to the limit of {limit} open files"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Where each value came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(BTreeMap<&'static str, Source>);

impl Sources {
    /// Where the value of `key` came from.
    pub fn of(&self, key: &str) -> &Source {
        self.0.get(key).unwrap_or(&Source::Default)
    }
}

/// What a configuration is loaded from.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The configuration file's path and text.
    pub file: Option<(PathBuf, String)>,
    /// The environment; names that do not begin with `KLAMM_` do not matter.
    pub environment: Vec<(String, String)>,
    /// Flags in order; of two for the same key the later one holds.
    pub flags: Vec<Flag>,
}

/// A key set on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as it is written (`-c`, `--listen`).
    pub flag: &'static str,
    /// The key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// A key and a value somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    key: String,
    value: String,
    source: Source,
}

impl Config {
    /// Lays the inputs over the defaults.
    pub fn load(inputs: &Inputs) -> Result<Self, ConfigError> {
        let mut settings = match &inputs.file {
            Some((path, text)) => file::read(path, text)?,
            None => Vec::new(),
        };
        settings.extend(environment::read(&inputs.environment)?);
        settings.extend(inputs.flags.iter().map(|Flag { flag, key, value }| Setting {
            key: key.clone(),
            value: value.clone(),
            source: Source::Flag(flag),
        }));
        let mut config = Self::default();
        for setting in settings {
            config.set(setting)?;
        }
        config.check()?;
        Ok(config)
    }

    fn set(&mut self, Setting { key: name, value: text, source }: Setting) -> Result<(), ConfigError> {
        let Some(key) = Key::named(&name) else {
            let nearest = nearest(&name, KEYS.iter().map(|key| key.name.to_owned()));
            return Err(ConfigError::UnknownKey { key: name, source, nearest });
        };
        let value = key.kind.read(&text);
        if !value.is_some_and(|value| (key.set)(self, value)) {
            let expected = key.kind.to_string();
            return Err(ConfigError::BadValue { key: key.name, value: text, expected, source });
        }
        self.sources.0.insert(key.name, source);
        Ok(())
    }

    /// What concerns two keys, and what ranges don't say.
    fn check(&self) -> Result<(), ConfigError> {
        let zeros = [
            ("log.retention.ms", self.log_retention_ms == Some(0)),
            ("log.retention.minutes", self.log_retention_minutes == Some(0)),
            ("log.retention.hours", self.log_retention_hours == 0),
            ("compression.gzip.level", self.compression_gzip_level == 0),
        ];
        if let Some((key, _)) = zeros.into_iter().find(|(_, zero)| *zero) {
            let (expected, source) = ("-1, or 1 and above".to_owned(), self.sources.of(key).clone());
            return Err(ConfigError::BadValue { key, value: "0".to_owned(), expected, source });
        }
        if self.message_max_bytes > self.socket_request_max_bytes {
            return Err(ConfigError::Conflict {
                key: "message.max.bytes",
                source: self.sources.of("message.max.bytes").clone(),
                problem: "a message could not be sent: it must not be above",
                other: "socket.request.max.bytes",
                other_source: self.sources.of("socket.request.max.bytes").clone(),
            });
        }
        Ok(())
    }

    /// A key's value, as text that [`Config::load`] would read.
    pub fn get(&self, key: &str) -> Option<String> {
        Key::named(key).map(|key| (key.get)(self).to_string())
    }
}

impl ConfigError {
    /// The configuration file could not be read.
    pub fn unreadable(path: &Path, problem: impl fmt::Display) -> Self {
        Self::Unreadable { path: path.to_owned(), problem: problem.to_string() }
    }
}

/// The known name that is most like `name`, if one is.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let distance = |known: &String| strsim::damerau_levenshtein(known, &name.to_lowercase());
    let (distance, known) = known.map(|known| (distance(&known.to_lowercase()), known)).min()?;
    (distance <= (name.len() / 3).max(2)).then_some(known)
}

#[cfg(test)]
mod tests;
