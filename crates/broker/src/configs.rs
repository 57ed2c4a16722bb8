//! What DescribeConfigs tells and the Alter… requests name: Kafka's numbers for resources, sources and types, and a row
//! of a configuration.

use klamm_protocol::ErrorCode;

use crate::Broker;

/// Kafka's numbers of what has a configuration.
pub(crate) const TOPIC: i8 = 2;
pub(crate) const BROKER: i8 = 4;
pub(crate) const BROKER_LOGGER: i8 = 8;
pub(crate) const CLIENT_METRICS: i8 = 16;
pub(crate) const GROUP: i8 = 32;

/// Kafka's numbers of where a value comes from.
pub(crate) const SOURCE_TOPIC: i8 = 1;
pub(crate) const SOURCE_BROKER: i8 = 4;
pub(crate) const SOURCE_DEFAULT: i8 = 5;

/// A code and a text for a person.
pub(crate) type Refusal = (ErrorCode, String);

/// What a value is, in Kafka's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigType {
    /// true or false.
    Boolean = 1,
    /// A text.
    String = 2,
    /// A whole number of 32 bits.
    Int = 3,
    /// A whole number of 64 bits.
    Long = 5,
    /// A number.
    Double = 6,
    /// Words between commas.
    List = 7,
}

/// A key of the broker's own configuration, for DescribeConfigs. It changes with a restart only.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it is if nobody says.
    pub default: String,
    /// Whether somebody said so (a file, the environment, a flag).
    pub configured: bool,
    /// What its value is.
    pub kind: ConfigType,
    /// What it is, in a line.
    pub doc: &'static str,
    /// Whether the value is a secret: it is not told.
    pub sensitive: bool,
}

/// A configuration as it is told.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// None for a secret.
    pub(crate) value: Option<String>,
    pub(crate) source: i8,
    pub(crate) read_only: bool,
    pub(crate) sensitive: bool,
    /// Name, value and source of what decides, the first that is there: `value` is that of the first.
    pub(crate) synonyms: Vec<(&'static str, Option<String>, i8)>,
    pub(crate) kind: ConfigType,
    pub(crate) doc: &'static str,
}

impl Setting {
    /// What decides the value: the configured one, then the default.
    pub(crate) fn layers(&self) -> Vec<(&'static str, Option<String>, i8)> {
        let told = |value: String| Some(value).filter(|_| !self.sensitive);
        let configured = self.configured.then(|| (self.name, told(self.value.clone()), SOURCE_BROKER));
        let default = (self.name, told(self.default.clone()), SOURCE_DEFAULT);
        configured.into_iter().chain([default]).collect()
    }

    fn row(&self) -> Row {
        Row {
            name: self.name,
            value: Some(self.value.clone()).filter(|_| !self.sensitive),
            source: if self.configured { SOURCE_BROKER } else { SOURCE_DEFAULT },
            read_only: true,
            sensitive: self.sensitive,
            synonyms: self.layers(),
            kind: self.kind,
            doc: self.doc,
        }
    }
}

impl Broker {
    /// The broker's own configuration.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.config.settings.iter().map(Setting::row).collect()
    }

    /// Refuses a resource's name that is not this broker's id; `or` tells what else it could be.
    pub(crate) fn check_id(&self, name: &str, or: &str) -> Result<(), Refusal> {
        let id = self.config.id;
        let why = match name.parse::<i32>() {
            Ok(named) if named == id => return Ok(()),
            Ok(named) => format!("Unexpected broker id, expected {id}{or}, but received {named}"),
            Err(_) => format!("Broker id must be an integer, but it is: {}", name.escape_debug()),
        };
        Err((ErrorCode::INVALID_REQUEST, why))
    }
}
