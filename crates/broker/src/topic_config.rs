//! Topic configurations: Kafka's names and defaults. All are known and checked for their form; what of them is obeyed is
//! read into a [`LogConfig`], and `docs/skipped.md` has the rest.

mod log_config;
mod table;

use std::collections::BTreeMap;

use klamm_cluster::{CONFIGS_BYTES_MAX, configs_bytes};
use klamm_model::StorageClass;

use crate::{
    BrokerConfig,
    configs::{ConfigType, Row, SOURCE_DEFAULT, SOURCE_TOPIC, Setting, synonyms},
};

pub use log_config::LogConfig;

use Form::{Bool, Float, Gzip, Int, Level, Long, OneOf, Replicas, SomeOf};
use table::{CONFIGS, Config, STORAGE_CLASS};

/// What a value looks like.
enum Form {
    Bool,
    Int(i64),
    Long(i64),
    Float,
    /// A level of compression, from and to.
    Level(i64, i64),
    /// A level of gzip: 1 to 9, or -1.
    Gzip,
    OneOf(&'static [&'static str]),
    SomeOf(&'static [&'static str]),
    /// partition:broker, or *.
    Replicas,
}

/// What is said of configurations that are too much together.
pub(crate) const TOO_LARGE: &str =
    "the names and values of a topic's configurations may take 48 KiB in all; shorten the lists";
const _: () = assert!(CONFIGS_BYTES_MAX == 48 << 10);

/// A value that is refused.
struct Bad {
    /// What is shown of it.
    shown: String,
    why: String,
}

impl Bad {
    fn new(shown: impl ToString, why: impl Into<String>) -> Self {
        Self { shown: shown.to_string(), why: why.into() }
    }
}

fn outside(number: i64, least: i64, most: i64) -> Option<Bad> {
    let why = match number {
        _ if number < least => format!("Value must be at least {least}"),
        _ if number > most => format!("Value must be no more than {most}"),
        _ => return None,
    };
    Some(Bad::new(number, why))
}

fn none_of(word: &str, words: &[&str]) -> Bad {
    Bad::new(word, format!("String must be one of: {}", words.join(", ")))
}

impl Form {
    /// What is wrong with a value, in Kafka's words: what is shown of it, and why. White space around it does not matter.
    fn refuses(&self, name: &str, raw: &str) -> Option<Bad> {
        let value = raw.trim();
        let no_number = |kind: &str| Bad::new(raw, format!("Not a number of type {kind}"));
        match self {
            Bool => {
                let good = matches!(value.to_ascii_lowercase().as_str(), "true" | "false");
                (!good).then(|| Bad::new(raw, "Expected value to be either true or false"))
            }
            Int(least) => value.parse::<i32>().map_or_else(
                |_| Some(no_number("INT")),
                |number| outside(number.into(), *least, i32::MAX.into()),
            ),
            Long(least) => value
                .parse::<i64>()
                .map_or_else(|_| Some(no_number("LONG")), |number| outside(number, *least, i64::MAX)),
            Level(least, most) => value
                .parse::<i32>()
                .map_or_else(|_| Some(no_number("INT")), |number| outside(number.into(), *least, *most)),
            Gzip => value.parse::<i32>().map_or_else(
                |_| Some(no_number("INT")),
                |level| {
                    let good = level == -1 || (1..=9).contains(&level);
                    (!good).then(|| Bad::new(level, "Value must be between 1 and 9 or equal to -1"))
                },
            ),
            // Shown as a number with a point, even if it came without.
            Float => match value.parse::<f64>() {
                Ok(ratio) if ratio > 1.0 => {
                    Some(Bad::new(format!("{ratio:?}"), "Value must be no more than 1"))
                }
                Ok(ratio) => {
                    (ratio < 0.0).then(|| Bad::new(format!("{ratio:?}"), "Value must be at least 0"))
                }
                Err(_) => Some(no_number("DOUBLE")),
            },
            OneOf(words) => (!words.contains(&value)).then(|| none_of(value, words)),
            SomeOf(_) if value.is_empty() => None,
            SomeOf(words) => {
                let bad = value.split(',').map(str::trim).find(|word| !words.contains(word));
                bad.map(|word| none_of(word, words))
            }
            Replicas => {
                let list: Vec<_> = value.split(',').map(str::trim).collect();
                let whole = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let pair =
                    |word: &&str| word.split_once(':').is_some_and(|(index, id)| whole(index) && whole(id));
                let good = list[0] == "*" || list.iter().all(|word| word.is_empty() || pair(word));
                let why = "must be the literal '*' or a list of replicas in the following format: \
                           [partitionId]:[brokerId],[partitionId]:[brokerId],...";
                (!good).then(|| Bad::new(format!("[{}]", list.join(", ")), format!("{name} {why}")))
            }
        }
    }

    fn kind(&self) -> ConfigType {
        match self {
            Bool => ConfigType::Boolean,
            Int(_) | Level(..) | Gzip => ConfigType::Int,
            Long(_) => ConfigType::Long,
            Float => ConfigType::Double,
            OneOf(_) => ConfigType::String,
            SomeOf(_) | Replicas => ConfigType::List,
        }
    }
}

/// Refuses unknown names, values of the wrong form, and more than a topic may have.
pub(crate) fn check(configs: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in configs {
        let Some(Config { form, .. }) = CONFIGS.iter().find(|known| known.name == name) else {
            return Err(format!("Unknown topic config name: {}", name.escape_debug()));
        };
        if let Some(Bad { shown, why }) = form.refuses(name, value) {
            return Err(format!("Invalid value {} for configuration {name}: {why}", shown.escape_debug()));
        }
    }
    if configs.get("remote.storage.enable").is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
        let why = "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log \
                   storage.";
        return Err(why.to_owned());
    }
    let (least, most) = ("min.compaction.lag.ms", "max.compaction.lag.ms");
    if let (Some(min), Some(max)) = (number(configs, least), number(configs, most))
        && min > max
    {
        return Err(format!("conflict topic config setting {least} ({min}) > {most} ({max})"));
    }
    match configs_bytes(configs) {
        bytes if bytes > CONFIGS_BYTES_MAX => Err(TOO_LARGE.to_owned()),
        _ => Ok(()),
    }
}

/// A topic's own value that is a number.
fn number(own: &BTreeMap<String, String>, name: &str) -> Option<i64> {
    own.get(name).and_then(|value| value.trim().parse().ok())
}

/// Whether a configuration is settled when the topic is made.
pub(crate) fn is_fixed(name: &str) -> bool {
    name == STORAGE_CLASS
}

/// Refuses changes of what is settled when the topic is made; passes over those that change nothing.
pub(crate) fn check_fixed(
    changes: &mut BTreeMap<String, Option<String>>,
    class: StorageClass,
) -> Result<(), String> {
    match changes.remove(STORAGE_CLASS) {
        Some(value) if value.as_deref() != Some(class.name()) => Err(format!(
            "{STORAGE_CLASS} is {class} for good: it is settled when the topic is made",
            class = class.name()
        )),
        _ => Ok(()),
    }
}

/// All configurations of a topic, by name.
pub(crate) fn rows(
    own: &BTreeMap<String, String>,
    class: StorageClass,
    broker: &BrokerConfig,
) -> impl Iterator<Item = Row> {
    CONFIGS.iter().map(move |config| {
        let own = own.get(config.name).map(|value| (config.name, Some(value.clone()), SOURCE_TOPIC));
        let is_set = |key: &&str| broker.settings.iter().any(|setting| setting.name == *key);
        let below = match config.broker {
            Some(key) if is_set(&key) => synonyms(&broker.settings, key),
            Some(key) => vec![(key, Some(config.default.to_owned()), SOURCE_DEFAULT)],
            None => Vec::new(),
        };
        let synonyms: Vec<_> = own.into_iter().chain(below).collect();
        let (value, source) = match synonyms.first() {
            Some((_, value, source)) => (value.clone(), *source),
            None if config.name == "retention.ms" => {
                (Some(broker.log.retention_ms.unwrap_or(-1).to_string()), SOURCE_DEFAULT)
            }
            None => (Some(config.default.to_owned()), SOURCE_DEFAULT),
        };
        Row {
            name: config.name,
            // The broker's default may have changed since.
            value: if is_fixed(config.name) { Some(class.name().to_owned()) } else { value },
            source,
            read_only: is_fixed(config.name),
            sensitive: false,
            synonyms,
            kind: config.form.kind(),
            doc: config.doc.trim_start(),
        }
    })
}

/// The broker's defaults of topics that are not among its settings: they are what they are.
pub(crate) fn unset_defaults(settings: &[Setting]) -> impl Iterator<Item = Row> {
    let unset = |config: &&Config| config.broker.is_some_and(|key| settings.iter().all(|s| s.name != key));
    CONFIGS.iter().filter(unset).filter_map(|config| {
        let (name, value) = (config.broker?, Some(config.default.to_owned()));
        Some(Row {
            name,
            value: value.clone(),
            source: SOURCE_DEFAULT,
            read_only: true,
            sensitive: false,
            synonyms: vec![(name, value, SOURCE_DEFAULT)],
            kind: config.form.kind(),
            doc: config.doc.trim_start(),
        })
    })
}

/// The storage class.
pub(crate) fn storage_class(own: &BTreeMap<String, String>, default: StorageClass) -> StorageClass {
    own.get(STORAGE_CLASS).and_then(|name| StorageClass::parse(name.trim())).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let check =
            |name: &str, value: &str| check(&BTreeMap::from([(name.to_owned(), value.to_owned())])).is_ok();
        assert!(check("cleanup.policy", "compact,delete") && !check("cleanup.policy", "shred"));
        assert!(
            check("retention.ms", "-1") && !check("retention.ms", "-2") && !check("retention.ms", "a day")
        );
        assert!(check("klamm.storage.class", "memory") && !check("klamm.storage.class", "tape"));
        assert!(!check("retention.msec", "1"));
        assert!(check("retention.ms", " 5 ") && check("cleanup.policy", "") && check("preallocate", "TRUE"));
        assert!(check("compression.gzip.level", "-1") && !check("compression.gzip.level", "0"));
        assert!(check("compression.zstd.level", "22") && !check("compression.zstd.level", "23"));
        assert!(check("leader.replication.throttled.replicas", "0:1,1:1"));
        assert!(check("leader.replication.throttled.replicas", "0:1,,1:1"));
        assert!(
            !check("leader.replication.throttled.replicas", "x") && !check("remote.storage.enable", "true")
        );
        let throttled = |pairs: usize| vec!["0:1"; pairs].join(",");
        assert!(check("leader.replication.throttled.replicas", &throttled(8000)));
        assert!(!check("leader.replication.throttled.replicas", &throttled(250_000)));
        assert!(!check("retention.ms", &format!("{}5", " ".repeat(50_000))));
        for config in CONFIGS {
            assert!(
                config.form.refuses(config.name, config.default).is_none() || is_fixed(config.name),
                "{}",
                config.name
            );
        }
        assert!(CONFIGS.is_sorted_by_key(|config| config.name));
    }
}
