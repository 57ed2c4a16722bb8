//! What of a topic's configuration is obeyed, read once: Kafka's `LogConfig`.

use std::{borrow::Cow, collections::BTreeMap};

use klamm_records::{Codec, TimestampType};

use super::table::CONFIGS;
use crate::{Setting, configs::synonyms};

/// How a partition's records are taken in and kept. The broker's is that of topics that say nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Old records go by age and size (`cleanup.policy`).
    pub cleanup_delete: bool,
    /// Only the last record of each key is wanted (`cleanup.policy`).
    pub cleanup_compact: bool,
    /// How records are compressed; None for as they come (`compression.type`).
    pub compression: Option<Codec>,
    /// `compression.gzip.level`
    pub gzip_level: i32,
    /// `compression.lz4.level`
    pub lz4_level: i32,
    /// `compression.zstd.level`
    pub zstd_level: i32,
    /// The largest batch, in bytes (`max.message.bytes`).
    pub message_bytes_max: usize,
    /// Whose time records have (`message.timestamp.type`).
    pub timestamp_type: TimestampType,
    /// How far a record's time may be behind the broker's, in milliseconds (`message.timestamp.before.max.ms`).
    pub timestamp_before_max_ms: i64,
    /// How far a record's time may be ahead of the broker's, in milliseconds (`message.timestamp.after.max.ms`).
    pub timestamp_after_max_ms: i64,
    /// How long records are kept, in milliseconds; None for no limit (`retention.ms`).
    pub retention_ms: Option<i64>,
    /// How many bytes are kept; None for no limit (`retention.bytes`).
    pub retention_bytes: Option<u64>,
}

impl Default for LogConfig {
    /// Kafka's.
    fn default() -> Self {
        let mut log = Self {
            cleanup_delete: true,
            cleanup_compact: false,
            compression: None,
            gzip_level: -1,
            lz4_level: 9,
            zstd_level: 3,
            message_bytes_max: 0,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: 0,
            timestamp_after_max_ms: 0,
            retention_ms: None,
            retention_bytes: None,
        };
        CONFIGS.iter().for_each(|config| log.set(config.name, config.default));
        log
    }
}

impl LogConfig {
    /// That of a broker with these settings.
    pub fn of_broker(settings: &[Setting]) -> Self {
        let mut log = Self::default();
        for config in CONFIGS {
            let key = config.broker.into_iter();
            let value = key.flat_map(|key| synonyms(settings, key)).next().and_then(|(_, value, _)| value);
            if let Some(value) = value {
                log.set(config.name, &value);
            }
        }
        // The first that has a value, as in Kafka.
        for (key, unit_ms) in
            [("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)]
        {
            let setting = settings.iter().find(|setting| setting.name == key);
            let number = setting.and_then(|setting| setting.value.as_ref()?.parse::<i64>().ok());
            if let Some(number) = number {
                log.retention_ms = (number >= 0).then_some(number.saturating_mul(unit_ms));
                break;
            }
        }
        log
    }

    /// That of a topic with a configuration of its own.
    pub(crate) fn with(&self, own: &BTreeMap<String, String>) -> Cow<'_, Self> {
        if own.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut log = self.clone();
        own.iter().for_each(|(name, value)| log.set(name, value));
        Cow::Owned(log)
    }

    /// Values were checked when they were set; one that can't be read changes nothing.
    fn set(&mut self, name: &str, value: &str) {
        fn read<T>(into: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *into = value;
            }
        }
        let value = value.trim();
        let int = || value.parse::<i32>().ok();
        let long = || value.parse::<i64>().ok();
        match name {
            "cleanup.policy" => {
                let has = |wanted: &str| value.split(',').any(|word| word.trim() == wanted);
                (self.cleanup_delete, self.cleanup_compact) = (has("delete"), has("compact"));
            }
            "compression.type" => self.compression = value.parse().ok(),
            "compression.gzip.level" => read(&mut self.gzip_level, int()),
            "compression.lz4.level" => read(&mut self.lz4_level, int()),
            "compression.zstd.level" => read(&mut self.zstd_level, int()),
            "max.message.bytes" => read(&mut self.message_bytes_max, value.parse().ok()),
            "message.timestamp.type" => {
                self.timestamp_type = match value {
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => TimestampType::CreateTime,
                };
            }
            "message.timestamp.before.max.ms" => read(&mut self.timestamp_before_max_ms, long()),
            "message.timestamp.after.max.ms" => read(&mut self.timestamp_after_max_ms, long()),
            "retention.ms" => read(&mut self.retention_ms, long().map(|ms| (ms >= 0).then_some(ms))),
            "retention.bytes" => {
                read(&mut self.retention_bytes, long().map(|bytes| u64::try_from(bytes).ok()))
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConfigType;

    #[test]
    fn layers() {
        let log = LogConfig::default();
        assert_eq!((log.message_bytes_max, log.timestamp_after_max_ms), (1_048_588, 3_600_000));
        assert_eq!((log.retention_ms, log.retention_bytes, log.compression), (Some(604_800_000), None, None));
        let own =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let told =
            own(&[("retention.ms", " -1 "), ("retention.bytes", "7"), ("cleanup.policy", "compact, delete")]);
        let log = log.with(&told).into_owned();
        assert_eq!((log.retention_ms, log.retention_bytes), (None, Some(7)));
        assert_eq!((log.cleanup_delete, log.cleanup_compact), (true, true));
        let log =
            log.with(&own(&[("compression.type", "uncompressed"), ("cleanup.policy", "")])).into_owned();
        assert_eq!((log.compression, log.cleanup_delete), (Some(Codec::None), false));
        assert_eq!(log.with(&own(&[("compression.type", "producer")])).compression, None);
    }

    #[test]
    fn of_several_keys_for_one_thing_the_finest_holds() {
        let setting = |name, value: &str| Setting {
            name,
            value: Some(value.to_owned()).filter(|value| !value.is_empty()),
            default: None,
            configured: true,
            kind: ConfigType::Long,
            doc: "",
            sensitive: false,
        };
        let kept = |ms, minutes, hours| {
            let settings = [
                setting("log.retention.ms", ms),
                setting("log.retention.minutes", minutes),
                setting("log.retention.hours", hours),
            ];
            LogConfig::of_broker(&settings).retention_ms
        };
        assert_eq!(kept("", "", "168"), Some(604_800_000));
        assert_eq!(kept("", "5", "168"), Some(300_000));
        assert_eq!(kept("77", "5", "168"), Some(77));
        assert_eq!(kept("-1", "5", "168"), None);
        assert_eq!(kept("", "-1", "168"), None);
        let log = LogConfig::of_broker(&[
            setting("message.max.bytes", "99"),
            setting("log.cleanup.policy", "compact"),
        ]);
        assert_eq!((log.message_bytes_max, log.cleanup_delete), (99, false));
    }
}
