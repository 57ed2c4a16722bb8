//! What DescribeConfigs tells and the Alter… requests name: Kafka's numbers for resources, sources and types, and a row
//! of a configuration.

use std::net::SocketAddr;

use klamm_protocol::ErrorCode;

use crate::{Broker, topic_config};

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

/// Where clients are told to connect, as Kafka calls it.
const ADVERTISED: &str = "advertised.listeners";

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
    /// Its value; None for nothing.
    pub value: Option<String>,
    /// What it is if nobody says; None for nothing.
    pub default: Option<String>,
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
    /// What decides, the first that is there.
    pub(crate) synonyms: Vec<Synonym>,
    pub(crate) kind: ConfigType,
    pub(crate) doc: &'static str,
}

impl Row {
    /// About what it takes in memory and in an answer.
    pub(crate) fn bytes(&self) -> usize {
        let value = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        let synonym = |(name, told, _): &Synonym| size_of::<Synonym>() + name.len() + value(told);
        let synonyms = self.synonyms.iter().map(synonym).sum::<usize>();
        size_of::<Self>() + self.name.len() + value(&self.value) + synonyms + self.doc.len()
    }
}

/// Name, value and source of what decides a value.
pub(crate) type Synonym = (&'static str, Option<String>, i8);

/// Keys that stand in for each other, the first that has a value.
const FAMILIES: [&[&str]; 1] = [&["log.retention.ms", "log.retention.minutes", "log.retention.hours"]];

/// What decides the value of a broker's key, as Kafka tells it: what somebody said, then the defaults, of the key and of those
/// that stand in for it; nothing while the key itself has no value.
pub(crate) fn synonyms(settings: &[Setting], name: &str) -> Vec<Synonym> {
    let family = FAMILIES.into_iter().find(|family| family.contains(&name)).unwrap_or_default();
    let within = |setting: &&Setting| setting.name == name || family.contains(&setting.name);
    let told = |setting: &Setting, value: &Option<String>, source| {
        let value = value.clone()?;
        Some((setting.name, Some(value).filter(|_| !setting.sensitive), source))
    };
    let configured = settings.iter().filter(within).filter(|setting| setting.configured);
    let configured = configured.filter_map(|setting| told(setting, &setting.value, SOURCE_BROKER));
    let defaults = settings.iter().filter(within);
    let defaults = defaults.filter_map(|setting| told(setting, &setting.default, SOURCE_DEFAULT));
    configured.chain(defaults).skip_while(|(other, ..)| *other != name).collect()
}

impl Setting {
    fn row(&self, all: &[Setting]) -> Row {
        let synonyms = synonyms(all, self.name);
        Row {
            name: self.name,
            value: self.value.clone().filter(|_| !self.sensitive),
            source: synonyms.first().map_or(SOURCE_DEFAULT, |(_, _, source)| *source),
            read_only: true,
            sensitive: self.sensitive,
            synonyms,
            kind: self.kind,
            doc: self.doc,
        }
    }
}

/// How many buckets Kafka's hash map of a topic's configurations has, and that of a broker's. Some clients read the answers by
/// place, so they are told by bucket. (Within one, Kafka's order is that in which it happens to fill the map; ours is by name.)
pub(crate) const BUCKETS_TOPIC: u32 = 64;
const BUCKETS_BROKER: u32 = 512;

/// Where Java's hash map puts a name.
pub(crate) fn bucket(name: &str, buckets: u32) -> u32 {
    let hash = name.encode_utf16().fold(0_u32, |hash, c| hash.wrapping_mul(31).wrapping_add(c.into()));
    (hash ^ hash >> 16) & (buckets - 1)
}

impl Broker {
    /// The broker's own configuration, with the defaults of topics that can't be set, for a client that reached `local`.
    pub(crate) fn rows(&self, local: SocketAddr) -> Vec<Row> {
        let settings = &self.config.settings;
        let mut rows: Vec<_> = settings.iter().map(|setting| setting.row(settings)).collect();
        rows.extend(topic_config::unset_defaults(settings));
        if let Some(row) = rows.iter_mut().find(|row| row.name == ADVERTISED) {
            // If nobody said what to advertise, it is what Metadata tells.
            let (host, port) = self.address(local);
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            row.value = Some(format!("PLAINTEXT://{host}:{port}"));
            row.synonyms = vec![(row.name, row.value.clone(), row.source)];
        }
        rows.sort_unstable_by_key(|row| (bucket(row.name, BUCKETS_BROKER), row.name));
        rows
    }

    /// Refuses a resource's name that is not this broker's id; `what` is the id's name, `or` tells what else it could be.
    pub(crate) fn check_id(&self, what: &str, name: &str, or: &str) -> Result<(), Refusal> {
        let id = self.config.id;
        let why = match name.parse::<i32>() {
            Ok(named) if named == id => return Ok(()),
            Ok(named) => format!("Unexpected broker id, expected {id}{or}, but received {named}"),
            Err(_) => format!("{what} id must be an integer, but it is: {}", name.escape_debug()),
        };
        Err((ErrorCode::INVALID_REQUEST, why))
    }
}

#[test]
fn names_stand_in_the_buckets_of_javas_hash_map() {
    // "Aa" and "BB" have the same hash, 2112; num.partitions' has bits above the lower half.
    assert_eq!((bucket("Aa", 4096), bucket("BB", 4096)), (2112, 2112));
    assert!(bucket("default.replication.factor", 512) < bucket("num.partitions", 512));
}
