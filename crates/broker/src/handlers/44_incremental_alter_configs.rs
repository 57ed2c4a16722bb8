//! IncrementalAlterConfigs v0-1 (KIP-339): single values of a topic's own configuration are set, taken back, or (lists)
//! longer and shorter by some words. Left out: brokers, groups and client metrics, as in AlterConfigs.

use klamm_protocol::{
    ErrorCode, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    incremental_alter_configs::{AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig},
};

use crate::{
    alter::{self, Change, Changes},
    configs::{ConfigType, Refusal, Row},
    session::{Incoming, Stop},
    topic_config,
};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: IncrementalAlterConfigsRequest<'a>,
) -> Result<IncrementalAlterConfigsResponse<'a>, Stop> {
    let name = |asked: &AlterConfigsResource<'a>| (asked.resource_type, asked.resource_name.to_string());
    let changes = alter::changes(&request.resources, name, |asked| change(incoming, asked));
    let answers = alter::apply_all(incoming, changes, request.validate_only).await;
    let told = request.resources.into_iter().zip(answers).map(|(asked, (error_code, error_message))| {
        let AlterConfigsResource { resource_type, resource_name, .. } = asked;
        AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
    });
    Ok(IncrementalAlterConfigsResponse { responses: told.collect(), ..Default::default() })
}

fn change(incoming: &Incoming, asked: &AlterConfigsResource<'_>) -> Result<Change, Refusal> {
    let valueless =
        |config: &AlterableConfig<'_>| config.value.is_none() && config.config_operation != DELETE;
    alter::check_keys(asked.configs.iter().map(|config| (&*config.name, valueless(config))))?;
    let topic = alter::topic(incoming, asked.resource_type, &asked.resource_name)?;
    let rows: Vec<Row> = topic_config::rows(&topic.configs, topic.class, &incoming.broker.config).collect();
    let mut changes = Changes::new();
    for config in &asked.configs {
        let value = new_value(config, rows.iter().find(|row| row.name == config.name))?;
        changes.insert(config.name.to_string(), value);
    }
    Ok((topic, changes))
}

/// The value afterwards; None for the default. An unknown name is left to [`alter::apply_all`], but for lists.
fn new_value(config: &AlterableConfig<'_>, row: Option<&Row>) -> Result<Option<String>, Refusal> {
    let value = config.value.as_deref().unwrap_or_default();
    let appends = match config.config_operation {
        SET => return Ok(Some(value.to_owned())),
        DELETE => return Ok(None),
        APPEND => true,
        SUBTRACT => false,
        other => {
            return Err((ErrorCode::INVALID_REQUEST, format!("Unknown operation type {other}")));
        }
    };
    let Some(row) = row.filter(|row| row.kind == ConfigType::List) else {
        let operation = if appends { "APPEND" } else { "SUBTRACT" };
        let name = config.name.escape_debug();
        let why = format!("Can't {operation} to key {name} because its type is not LIST.");
        return Err((ErrorCode::INVALID_CONFIG, why));
    };
    let words = |text: &str| -> Vec<String> {
        text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    };
    let mut list = words(row.value.as_deref().unwrap_or_default());
    for word in words(value) {
        match (appends, list.contains(&word)) {
            (true, false) => list.push(word),
            (false, true) => list.retain(|known| *known != word),
            _ => {}
        }
    }
    Ok(Some(list.join(",")))
}
