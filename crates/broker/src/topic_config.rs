//! Topic configurations: Kafka's names and defaults. All are known and checked for their form; which of them are
//! obeyed yet is in `docs/skipped.md`.

mod table;

use std::collections::BTreeMap;

use klamm_model::StorageClass;

use crate::configs::{ConfigType, Row, SOURCE_DEFAULT, SOURCE_TOPIC, Setting};

use Form::{Bool, Float, Int, List, Long, OneOf, SomeOf};
use table::{CONFIGS, Config, STORAGE_CLASS};

/// What a value looks like.
enum Form {
    Bool,
    Int(i64),
    Long(i64),
    Float,
    OneOf(&'static [&'static str]),
    SomeOf(&'static [&'static str]),
    List,
}

impl Form {
    fn admits(&self, value: &str) -> bool {
        match self {
            Bool => matches!(value.to_ascii_lowercase().as_str(), "true" | "false"),
            Int(least) => value.parse::<i32>().is_ok_and(|number| i64::from(number) >= *least),
            Long(least) => value.parse::<i64>().is_ok_and(|number| number >= *least),
            Float => value.parse::<f64>().is_ok_and(|number| (0.0..=1.0).contains(&number)),
            OneOf(words) => words.contains(&value),
            SomeOf(words) => value.split(',').all(|word| words.contains(&word.trim())),
            List => true,
        }
    }

    fn wants(&self) -> String {
        match self {
            Bool => "true or false".to_owned(),
            Int(least) | Long(least) => format!("a whole number of at least {least}"),
            Float => "a number from 0 to 1".to_owned(),
            OneOf(words) => format!("one of {}", words.join(", ")),
            SomeOf(words) => format!("a list of {}", words.join(", ")),
            List => "words between commas".to_owned(),
        }
    }

    fn kind(&self) -> ConfigType {
        match self {
            Bool => ConfigType::Boolean,
            Int(_) => ConfigType::Int,
            Long(_) => ConfigType::Long,
            Float => ConfigType::Double,
            OneOf(_) => ConfigType::String,
            SomeOf(_) | List => ConfigType::List,
        }
    }
}

/// Refuses unknown names and values of the wrong form.
pub(crate) fn check(configs: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in configs {
        let Some(Config { form, .. }) = CONFIGS.iter().find(|known| known.name == name) else {
            return Err(format!("Unknown topic config name: {}", name.escape_debug()));
        };
        if !form.admits(value) {
            return Err(format!(
                "Invalid value {} for configuration {name}: it takes {}",
                value.escape_debug(),
                form.wants()
            ));
        }
    }
    Ok(())
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
    settings: &[Setting],
) -> impl Iterator<Item = Row> {
    CONFIGS.iter().map(move |config| {
        let own = own.get(config.name).map(|value| (config.name, Some(value.clone()), SOURCE_TOPIC));
        let setting = settings.iter().find(|setting| config.broker == Some(setting.name));
        let below = match (setting, config.broker) {
            (Some(setting), _) => setting.layers(),
            (None, Some(broker)) => vec![(broker, Some(config.default.to_owned()), SOURCE_DEFAULT)],
            (None, None) => Vec::new(),
        };
        let synonyms: Vec<_> = own.into_iter().chain(below).collect();
        let first = synonyms.first().cloned();
        let (_, value, source) =
            first.unwrap_or((config.name, Some(config.default.to_owned()), SOURCE_DEFAULT));
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

/// The storage class.
pub(crate) fn storage_class(own: &BTreeMap<String, String>, default: StorageClass) -> StorageClass {
    own.get("klamm.storage.class").and_then(|name| StorageClass::parse(name)).unwrap_or(default)
}

/// The largest batch, in bytes.
pub(crate) fn message_bytes_max(own: &BTreeMap<String, String>, default: usize) -> usize {
    own.get("max.message.bytes").and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Whether records get the broker's time.
pub(crate) fn append_time(own: &BTreeMap<String, String>) -> bool {
    own.get("message.timestamp.type").is_some_and(|value| value == "LogAppendTime")
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
        for config in CONFIGS {
            assert!(config.form.admits(config.default) || is_fixed(config.name), "{}", config.name);
        }
        assert!(CONFIGS.is_sorted_by_key(|config| config.name));
    }
}
