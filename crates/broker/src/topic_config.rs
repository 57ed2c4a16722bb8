//! Topic configurations: Kafka's names and defaults. All are known and checked for their form; which of them are
//! obeyed yet is in `docs/skipped.md`.

use std::collections::BTreeMap;

use klamm_model::StorageClass;

use Form::{Bool, Float, Int, Long, OneOf, SomeOf, Text};

/// What a value looks like.
enum Form {
    Bool,
    Int(i64),
    Long(i64),
    Float,
    OneOf(&'static [&'static str]),
    SomeOf(&'static [&'static str]),
    Text,
}

/// Name, default, form (numbers: their least value).
const CONFIGS: &[(&str, &str, Form)] = &[
    ("cleanup.policy", "delete", SomeOf(&["delete", "compact"])),
    ("compression.gzip.level", "-1", Int(-1)),
    ("compression.lz4.level", "9", Int(1)),
    ("compression.type", "producer", OneOf(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"])),
    ("compression.zstd.level", "3", Int(-131_072)),
    ("delete.retention.ms", "86400000", Long(0)),
    ("file.delete.delay.ms", "60000", Long(0)),
    ("flush.messages", "9223372036854775807", Long(1)),
    ("flush.ms", "9223372036854775807", Long(0)),
    ("follower.replication.throttled.replicas", "", Text),
    ("index.interval.bytes", "4096", Int(0)),
    ("klamm.storage.class", "", OneOf(&StorageClass::NAMES)),
    ("leader.replication.throttled.replicas", "", Text),
    ("local.retention.bytes", "-2", Long(-2)),
    ("local.retention.ms", "-2", Long(-2)),
    ("max.compaction.lag.ms", "9223372036854775807", Long(1)),
    ("max.message.bytes", "1048588", Int(0)),
    ("message.timestamp.after.max.ms", "3600000", Long(0)),
    ("message.timestamp.before.max.ms", "9223372036854775807", Long(0)),
    ("message.timestamp.type", "CreateTime", OneOf(&["CreateTime", "LogAppendTime"])),
    ("min.cleanable.dirty.ratio", "0.5", Float),
    ("min.compaction.lag.ms", "0", Long(0)),
    ("min.insync.replicas", "1", Int(1)),
    ("preallocate", "false", Bool),
    ("remote.log.copy.disable", "false", Bool),
    ("remote.log.delete.on.disable", "false", Bool),
    ("remote.storage.enable", "false", Bool),
    ("retention.bytes", "-1", Long(i64::MIN)),
    ("retention.ms", "604800000", Long(-1)),
    ("segment.bytes", "1073741824", Int(1 << 20)),
    ("segment.index.bytes", "10485760", Int(4)),
    ("segment.jitter.ms", "0", Long(0)),
    ("segment.ms", "604800000", Long(1)),
    ("unclean.leader.election.enable", "false", Bool),
];

impl Form {
    fn admits(&self, value: &str) -> bool {
        match self {
            Bool => matches!(value.to_ascii_lowercase().as_str(), "true" | "false"),
            Int(least) => value.parse::<i32>().is_ok_and(|number| i64::from(number) >= *least),
            Long(least) => value.parse::<i64>().is_ok_and(|number| number >= *least),
            Float => value.parse::<f64>().is_ok_and(|number| (0.0..=1.0).contains(&number)),
            OneOf(words) => words.contains(&value),
            SomeOf(words) => value.split(',').all(|word| words.contains(&word.trim())),
            Text => true,
        }
    }

    fn wants(&self) -> String {
        match self {
            Bool => "true or false".to_owned(),
            Int(least) | Long(least) => format!("a whole number of at least {least}"),
            Float => "a number from 0 to 1".to_owned(),
            OneOf(words) => format!("one of {}", words.join(", ")),
            SomeOf(words) => format!("a list of {}", words.join(", ")),
            Text => "a text".to_owned(),
        }
    }
}

/// Refuses unknown names and values of the wrong form.
pub(crate) fn check(configs: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in configs {
        let Some((_, _, form)) = CONFIGS.iter().find(|(known, ..)| known == name) else {
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

/// All configurations of a topic: name, value, whether the topic's own.
pub(crate) fn describe(
    own: &BTreeMap<String, String>,
    class: StorageClass,
) -> impl Iterator<Item = (&'static str, String, bool)> {
    CONFIGS.iter().map(move |(name, default, _)| match own.get(*name) {
        Some(value) => (*name, value.clone(), true),
        None if *name == "klamm.storage.class" => (*name, class.name().to_owned(), false),
        None => (*name, (*default).to_owned(), false),
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
        for (name, default, form) in CONFIGS {
            assert!(form.admits(default) || *name == "klamm.storage.class", "{name}");
        }
    }
}
