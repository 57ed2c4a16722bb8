//! DescribeConfigs v1-4: topics and this broker. Brokers have no dynamic configuration, so that of all brokers and that of
//! the loggers is empty, and so is that of groups (of the classic protocol) and of client metrics.

use klamm_protocol::{
    DescribeConfigsRequest, DescribeConfigsResponse, ErrorCode, Str, Uuid,
    describe_configs::{
        DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
    },
};

use crate::{
    authorizer::{Operation, Resource},
    configs::{BROKER, BROKER_LOGGER, BUCKETS_TOPIC, CLIENT_METRICS, GROUP, Refusal, Row, TOPIC, bucket},
    errors,
    repeats::Repeats,
    session::{Incoming, Stop},
    topic_config,
};

/// The first version that tells types and documentation.
const TYPES_SINCE: i16 = 3;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DescribeConfigsRequest<'a>,
) -> Result<DescribeConfigsResponse<'a>, Stop> {
    let documented = request.include_documentation && incoming.version >= TYPES_SINCE;
    let tell = |row: Row| DescribeConfigsResourceResult {
        name: row.name.into(),
        value: row.value.map(Str::from),
        read_only: row.read_only,
        config_source: row.source,
        is_sensitive: row.sensitive,
        synonyms: if request.include_synonyms {
            row.synonyms.into_iter().map(synonym).collect()
        } else {
            vec![]
        },
        config_type: if incoming.version >= TYPES_SINCE { row.kind as i8 } else { 0 },
        documentation: documented.then(|| row.doc.into()),
    };
    let mut repeats = Repeats::of(incoming);
    let mut describe = |resource: DescribeConfigsResource<'a>| {
        let rows = rows(incoming, &resource);
        if let Ok(rows) = &rows
            && !rows.is_empty()
        {
            // There is one broker, however its id is written.
            let name = match resource.resource_type {
                BROKER => Str::default(),
                _ => resource.resource_name.clone(),
            };
            let name = (resource.resource_type, name);
            repeats.tell(name, rows.iter().map(Row::bytes).sum())?;
        }
        let (error_code, why) = match &rows {
            Ok(_) => (ErrorCode::NONE, String::new()),
            Err(refusal) => refusal.clone(),
        };
        let asked = resource.configuration_keys.filter(|keys| !keys.is_empty());
        let wanted = |row: &Row| asked.as_ref().is_none_or(|keys| keys.iter().any(|key| key == row.name));
        Ok(DescribeConfigsResult {
            error_code,
            error_message: Some(why.into()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs: rows.unwrap_or_default().into_iter().filter(wanted).map(tell).collect(),
        })
    };
    let results = request.resources.into_iter().map(&mut describe).collect::<Result<_, Stop>>()?;
    Ok(DescribeConfigsResponse { results, ..Default::default() })
}

fn synonym<'a>((name, value, source): (&'static str, Option<String>, i8)) -> DescribeConfigsSynonym<'a> {
    DescribeConfigsSynonym { name: name.into(), value: value.map(Into::into), source }
}

fn rows(incoming: &Incoming, resource: &DescribeConfigsResource<'_>) -> Result<Vec<Row>, Refusal> {
    let broker = &incoming.broker;
    let coded = |code: ErrorCode| (code, code.text().to_owned());
    let name = &*resource.resource_name;
    match resource.resource_type {
        TOPIC if !incoming.may(Operation::DescribeConfigs, Resource::Topic(name)) => {
            Err(coded(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
        }
        TOPIC => {
            klamm_model::TopicName::parse(name)
                .map_err(|error| (ErrorCode::INVALID_TOPIC_EXCEPTION, errors::of_name(name, &error)))?;
            // Kafka says no more of a topic that is not there.
            let topic = broker.topic(name, Uuid::ZERO).map_err(|code| (code, String::new()))?;
            let mut rows: Vec<_> = topic_config::rows(&topic.configs, topic.class, &broker.config).collect();
            rows.sort_by_key(|row| bucket(row.name, BUCKETS_TOPIC));
            Ok(rows)
        }
        BROKER | BROKER_LOGGER if !incoming.may(Operation::DescribeConfigs, Resource::Cluster) => {
            Err(coded(ErrorCode::CLUSTER_AUTHORIZATION_FAILED))
        }
        // That of all brokers would be dynamic.
        BROKER if name.is_empty() => Ok(Vec::new()),
        BROKER => broker.check_id("Broker", name, " or empty string").map(|()| broker.rows(incoming.local)),
        BROKER_LOGGER => broker.check_id("Broker", name, "").map(|()| Vec::new()),
        // Groups of the classic protocol have no configuration of their own, and nobody subscribes to metrics.
        GROUP if !incoming.may(Operation::DescribeConfigs, Resource::Group(name)) => {
            Err(coded(ErrorCode::GROUP_AUTHORIZATION_FAILED))
        }
        GROUP if name.is_empty() => {
            Err((ErrorCode::INVALID_REQUEST, "Group name must not be empty".to_owned()))
        }
        CLIENT_METRICS if !incoming.may(Operation::DescribeConfigs, Resource::Cluster) => {
            Err(coded(ErrorCode::CLUSTER_AUTHORIZATION_FAILED))
        }
        CLIENT_METRICS if name.is_empty() => {
            Err((ErrorCode::INVALID_REQUEST, "Client metrics subscription name must not be empty".to_owned()))
        }
        GROUP | CLIENT_METRICS => Ok(Vec::new()),
        _ => Err((ErrorCode::INVALID_REQUEST, errors::MALFORMED.to_owned())),
    }
}
