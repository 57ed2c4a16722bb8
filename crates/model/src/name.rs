//! Topic names. Invariant: a `TopicName` is legal in Kafka; disk paths use ids, never names.

use std::{fmt, sync::Arc};

/// The longest topic name.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// A legal topic name, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

/// Why a name is not a topic's name. The text is meant for the person who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidTopicName {
    /// No characters at all.
    Empty,
    /// `.` or `..`.
    Dots,
    /// Longer than [`TOPIC_NAME_BYTES_MAX`].
    TooLong,
    /// A character outside `[a-zA-Z0-9._-]`.
    Character(char),
}

impl TopicName {
    /// Checks a name by Kafka's rules.
    pub fn parse(name: &str) -> Result<Self, InvalidTopicName> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name {
            "" => Err(InvalidTopicName::Empty),
            "." | ".." => Err(InvalidTopicName::Dots),
            _ if name.len() > TOPIC_NAME_BYTES_MAX => Err(InvalidTopicName::TooLong),
            _ => match name.chars().find(|c| !legal(*c)) {
                Some(c) => Err(InvalidTopicName::Character(c)),
                None => Ok(Self(name.into())),
            },
        }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvalidTopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a topic's name must not be empty"),
            Self::Dots => f.write_str("a topic's name must not be '.' or '..'"),
            Self::TooLong => write!(f, "a topic's name must have at most {TOPIC_NAME_BYTES_MAX} characters"),
            Self::Character(c) => write!(
                f,
                "a topic's name must have only ASCII letters, digits, '.', '_' and '-', not {}",
                c.escape_default()
            ),
        }
    }
}

impl std::error::Error for InvalidTopicName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check =
            |name: &str, want: Option<InvalidTopicName>| assert_eq!(TopicName::parse(name).err(), want);
        check("orders.v1_a-B", None);
        check(&"x".repeat(249), None);
        check("", Some(InvalidTopicName::Empty));
        check("..", Some(InvalidTopicName::Dots));
        check(&"x".repeat(250), Some(InvalidTopicName::TooLong));
        check("../x", Some(InvalidTopicName::Character('/')));
        check("a\nb", Some(InvalidTopicName::Character('\n')));
        check("ü", Some(InvalidTopicName::Character('ü')));
    }
}
