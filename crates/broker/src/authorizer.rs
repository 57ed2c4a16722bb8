//! Who may do what. Every handler gets a principal and asks; until there are ACLs, one authorizer lets clients do all
//! that clients do, and denies what only brokers do.

use std::{fmt, sync::Arc};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(Arc<str>);

impl Principal {
    /// Kafka's principal of connections that did not authenticate.
    pub fn anonymous() -> Self {
        Self("User:ANONYMOUS".into())
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_debug())
    }
}

/// What is asked for, in Kafka's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Fetch records.
    Read,
    /// Produce records.
    Write,
    /// Make topics.
    Create,
    /// Delete topics.
    Delete,
    /// Change something.
    Alter,
    /// See that something is there.
    Describe,
    /// See a configuration.
    DescribeConfigs,
    /// Change a configuration.
    AlterConfigs,
    /// What brokers do among themselves.
    ClusterAction,
    /// Get a producer id.
    IdempotentWrite,
}

/// What it is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The cluster.
    Cluster,
    /// A topic, by name.
    Topic(&'a str),
    /// Some topic: whether there may be one of which the principal is allowed to.
    AnyTopic,
    /// A consumer group.
    Group(&'a str),
}

/// Decides.
pub trait Authorizer: Send + Sync + 'static {
    /// Whether the principal may.
    fn allows(&self, principal: &Principal, operation: Operation, resource: Resource<'_>) -> bool;
}

/// Allows all that clients do.
#[derive(Debug)]
pub struct AllowClients;

impl Authorizer for AllowClients {
    fn allows(&self, _: &Principal, operation: Operation, _: Resource<'_>) -> bool {
        operation != Operation::ClusterAction
    }
}
