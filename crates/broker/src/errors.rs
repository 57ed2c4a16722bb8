//! From the machines' errors to Kafka's codes: the one place.

use klamm_model::{InvalidTopicName, TOPIC_NAME_BYTES_MAX};
use klamm_partition::{ProduceError, SequenceError};
use klamm_protocol::ErrorCode;
use klamm_records::{BatchError, ErrorClass};
use klamm_shard::{ReadError, ShardError};

/// Kafka's text for INVALID_REQUEST where it has no better one.
pub(crate) const MALFORMED: &str = "This most likely occurs because of a request being malformed by the client \
                                    library or the message was sent to an incompatible broker. See the broker logs \
                                    for more details.";

/// What is said of transactional ids and transactional batches.
pub(crate) const NO_TRANSACTIONS: &str =
    "this broker does not serve transactions; leave transactional.id out of the producer's configuration";

/// What Kafka says of a name that no topic can have.
pub(crate) fn of_name(name: &str, error: &InvalidTopicName) -> String {
    let why = match error {
        InvalidTopicName::Empty => "the empty string is not allowed".to_owned(),
        InvalidTopicName::Dots => format!("'{name}' is not allowed"),
        InvalidTopicName::TooLong => {
            format!("the length of '{name}' is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}")
        }
        InvalidTopicName::Character(_) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ),
    };
    format!("Topic name is invalid: {why}")
}

/// What Kafka says of a partition, or a topic, that is not there.
pub(crate) const NO_PARTITION: &str = "This server does not host this topic-partition.";

/// What becomes of a topic that a request names more than once.
pub(crate) fn named_twice() -> (ErrorCode, String) {
    (ErrorCode::INVALID_REQUEST, "Duplicate topic name.".to_owned())
}

/// What becomes of a change for which a client has no time at all: Kafka does not begin it, and says no more.
pub(crate) const NO_TIME: ErrorCode = ErrorCode::REQUEST_TIMED_OUT;

/// What becomes of a change of a topic that was not made in time, or not carried out by all shards: as in Kafka, it may come
/// about yet.
pub(crate) fn unfinished(what: &str) -> (ErrorCode, String) {
    (ErrorCode::REQUEST_TIMED_OUT, format!("{what}; ask again"))
}

/// A batch that is not fit to be appended.
pub(crate) fn of_batch(error: &BatchError) -> ErrorCode {
    match error.class() {
        // To Kafka, a batch that is cut is no batch, and an old format is no record: neither is worth a retry.
        _ if matches!(error, BatchError::Truncated { .. }) => ErrorCode::INVALID_RECORD,
        ErrorClass::Corrupt => ErrorCode::CORRUPT_MESSAGE,
        ErrorClass::InvalidTimestamp => ErrorCode::INVALID_TIMESTAMP,
        ErrorClass::TooLarge => ErrorCode::MESSAGE_TOO_LARGE,
        ErrorClass::UnsupportedCodec => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        _ => ErrorCode::INVALID_RECORD,
    }
}

/// A batch that was not appended.
pub(crate) fn of_produce(error: ProduceError) -> (ErrorCode, String) {
    match error {
        // The metadata had it, its shard does not yet or no more. As Kafka says then: look the topic up again.
        ProduceError::UnknownPartition => {
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, "the partition is not there".to_owned())
        }
        ProduceError::Sequence(SequenceError::StaleEpoch { current }) => (
            ErrorCode::INVALID_PRODUCER_EPOCH,
            format!("a newer instance of this producer is at epoch {current}"),
        ),
        ProduceError::Sequence(SequenceError::OutOfOrder { expected, got }) => (
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            format!("the producer's sequence {got} does not follow; {expected} would"),
        ),
        ProduceError::Unreserved => {
            (ErrorCode::NOT_ENOUGH_REPLICAS, "more offsets are being reserved; try again".to_owned())
        }
        ProduceError::TooLarge => {
            (ErrorCode::MESSAGE_TOO_LARGE, "the batch is too large for the journal".to_owned())
        }
        ProduceError::Full => (ErrorCode::KAFKA_STORAGE_ERROR, "the disk is full".to_owned()),
    }
}

/// A shard that does not answer.
pub(crate) fn of_shard(error: &ShardError) -> ErrorCode {
    match error {
        ShardError::NotServing => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ShardError::Busy => ErrorCode::REQUEST_TIMED_OUT,
    }
}

/// A partition that can't be read.
pub(crate) fn of_read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange => ErrorCode::OFFSET_OUT_OF_RANGE,
        ReadError::Dropped => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ReadError::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}
