//! DescribeClientQuotas v0-1 (KIP-546). There are no quotas yet, so none is found.

use klamm_protocol::{
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, ErrorCode,
    describe_client_quotas::ComponentData,
};

use crate::session::{Incoming, Stop};

/// Kafka's numbers for how an entity is named: by its name, as the default, as any.
const EXACT: i8 = 0;
const ANY: i8 = 2;

pub(crate) async fn handle<'a>(
    _: &Incoming,
    request: DescribeClientQuotasRequest<'a>,
) -> Result<DescribeClientQuotasResponse<'a>, Stop> {
    if let Some((error_code, why)) = request.components.iter().find_map(refuse) {
        let error_message = Some(why.into());
        return Ok(DescribeClientQuotasResponse {
            error_code,
            error_message,
            entries: None,
            ..Default::default()
        });
    }
    Ok(DescribeClientQuotasResponse { entries: Some(Vec::new()), ..Default::default() })
}

/// What is wrong with a part of the filter.
fn refuse(component: &ComponentData<'_>) -> Option<(ErrorCode, String)> {
    let bad = |why: String| Some((ErrorCode::INVALID_REQUEST, why));
    match (&*component.entity_type, component.match_type) {
        ("", _) => bad("Invalid empty entity type.".to_owned()),
        ("user" | "client-id" | "ip", EXACT) if component.r#match.is_none() => {
            bad("Request specified MATCH_TYPE_EXACT, but set match string to null.".to_owned())
        }
        ("user" | "client-id" | "ip", EXACT..=ANY) => None,
        ("user" | "client-id" | "ip", other) => bad(format!("Unknown match type {other}")),
        (other, _) => {
            let why = format!("Unsupported entity type {}", other.escape_debug());
            Some((ErrorCode::UNSUPPORTED_VERSION, why))
        }
    }
}
