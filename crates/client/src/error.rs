//! What can go wrong, as facts. `Display` says what, where, and what to do.

use std::{fmt, io, time::Duration};

use klamm_protocol::{ApiKey, ErrorCode};

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed.
#[derive(Debug)]
pub enum Error {
    /// No broker answers there.
    Connect {
        /// The address.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// The connection broke before the answer.
    Closed {
        /// The broker.
        address: String,
        /// Why, as far as it is known.
        why: String,
    },
    /// The broker does not have the API.
    NotServed {
        /// The broker.
        address: String,
        /// The API.
        api: ApiKey,
    },
    /// The broker has the API in other versions only.
    NoCommonVersion {
        /// The broker.
        address: String,
        /// The API.
        api: ApiKey,
        /// The broker's versions.
        theirs: (i16, i16),
        /// Ours.
        ours: (i16, i16),
    },
    /// The answer can't be read.
    Malformed {
        /// The broker.
        address: String,
        /// The API.
        api: ApiKey,
        /// What is wrong.
        problem: String,
    },
    /// The broker says no.
    Refused {
        /// What was asked.
        what: String,
        /// The broker's code.
        code: ErrorCode,
        /// The broker's words.
        message: Option<String>,
    },
    /// The deadline passed.
    TimedOut {
        /// What was asked.
        what: String,
        /// How long it took.
        after: Duration,
        /// The last error before.
        last: Option<Box<Error>>,
    },
    /// The topic is not there.
    NoTopic {
        /// Its name.
        topic: String,
        /// Who was asked.
        address: String,
    },
    /// The topic has no such partition.
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// How many there are.
        count: usize,
    },
    /// Something else about what was asked.
    Other(String),
}

impl Error {
    /// A refusal, unless the code is none.
    pub(crate) fn check(code: ErrorCode, message: Option<&str>, what: impl FnOnce() -> String) -> Result<()> {
        if code.is_ok() {
            return Ok(());
        }
        let message = message.filter(|text| !text.is_empty()).map(str::to_owned);
        Err(Self::Refused { what: what(), code, message })
    }

    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Closed { .. } => true,
            Self::Refused { code, .. } => code.is_retriable(),
            _ => false,
        }
    }

    /// The broker's code, if it gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { address, error } => {
                write!(
                    f,
                    "can't connect to {address}: {error}; is a broker running there? (-b HOST:PORT names another)"
                )
            }
            Self::Closed { address, why } => write!(f, "the connection to {address} broke: {why}"),
            Self::NotServed { address, api } => write!(f, "this broker ({address}) does not serve {api}"),
            Self::NoCommonVersion { address, api, theirs, ours } => write!(
                f,
                "this broker ({address}) serves {api} in versions {}-{}, and this client speaks {}-{}",
                theirs.0, theirs.1, ours.0, ours.1
            ),
            Self::Malformed { address, api, problem } => {
                write!(f, "the {api} answer of {address} can't be read: {problem}; is it a Kafka broker?")
            }
            Self::Refused { what, code, message: Some(message) } => {
                write!(f, "{what}: {} ({}): {message}", code.name(), code.0)
            }
            Self::Refused { what, code, message: None } => write!(f, "{what}: {code}"),
            Self::TimedOut { what, after, last } => {
                write!(f, "{what}: no success within {:.1} s", after.as_secs_f64())?;
                match last {
                    Some(last) => write!(f, "; the last problem: {last}"),
                    None => Ok(()),
                }
            }
            Self::NoTopic { topic, address } => {
                write!(f, "there is no topic {topic} at {address}; `klamm topic create {topic}` makes it")
            }
            Self::NoPartition { topic, partition, count } => {
                write!(f, "topic {topic} has no partition {partition}; it has {count}, counted from 0")
            }
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}
