//! ListConfigResources v0-1 (KIP-1142): what has, or may have, a configuration. v0 asks for client metrics, of which there
//! are none.

use klamm_protocol::{
    ErrorCode, ListConfigResourcesRequest, ListConfigResourcesResponse, list_config_resources::ConfigResource,
};

use crate::{
    authorizer::{Operation, Resource},
    configs::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC},
    session::{Incoming, Stop},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: ListConfigResourcesRequest,
) -> Result<ListConfigResourcesResponse<'a>, Stop> {
    let broker = &incoming.broker;
    if !incoming.may(Operation::DescribeConfigs, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return Ok(ListConfigResourcesResponse { error_code, ..Default::default() });
    }
    let known = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    let wanted = match &request.resource_types[..] {
        [] if incoming.version == 0 => vec![CLIENT_METRICS],
        [] => known.to_vec(),
        some => some.to_vec(),
    };
    if wanted.iter().any(|kind| !known.contains(kind)) {
        return Ok(ListConfigResourcesResponse {
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            ..Default::default()
        });
    }
    let mut config_resources = Vec::new();
    if wanted.contains(&TOPIC) {
        for topic in broker.image.load().topics() {
            let resource_name = topic.name.as_str().to_owned().into();
            config_resources.push(ConfigResource { resource_name, resource_type: TOPIC });
        }
    }
    for kind in [BROKER, BROKER_LOGGER].into_iter().filter(|kind| wanted.contains(kind)) {
        let resource_name = broker.config.id.to_string().into();
        config_resources.push(ConfigResource { resource_name, resource_type: kind });
    }
    Ok(ListConfigResourcesResponse { config_resources, ..Default::default() })
}
