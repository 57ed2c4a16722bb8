//! Which version of an API to speak: the highest that both sides have. Pure.

use std::collections::BTreeMap;

use klamm_protocol::ApiKey;

/// What a broker serves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Versions(BTreeMap<i16, (i16, i16)>);

/// Why there is no version to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The broker does not have the API.
    Api,
    /// Its versions are these.
    Version((i16, i16)),
}

impl Versions {
    pub(crate) fn new(served: impl IntoIterator<Item = (i16, i16, i16)>) -> Self {
        Self(served.into_iter().map(|(key, min, max)| (key, (min, max))).collect())
    }

    pub(crate) fn serves(&self, api: ApiKey) -> bool {
        self.0.contains_key(&api.key())
    }

    /// The highest common version up to `cap`.
    pub(crate) fn pick(&self, api: ApiKey, cap: i16) -> Result<i16, Missing> {
        let &(min, max) = self.0.get(&api.key()).ok_or(Missing::Api)?;
        let version = max.min(api.version_max()).min(cap);
        if version < min.max(api.version_min()) { Err(Missing::Version((min, max))) } else { Ok(version) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version() {
        let versions = Versions::new([(0, 0, 9), (1, 0, 99), (3, 90, 99), (8, 2, 10)]);
        assert_eq!(versions.pick(ApiKey::Produce, i16::MAX), Ok(9));
        assert_eq!(versions.pick(ApiKey::Fetch, i16::MAX), Ok(ApiKey::Fetch.version_max()));
        assert_eq!(versions.pick(ApiKey::Metadata, i16::MAX), Err(Missing::Version((90, 99))));
        assert_eq!(versions.pick(ApiKey::OffsetCommit, 9), Ok(9));
        assert_eq!(versions.pick(ApiKey::Heartbeat, i16::MAX), Err(Missing::Api));
        assert!(versions.serves(ApiKey::Produce) && !versions.serves(ApiKey::Heartbeat));
    }
}
