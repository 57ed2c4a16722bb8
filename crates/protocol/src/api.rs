//! Facts about APIs, over the generated table: versions, flexible forms, header versions.

use crate::{ApiKey, DecodeError};
use std::fmt;
use std::ops::RangeInclusive;

/// A row of the generated table.
#[derive(Clone, Copy)]
pub(crate) struct ApiInfo {
    name: &'static str,
    served: (i16, i16),
    advertised: (i16, i16),
    flexible_since: Option<i16>,
}

/// A row, as the generated table spells it.
pub(crate) const fn info(
    name: &'static str,
    served: (i16, i16),
    advertised: (i16, i16),
    flexible_since: Option<i16>,
) -> ApiInfo {
    ApiInfo { name, served, advertised, flexible_since }
}

impl ApiKey {
    /// The number on the wire.
    pub const fn key(self) -> i16 {
        self as i16
    }

    /// Kafka's name, as in `ListOffsets`.
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    /// The oldest version that can be decoded and encoded.
    pub const fn version_min(self) -> i16 {
        self.info().served.0
    }

    /// The newest version that can be decoded and encoded.
    pub const fn version_max(self) -> i16 {
        self.info().served.1
    }

    /// The versions that can be decoded and encoded.
    pub const fn versions(self) -> RangeInclusive<i16> {
        self.version_min()..=self.version_max()
    }

    /// The versions that an ApiVersions answer should tell. Wider than `versions` for Produce alone.
    pub const fn advertised(self) -> RangeInclusive<i16> {
        let (first, last) = self.info().advertised;
        first..=last
    }

    /// Whether the version can be decoded and encoded.
    pub const fn serves(self, version: i16) -> bool {
        self.version_min() <= version && version <= self.version_max()
    }

    /// The first version with varint lengths and tagged fields, if any has.
    pub const fn flexible_since(self) -> Option<i16> {
        self.info().flexible_since
    }

    /// Whether the version has varint lengths and tagged fields. Defined for unknown newer versions too.
    pub const fn is_flexible(self, version: i16) -> bool {
        match self.flexible_since() {
            Some(first) => version >= first,
            None => false,
        }
    }

    /// The version of the header in front of a request.
    pub const fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the header in front of a response: always 0 for ApiVersions, whose answer must be readable by
    /// clients of any version.
    pub const fn response_header_version(self, version: i16) -> i16 {
        match self {
            Self::ApiVersions => 0,
            _ if self.is_flexible(version) => 1,
            _ => 0,
        }
    }
}

impl TryFrom<i16> for ApiKey {
    type Error = DecodeError;

    fn try_from(key: i16) -> Result<Self, DecodeError> {
        let at = Self::ALL.binary_search_by_key(&key, |api| api.key());
        at.map(|at| Self::ALL[at]).map_err(|_| DecodeError::UnknownApi { key })
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
