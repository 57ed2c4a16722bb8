//! ApiVersions v0-4 (KIP-35, KIP-511, KIP-584). Anyone may ask. Left out: features, none of which Klamm has.

use klamm_protocol::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode, api_versions::ApiVersion};

use crate::{
    api,
    session::{Incoming, Stop},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: ApiVersionsRequest<'a>,
) -> Result<ApiVersionsResponse<'a>, Stop> {
    let named = |text: &str| {
        let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        text.chars().all(inner) && end(text.chars().next()) && end(text.chars().last())
    };
    if incoming.version >= 3
        && !(named(&request.client_software_name) && named(&request.client_software_version))
    {
        return Ok(ApiVersionsResponse { error_code: ErrorCode::INVALID_REQUEST, ..Default::default() });
    }
    let api_keys = api::served().iter().map(|served| row(served.key)).collect();
    Ok(ApiVersionsResponse { api_keys, ..Default::default() })
}

/// The versions of an API that clients are told.
pub(crate) fn row(key: ApiKey) -> ApiVersion {
    let versions = key.advertised();
    ApiVersion { api_key: key.key(), min_version: *versions.start(), max_version: *versions.end() }
}
