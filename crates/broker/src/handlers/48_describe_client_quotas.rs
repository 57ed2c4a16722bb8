//! DescribeClientQuotas v0-1 (KIP-546). There are no quotas yet, so none is found.

use std::collections::BTreeSet;

use klamm_protocol::{
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, ErrorCode,
    describe_client_quotas::ComponentData,
};

use crate::{
    authorizer::{Operation, Resource},
    session::{Incoming, Stop},
};

/// Kafka's numbers for how an entity is named: by its name, as the default, as any.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DescribeClientQuotasRequest<'a>,
) -> Result<DescribeClientQuotasResponse<'a>, Stop> {
    if !incoming.may(Operation::DescribeConfigs, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return Ok(DescribeClientQuotasResponse { error_code, entries: None, ..Default::default() });
    }
    let refused = request.components.iter().find_map(refuse).or_else(|| refuse_together(&request.components));
    if let Some((error_code, why)) = refused {
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
        ("user" | "client-id" | "ip", kind @ (DEFAULT | ANY)) if component.r#match.is_some() => {
            let kind = if kind == DEFAULT { "DEFAULT" } else { "SPECIFIED" };
            bad(format!("Request specified MATCH_TYPE_{kind}, but also specified a match string."))
        }
        ("user" | "client-id" | "ip", EXACT..=ANY) => None,
        ("user" | "client-id" | "ip", other) => bad(format!("Unknown match type {other}")),
        (other, _) => {
            let why = format!("Unsupported entity type {}", other.escape_debug());
            Some((ErrorCode::UNSUPPORTED_VERSION, why))
        }
    }
}

/// What is wrong with the parts of the filter together.
fn refuse_together(components: &[ComponentData<'_>]) -> Option<(ErrorCode, String)> {
    let mut kinds = BTreeSet::new();
    if let Some(twice) = components.iter().find(|each| !kinds.insert(&*each.entity_type)) {
        let why = format!("Entity type {} cannot appear more than once in the filter.", twice.entity_type);
        return Some((ErrorCode::INVALID_REQUEST, why));
    }
    (kinds.contains("ip") && kinds.len() > 1).then(|| {
        let why = "Invalid entity filter component combination. IP filter component should not be used with user \
                   or clientId filter component.";
        (ErrorCode::INVALID_REQUEST, why.to_owned())
    })
}
