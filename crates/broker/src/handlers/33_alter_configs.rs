//! AlterConfigs v0-2: a topic's own configuration is replaced. What can't be changed stays as it is. Left out: brokers,
//! groups and client metrics, which have no configuration that can be changed.

use std::collections::BTreeMap;

use klamm_protocol::{
    AlterConfigsRequest, AlterConfigsResponse,
    alter_configs::{AlterConfigsResource, AlterConfigsResourceResponse},
};

use crate::{
    alter::{self, Changes},
    configs::Refusal,
    session::{Incoming, Stop},
    topic_config,
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: AlterConfigsRequest<'a>,
) -> Result<AlterConfigsResponse<'a>, Stop> {
    let named = request.resources.iter().map(|resource| (resource.resource_type, &*resource.resource_name));
    let twice = alter::named_twice(named);
    let mut responses = Vec::with_capacity(request.resources.len());
    for (resource, twice) in request.resources.into_iter().zip(twice) {
        let result = match twice {
            Some(refusal) => Err(refusal),
            None => replace(incoming, &resource, request.validate_only).await,
        };
        let (error_code, error_message) = alter::answer(result);
        responses.push(AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    Ok(AlterConfigsResponse { responses, ..Default::default() })
}

async fn replace(
    incoming: &Incoming,
    asked: &AlterConfigsResource<'_>,
    validate_only: bool,
) -> Result<(), Refusal> {
    alter::check_keys(asked.configs.iter().map(|config| (&*config.name, config.value.is_none())))?;
    let topic = alter::topic(incoming, asked.resource_type, &asked.resource_name)?;
    let goes = |name: &&String| !topic_config::is_fixed(name);
    let mut changes: Changes = topic.configs.keys().filter(goes).map(|name| (name.clone(), None)).collect();
    let new: BTreeMap<_, _> =
        asked.configs.iter().map(|c| (c.name.to_string(), c.value.as_ref().map(|v| v.to_string()))).collect();
    changes.extend(new);
    alter::apply(incoming, &topic, changes, validate_only).await
}
