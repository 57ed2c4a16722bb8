//! Kafka's error codes, those of 4.2: number, name, whether a retry may help (as Kafka's own clients see it), and what
//! it means in our words. Codes of newer brokers are carried unchanged.

use std::fmt;

/// An error code as it stands in a message. Zero is success.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);

struct Row {
    code: i16,
    name: &'static str,
    retriable: bool,
    text: &'static str,
}

macro_rules! errors {
    ($($code:literal $name:ident $fate:ident $text:literal)*) => {
        impl ErrorCode {
            $(#[doc = $text] pub const $name: Self = Self($code);)*

            /// Every code that Kafka 4.2 knows, ascending.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        const ROWS: &[Row] = &[
            $(Row { code: $code, name: stringify!($name), retriable: fate::$fate, text: $text },)*
        ];
    };
}

mod fate {
    #![allow(non_upper_case_globals)]
    pub(super) const fail: bool = false;
    pub(super) const retry: bool = true;
}

impl ErrorCode {
    /// Whether this is success.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Whether this is any error.
    pub const fn is_err(self) -> bool {
        self.0 != 0
    }

    /// Kafka's name; `UNKNOWN` for a code that 4.2 does not know.
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN", |row| row.name)
    }

    /// What it means, as a phrase.
    pub fn text(self) -> &'static str {
        self.row().map_or("an error this version does not know", |row| row.text)
    }

    /// Whether the same request may succeed later.
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| row.retriable)
    }

    fn row(self) -> Option<&'static Row> {
        // The codes have no gaps and begin at -1; a test says so.
        let row = usize::try_from(i32::from(self.0) + 1).ok().and_then(|at| ROWS.get(at));
        debug_assert!(row.is_none_or(|row| row.code == self.0));
        row
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.0, self.text())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

errors! {
     -1 UNKNOWN_SERVER_ERROR                   fail  "the broker failed in a way it did not foresee"
      0 NONE                                   fail  "no error"
      1 OFFSET_OUT_OF_RANGE                    fail  "the offset is outside the partition's log"
      2 CORRUPT_MESSAGE                        retry "a batch is damaged: bad CRC, bad size, or a record without a key in a compacted topic"
      3 UNKNOWN_TOPIC_OR_PARTITION             retry "no such topic or partition here"
      4 INVALID_FETCH_SIZE                     fail  "the fetch size is invalid"
      5 LEADER_NOT_AVAILABLE                   retry "the partition has no leader at the moment"
      6 NOT_LEADER_OR_FOLLOWER                 retry "this broker does not lead the partition, or has no replica of it"
      7 REQUEST_TIMED_OUT                      retry "the request took too long"
      8 BROKER_NOT_AVAILABLE                   fail  "the broker is not available"
      9 REPLICA_NOT_AVAILABLE                  retry "the replica is not available"
     10 MESSAGE_TOO_LARGE                      fail  "a batch is larger than the topic allows"
     11 STALE_CONTROLLER_EPOCH                 fail  "the controller has moved"
     12 OFFSET_METADATA_TOO_LARGE              fail  "the metadata of an offset commit is too long"
     13 NETWORK_EXCEPTION                      retry "the connection broke before the answer"
     14 COORDINATOR_LOAD_IN_PROGRESS           retry "the coordinator is still loading"
     15 COORDINATOR_NOT_AVAILABLE              retry "there is no coordinator at the moment"
     16 NOT_COORDINATOR                        retry "this broker is not the coordinator"
     17 INVALID_TOPIC_EXCEPTION                fail  "the topic's name is invalid, or the topic may not be used this way"
     18 RECORD_LIST_TOO_LARGE                  fail  "a batch is larger than a segment"
     19 NOT_ENOUGH_REPLICAS                    retry "fewer replicas in sync than required; nothing was written"
     20 NOT_ENOUGH_REPLICAS_AFTER_APPEND       retry "written, but to fewer replicas in sync than required"
     21 INVALID_REQUIRED_ACKS                  fail  "acks must be 0, 1 or -1"
     22 ILLEGAL_GENERATION                     fail  "the generation is not the group's"
     23 INCONSISTENT_GROUP_PROTOCOL            fail  "the member's protocols do not fit those of the group"
     24 INVALID_GROUP_ID                       fail  "the group id is invalid"
     25 UNKNOWN_MEMBER_ID                      fail  "the group has no such member"
     26 INVALID_SESSION_TIMEOUT                fail  "the session timeout is outside the broker's limits"
     27 REBALANCE_IN_PROGRESS                  fail  "the group is rebalancing: join again"
     28 INVALID_COMMIT_OFFSET_SIZE             fail  "the offset commit is too large"
     29 TOPIC_AUTHORIZATION_FAILED             fail  "not authorized for the topic"
     30 GROUP_AUTHORIZATION_FAILED             fail  "not authorized for the group"
     31 CLUSTER_AUTHORIZATION_FAILED           fail  "not authorized for the cluster"
     32 INVALID_TIMESTAMP                      fail  "a timestamp is out of range"
     33 UNSUPPORTED_SASL_MECHANISM             fail  "the SASL mechanism is not enabled"
     34 ILLEGAL_SASL_STATE                     fail  "the request does not fit the state of the SASL exchange"
     35 UNSUPPORTED_VERSION                    fail  "the version of the API is not supported"
     36 TOPIC_ALREADY_EXISTS                   fail  "the topic exists already"
     37 INVALID_PARTITIONS                     fail  "the number of partitions is invalid"
     38 INVALID_REPLICATION_FACTOR             fail  "the replication factor is below 1 or above the number of brokers"
     39 INVALID_REPLICA_ASSIGNMENT             fail  "the replica assignment is invalid"
     40 INVALID_CONFIG                         fail  "the configuration is invalid"
     41 NOT_CONTROLLER                         retry "this is not the controller"
     42 INVALID_REQUEST                        fail  "the request makes no sense"
     43 UNSUPPORTED_FOR_MESSAGE_FORMAT         fail  "the message format does not support the request"
     44 POLICY_VIOLATION                       fail  "a policy of the cluster forbids it"
     45 OUT_OF_ORDER_SEQUENCE_NUMBER           fail  "the sequence number is out of order"
     46 DUPLICATE_SEQUENCE_NUMBER              fail  "the sequence number was seen already"
     47 INVALID_PRODUCER_EPOCH                 fail  "the producer's epoch is old"
     48 INVALID_TXN_STATE                      fail  "the transaction's state does not allow it"
     49 INVALID_PRODUCER_ID_MAPPING            fail  "the producer id does not belong to the transactional id"
     50 INVALID_TRANSACTION_TIMEOUT            fail  "the transaction timeout is above the broker's limit"
     51 CONCURRENT_TRANSACTIONS                retry "another operation on the transaction is under way"
     52 TRANSACTION_COORDINATOR_FENCED         fail  "a newer transaction coordinator has taken over"
     53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED  fail  "not authorized for the transactional id"
     54 SECURITY_DISABLED                      fail  "security is not enabled"
     55 OPERATION_NOT_ATTEMPTED                fail  "not attempted, because another part of the request failed"
     56 KAFKA_STORAGE_ERROR                    retry "the disk failed"
     57 LOG_DIR_NOT_FOUND                      fail  "no such log folder"
     58 SASL_AUTHENTICATION_FAILED             fail  "authentication failed"
     59 UNKNOWN_PRODUCER_ID                    fail  "nothing is known of this producer id"
     60 REASSIGNMENT_IN_PROGRESS               fail  "a reassignment is under way"
     61 DELEGATION_TOKEN_AUTH_DISABLED         fail  "delegation tokens are not enabled"
     62 DELEGATION_TOKEN_NOT_FOUND             fail  "no such delegation token"
     63 DELEGATION_TOKEN_OWNER_MISMATCH        fail  "the principal is neither the token's owner nor a renewer"
     64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED   fail  "delegation tokens may not be requested over this connection"
     65 DELEGATION_TOKEN_AUTHORIZATION_FAILED  fail  "not authorized for the delegation token"
     66 DELEGATION_TOKEN_EXPIRED               fail  "the delegation token has expired"
     67 INVALID_PRINCIPAL_TYPE                 fail  "the type of the principal is not supported"
     68 NON_EMPTY_GROUP                        fail  "the group has members"
     69 GROUP_ID_NOT_FOUND                     fail  "no such group"
     70 FETCH_SESSION_ID_NOT_FOUND             retry "no such fetch session"
     71 INVALID_FETCH_SESSION_EPOCH            retry "the epoch of the fetch session is invalid"
     72 LISTENER_NOT_FOUND                     retry "the leader has no listener of that name"
     73 TOPIC_DELETION_DISABLED                fail  "topics may not be deleted"
     74 FENCED_LEADER_EPOCH                    retry "the request's leader epoch is old"
     75 UNKNOWN_LEADER_EPOCH                   retry "the request's leader epoch is newer than the broker's"
     76 UNSUPPORTED_COMPRESSION_TYPE           fail  "the client does not support the compression type"
     77 STALE_BROKER_EPOCH                     fail  "the broker's epoch has changed"
     78 OFFSET_NOT_AVAILABLE                   retry "the leader is new and does not know the high watermark yet"
     79 MEMBER_ID_REQUIRED                     fail  "join again, with the member id given here"
     80 PREFERRED_LEADER_NOT_AVAILABLE         retry "the preferred leader is not available"
     81 GROUP_MAX_SIZE_REACHED                 fail  "the group is full"
     82 FENCED_INSTANCE_ID                     fail  "another member has taken the instance id"
     83 ELIGIBLE_LEADERS_NOT_AVAILABLE         retry "no eligible leader is available"
     84 ELECTION_NOT_NEEDED                    retry "the partition needs no election"
     85 NO_REASSIGNMENT_IN_PROGRESS            fail  "no reassignment is under way"
     86 GROUP_SUBSCRIBED_TO_TOPIC              fail  "the group is subscribed to the topic"
     87 INVALID_RECORD                         fail  "a record is invalid"
     88 UNSTABLE_OFFSET_COMMIT                 retry "an open transaction may still change the offsets"
     89 THROTTLING_QUOTA_EXCEEDED              retry "a quota is exceeded; try again later"
     90 PRODUCER_FENCED                        fail  "a newer producer has taken the transactional id"
     91 RESOURCE_NOT_FOUND                     fail  "the request names a resource that does not exist"
     92 DUPLICATE_RESOURCE                     fail  "the request names a resource twice"
     93 UNACCEPTABLE_CREDENTIAL                fail  "the credential is not acceptable"
     94 INCONSISTENT_VOTER_SET                 fail  "sender or receiver is not a voter"
     95 INVALID_UPDATE_VERSION                 fail  "the feature level is invalid"
     96 FEATURE_UPDATE_FAILED                  fail  "the features could not be updated"
     97 PRINCIPAL_DESERIALIZATION_FAILURE      fail  "the forwarded principal cannot be read"
     98 SNAPSHOT_NOT_FOUND                     fail  "no such snapshot"
     99 POSITION_OUT_OF_RANGE                  fail  "the position is outside the snapshot"
    100 UNKNOWN_TOPIC_ID                       retry "no topic with this id here"
    101 DUPLICATE_BROKER_REGISTRATION          fail  "the broker id is in use"
    102 BROKER_ID_NOT_REGISTERED               fail  "the broker id is not registered"
    103 INCONSISTENT_TOPIC_ID                  retry "the topic id is not the log's"
    104 INCONSISTENT_CLUSTER_ID                fail  "the cluster id is another"
    105 TRANSACTIONAL_ID_NOT_FOUND             fail  "no such transactional id"
    106 FETCH_SESSION_TOPIC_ID_ERROR           retry "the fetch session mixes topic names and ids"
    107 INELIGIBLE_REPLICA                     fail  "a replica may not join the ISR"
    108 NEW_LEADER_ELECTED                     fail  "the partition was updated, and its leader has changed"
    109 OFFSET_MOVED_TO_TIERED_STORAGE         fail  "the offset is in tiered storage"
    110 FENCED_MEMBER_EPOCH                    fail  "the member's epoch is fenced: give up all partitions and join again"
    111 UNRELEASED_INSTANCE_ID                 fail  "another member still uses the instance id"
    112 UNSUPPORTED_ASSIGNOR                   fail  "the assignor is not supported"
    113 STALE_MEMBER_EPOCH                     fail  "the member's epoch is old: retry after the next heartbeat"
    114 MISMATCHED_ENDPOINT_TYPE               fail  "the endpoint is of the wrong type"
    115 UNSUPPORTED_ENDPOINT_TYPE              fail  "the endpoint type is not supported"
    116 UNKNOWN_CONTROLLER_ID                  fail  "no such controller"
    117 UNKNOWN_SUBSCRIPTION_ID                fail  "the telemetry subscription is invalid or old"
    118 TELEMETRY_TOO_LARGE                    fail  "the telemetry is too large"
    119 INVALID_REGISTRATION                   fail  "the broker's registration is invalid"
    120 TRANSACTION_ABORTABLE                  fail  "the transaction failed and should be aborted"
    121 INVALID_RECORD_STATE                   fail  "the records are not in a state that can be acknowledged"
    122 SHARE_SESSION_NOT_FOUND                retry "no such share session"
    123 INVALID_SHARE_SESSION_EPOCH            retry "the epoch of the share session is invalid"
    124 FENCED_STATE_EPOCH                     fail  "the epoch of the share group's state does not match"
    125 INVALID_VOTER_KEY                      fail  "the voter key is not this replica's"
    126 DUPLICATE_VOTER                        fail  "the voter exists already"
    127 VOTER_NOT_FOUND                        fail  "no such voter"
    128 INVALID_REGULAR_EXPRESSION             fail  "the regular expression is invalid"
    129 REBOOTSTRAP_REQUIRED                   fail  "the client's metadata is stale: bootstrap again"
    130 STREAMS_INVALID_TOPOLOGY               fail  "the topology is invalid"
    131 STREAMS_INVALID_TOPOLOGY_EPOCH         fail  "the topology epoch is invalid"
    132 STREAMS_TOPOLOGY_FENCED                fail  "the topology epoch is old"
    133 SHARE_SESSION_LIMIT_REACHED            retry "there are too many share sessions"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_no_gaps() {
        assert!(ROWS.iter().map(|row| row.code).eq(-1..=133));
        assert_eq!(ErrorCode(6), ErrorCode::NOT_LEADER_OR_FOLLOWER);
        assert!(ErrorCode(6).is_retriable() && !ErrorCode(1).is_retriable());
        assert_eq!((ErrorCode(134).name(), ErrorCode(i16::MIN).name()), ("UNKNOWN", "UNKNOWN"));
    }
}
