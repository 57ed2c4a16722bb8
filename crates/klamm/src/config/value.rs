//! Values: what kinds there are, how they are read and shown.

use std::{fmt, path::PathBuf};

use klamm_model::StorageClass;

/// What a key's value may be. `Display` says what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// A number of bytes.
    Bytes {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// A number of milliseconds.
    Millis {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// `host:port`; port 0 is free to choose.
    Address,
    /// `host:port`, or empty.
    OptionalAddress,
    /// A path of a folder.
    Folder,
    /// One of some words.
    Word(&'static [&'static str]),
    /// Some of some words, with commas between.
    Words(&'static [&'static str]),
    /// Of another kind, or nothing.
    Optional(&'static Kind),
    /// A log level, or levels by module.
    LogFilter,
}

/// A value. `Display` gives a text that [`Kind::read`] reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// A number: plain, bytes or milliseconds.
    Int(i64),
    /// A text.
    Text(String),
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Kind {
    /// Reads a value; `None` if it is not of this kind.
    pub fn read(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        let within = |value: i64, min, max| (min..=max).contains(&value).then_some(Value::Int(value));
        let keep = |good: bool| good.then(|| Value::Text(text.to_owned()));
        match *self {
            Self::Bool => match text.to_ascii_lowercase().as_str() {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                _ => None,
            },
            Self::Int { min, max } => within(text.parse().ok()?, min, max),
            Self::Bytes { min, max } => within(scaled(text, bytes_in)?, min, max),
            Self::Millis { min, max } => within(scaled(text, millis_in)?, min, max),
            Self::Address => keep(is_address(text, 0)),
            Self::OptionalAddress => keep(text.is_empty() || is_address(text, 1)),
            Self::Folder => keep(!text.is_empty() && !text.contains('\0')),
            Self::Word(words) => keep(words.contains(&text)),
            Self::Words(words) => {
                keep(text.is_empty() || text.split(',').all(|word| words.contains(&word.trim())))
            }
            Self::Optional(_) if text.is_empty() => Some(Value::Text(String::new())),
            Self::Optional(kind) => kind.read(text),
            Self::LogFilter => keep(text.split(',').all(is_directive)),
        }
    }
}

/// A number with a unit behind it.
fn scaled(text: &str, unit: fn(&str) -> Option<i64>) -> Option<i64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let (number, name) = text.split_at(end);
    number.parse::<i64>().ok()?.checked_mul(unit(&name.trim_start().to_ascii_lowercase())?)
}

fn bytes_in(unit: &str) -> Option<i64> {
    match unit {
        "" | "b" => Some(1),
        "k" | "kib" => Some(1 << 10),
        "m" | "mib" => Some(1 << 20),
        "g" | "gib" => Some(1 << 30),
        _ => None,
    }
}

fn millis_in(unit: &str) -> Option<i64> {
    match unit {
        "" | "ms" => Some(1),
        "s" => Some(1000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    }
}

fn is_address(text: &str, port_min: u16) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_ok = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            !host.is_empty() && host.len() <= 253 && host.chars().all(good)
        }
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host_ok && digits && port.parse::<u16>().is_ok_and(|port| port >= port_min)
}

fn is_directive(text: &str) -> bool {
    let (module, level) = text.split_once('=').unwrap_or(("klamm", text));
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    !module.is_empty() && module.chars().all(good) && LEVELS.contains(&level)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => write!(f, "true or false"),
            Self::Int { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Bytes { min, max } => {
                write!(f, "bytes from {min} to {max}; k, M, G and KiB, MiB, GiB are powers of 1024")
            }
            Self::Millis { min, max } => {
                write!(f, "milliseconds from {min} to {max}, or with a unit: ms, s, min, h, d")
            }
            Self::Address => write!(f, "HOST:PORT, such as 0.0.0.0:9092 or [::]:9092"),
            Self::OptionalAddress => write!(f, "HOST:PORT with a port above 0, or nothing"),
            Self::Folder => write!(f, "the path of a folder"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Words(words) => write!(f, "some of {}, with commas between", words.join(", ")),
            Self::Optional(kind) => write!(f, "{kind}, or nothing"),
            Self::LogFilter => write!(f, "one of {}, or module=level,…", LEVELS.join(", ")),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value}"),
        }
    }
}

/// A type of a field of the configuration.
pub(super) trait Field: Sized {
    fn from_value(value: Value) -> Option<Self>;
    fn to_value(&self) -> Value;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Int(value) => value.try_into().ok(),
                    Value::Bool(_) | Value::Text(_) => None,
                }
            }

            fn to_value(&self) -> Value {
                Value::Int(i64::try_from(*self).expect("it was read as an i64"))
            }
        }
    )*};
}

numbers!(i16, i32, i64, u32, u64, usize);

impl Field for Option<i64> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Int(value) => Some(Some(value)),
            Value::Text(text) => text.is_empty().then_some(None),
            Value::Bool(_) => None,
        }
    }

    fn to_value(&self) -> Value {
        self.map_or_else(|| Value::Text(String::new()), Value::Int)
    }
}

impl Field for bool {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(value),
            Value::Int(_) | Value::Text(_) => None,
        }
    }

    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
}

macro_rules! texts {
    ($($type:ty: |$text:ident| $read:expr, |$field:ident| $show:expr;)*) => {$(
        impl Field for $type {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Text($text) => $read,
                    Value::Bool(_) | Value::Int(_) => None,
                }
            }

            fn to_value(&self) -> Value {
                let $field = self;
                Value::Text($show)
            }
        }
    )*};
}

texts! {
    String: |text| Some(text), |field| field.clone();
    Option<String>: |text| Some(Some(text).filter(|text| !text.is_empty())), |field| field.clone().unwrap_or_default();
    PathBuf: |text| Some(text.into()), |field| field.display().to_string();
    StorageClass: |text| StorageClass::parse(&text), |field| field.name().to_owned();
}
