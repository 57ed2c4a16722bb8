//! Topics: create, delete, grow, configure.

use klamm_protocol::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest, ErrorCode,
    IncrementalAlterConfigsRequest, Request,
    create_partitions::CreatePartitionsTopic,
    create_topics::{CreatableTopic, CreatableTopicConfig},
    delete_topics::DeleteTopicState,
    describe_configs::DescribeConfigsResource,
    incremental_alter_configs::{AlterConfigsResource, AlterableConfig},
};

use crate::{Client, Error, Result, connection::Answer};

const TOPIC: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;
/// The source of a value that a topic has of its own.
const SOURCE_TOPIC: i8 = 1;

/// A topic to be.
#[derive(Debug, Clone, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Partitions; the broker's default if `None`.
    pub partitions: Option<i32>,
    /// Replicas; the broker's default if `None`.
    pub replicas: Option<i16>,
    /// Its configuration.
    pub configs: Vec<(String, String)>,
}

/// A change of a topic's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// A key gets a value.
    Set(String, String),
    /// A key falls back to its default.
    Delete(String),
}

/// A key of a topic's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` when it is not shown.
    pub value: Option<String>,
    /// Whether the topic has it of its own.
    pub own: bool,
}

impl Client {
    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.timeout().as_millis()).unwrap_or(i32::MAX)
    }

    /// Asks the controller; again when it has moved.
    async fn ask_controller<R: Request>(
        &self,
        request: &R,
        code: impl Fn(&R::Response<'_>) -> ErrorCode,
    ) -> Result<Answer<R>> {
        let mut backoff = self.backoff();
        loop {
            let answer = self.controller().await?.ask(request, i16::MAX, self.timeout()).await?;
            let moved = code(&answer.get()?) == ErrorCode::NOT_CONTROLLER;
            if !moved {
                return Ok(answer);
            }
            let what = format!("{} at the controller", R::API);
            let error = Error::Refused { what: what.clone(), code: ErrorCode::NOT_CONTROLLER, message: None };
            self.pause(&mut backoff, &what, error).await?;
        }
    }

    /// Makes a topic and waits until it can be used.
    pub async fn create_topic(&self, new: &NewTopic) -> Result<()> {
        let config = |(name, value): &(String, String)| CreatableTopicConfig {
            name: name.clone().into(),
            value: Some(value.clone().into()),
        };
        let topic = CreatableTopic {
            name: (&new.name).into(),
            num_partitions: new.partitions.unwrap_or(-1),
            replication_factor: new.replicas.unwrap_or(-1),
            assignments: vec![],
            configs: new.configs.iter().map(config).collect(),
        };
        let timeout_ms = self.timeout_ms();
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms, validate_only: false };
        let first = |told: &klamm_protocol::CreateTopicsResponse<'_>| {
            told.topics.first().map_or(ErrorCode::NONE, |topic| topic.error_code)
        };
        let answer = self.ask_controller(&request, first).await?;
        for topic in answer.get()?.topics {
            let what = || format!("can't create topic {}", new.name);
            Error::check(topic.error_code, topic.error_message.as_deref(), what)?;
        }
        // A broker may hear of it a little later.
        let mut backoff = self.backoff();
        loop {
            match self.topic(&new.name, false).await {
                Ok(_) => return Ok(()),
                Err(Error::NoTopic { .. }) => {
                    let what = format!("waiting for topic {}", new.name);
                    let code = ErrorCode::LEADER_NOT_AVAILABLE;
                    let error = Error::Refused { what: what.clone(), code, message: None };
                    self.pause(&mut backoff, &what, error).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes topics: what became of each.
    pub async fn delete_topics(&self, names: &[String]) -> Result<Vec<(String, Result<()>)>> {
        let state =
            |name: &String| DeleteTopicState { name: Some(name.clone().into()), ..Default::default() };
        let request = DeleteTopicsRequest {
            topics: names.iter().map(state).collect(),
            topic_names: names.iter().map(|name| name.clone().into()).collect(),
            timeout_ms: self.timeout_ms(),
        };
        let connection = self.controller().await?;
        // Version 6 has the names elsewhere, and refuses both.
        let request = match connection.version(klamm_protocol::ApiKey::DeleteTopics, i16::MAX)? {
            6.. => request,
            _ => DeleteTopicsRequest { topics: vec![], ..request },
        };
        let answer = connection.ask(&request, i16::MAX, self.timeout()).await?;
        let one = |told: klamm_protocol::delete_topics::DeletableTopicResult<'_>| {
            let name = told.name.as_deref().unwrap_or_default().to_owned();
            let what = || format!("can't delete topic {name}");
            let done = Error::check(told.error_code, told.error_message.as_deref(), what);
            (name, done)
        };
        Ok(answer.get()?.responses.into_iter().map(one).collect())
    }

    /// Gives a topic more partitions.
    pub async fn grow_topic(&self, name: &str, count: i32) -> Result<()> {
        let topics = vec![CreatePartitionsTopic { name: name.into(), count, assignments: None }];
        let request = CreatePartitionsRequest { topics, timeout_ms: self.timeout_ms(), validate_only: false };
        let first = |told: &klamm_protocol::CreatePartitionsResponse<'_>| {
            told.results.first().map_or(ErrorCode::NONE, |topic| topic.error_code)
        };
        let answer = self.ask_controller(&request, first).await?;
        for told in answer.get()?.results {
            let what = || format!("can't give topic {name} {count} partitions");
            Error::check(told.error_code, told.error_message.as_deref(), what)?;
        }
        Ok(())
    }

    /// Changes a topic's configuration.
    pub async fn alter_topic(&self, name: &str, changes: &[ConfigChange]) -> Result<()> {
        let change = |change: &ConfigChange| {
            let (name, config_operation, value) = match change {
                ConfigChange::Set(name, value) => (name, SET, Some(value.clone().into())),
                ConfigChange::Delete(name) => (name, DELETE, None),
            };
            AlterableConfig { name: name.clone().into(), config_operation, value }
        };
        let resource = AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: name.into(),
            configs: changes.iter().map(change).collect(),
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let first = |told: &klamm_protocol::IncrementalAlterConfigsResponse<'_>| {
            told.responses.first().map_or(ErrorCode::NONE, |topic| topic.error_code)
        };
        let answer = self.ask_controller(&request, first).await?;
        for told in answer.get()?.responses {
            let what = || format!("can't configure topic {name}");
            Error::check(told.error_code, told.error_message.as_deref(), what)?;
        }
        Ok(())
    }

    /// A topic's configuration, defaults too.
    pub async fn topic_config(&self, name: &str) -> Result<Vec<ConfigEntry>> {
        let resource = DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: name.into(),
            configuration_keys: None,
        };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        let answer = self.ask_any(&request).await?;
        let mut all = Vec::new();
        for told in answer.get()?.results {
            let what = || format!("asking for the configuration of topic {name}");
            Error::check(told.error_code, told.error_message.as_deref(), what)?;
            all.extend(told.configs.into_iter().map(|config| ConfigEntry {
                name: config.name.into_owned(),
                value: config.value.map(|value| value.into_owned()),
                own: config.config_source == SOURCE_TOPIC,
            }));
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }
}
