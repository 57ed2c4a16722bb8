//! AlterConfigs v0-2: a topic's own configuration is replaced. What can't be changed stays as it is. Left out: brokers,
//! groups and client metrics, which have no configuration that can be changed.

use std::collections::BTreeMap;

use klamm_protocol::{
    AlterConfigsRequest, AlterConfigsResponse,
    alter_configs::{AlterConfigsResource, AlterConfigsResourceResponse},
};

use crate::{
    alter::{self, Change, Changes},
    configs::Refusal,
    session::{Incoming, Stop},
    topic_config,
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: AlterConfigsRequest<'a>,
) -> Result<AlterConfigsResponse<'a>, Stop> {
    let name = |asked: &AlterConfigsResource<'a>| (asked.resource_type, asked.resource_name.to_string());
    let changes = alter::changes(&request.resources, name, |asked| replace(incoming, asked));
    let answers = alter::apply_all(incoming, changes, request.validate_only).await;
    let told = request.resources.into_iter().zip(answers).map(|(asked, (error_code, error_message))| {
        let AlterConfigsResource { resource_type, resource_name, .. } = asked;
        AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
    });
    Ok(AlterConfigsResponse { responses: told.collect(), ..Default::default() })
}

fn replace(incoming: &Incoming, asked: &AlterConfigsResource<'_>) -> Result<Change, Refusal> {
    alter::check_keys(asked.configs.iter().map(|config| (&*config.name, config.value.is_none())))?;
    let topic = alter::topic(incoming, asked.resource_type, &asked.resource_name)?;
    let goes = |name: &&String| !topic_config::is_fixed(name);
    let mut changes: Changes = topic.configs.keys().filter(goes).map(|name| (name.clone(), None)).collect();
    let new: BTreeMap<_, _> =
        asked.configs.iter().map(|c| (c.name.to_string(), c.value.as_ref().map(|v| v.to_string()))).collect();
    changes.extend(new);
    Ok((topic, changes))
}
