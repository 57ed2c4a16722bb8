//! DescribeCluster v0-2 (KIP-700, KIP-919, KIP-1073). There is one broker, never fenced, and no controller endpoint.

use klamm_protocol::{
    DescribeClusterRequest, DescribeClusterResponse, ErrorCode, Uuid, describe_cluster::DescribeClusterBroker,
};

use super::metadata::{CLUSTER_OPERATIONS, NOT_ASKED};
use crate::session::{Incoming, Stop};

/// Asks for the brokers.
const BROKERS: i8 = 1;
/// Asks for the controllers.
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DescribeClusterRequest,
) -> Result<DescribeClusterResponse<'a>, Stop> {
    let broker = &incoming.broker;
    let refuse = |error_code, why: String| {
        let error_message = Some(why.into());
        Ok(DescribeClusterResponse { error_code, error_message, ..Default::default() })
    };
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            let why = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
            return refuse(ErrorCode::MISMATCHED_ENDPOINT_TYPE, why.to_owned());
        }
        other => {
            let why = format!("Unsupported endpoint type {other}");
            return refuse(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, why);
        }
    }
    let (host, port) = broker.address(incoming.local);
    let node =
        DescribeClusterBroker { broker_id: broker.config.id, host: host.into(), port, ..Default::default() };
    Ok(DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: broker.image.load().id().map(|id| Uuid(id).to_string()).unwrap_or_default().into(),
        controller_id: broker.config.id,
        brokers: vec![node],
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => NOT_ASKED,
        },
        ..Default::default()
    })
}
