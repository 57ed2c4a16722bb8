//! From the machines' errors to Kafka's codes: the one place.

use klamm_partition::{ProduceError, SequenceError};
use klamm_protocol::ErrorCode;
use klamm_records::{BatchError, ErrorClass};
use klamm_shard::{ReadError, ShardError};

/// A batch that is not fit to be appended.
pub(crate) fn of_batch(error: &BatchError) -> ErrorCode {
    match error.class() {
        ErrorClass::Corrupt => ErrorCode::CORRUPT_MESSAGE,
        ErrorClass::InvalidTimestamp => ErrorCode::INVALID_TIMESTAMP,
        ErrorClass::TooLarge => ErrorCode::MESSAGE_TOO_LARGE,
        ErrorClass::UnsupportedFormat => ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
        ErrorClass::UnsupportedCodec => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        _ => ErrorCode::INVALID_RECORD,
    }
}

/// A batch that was not appended.
pub(crate) fn of_produce(error: ProduceError) -> (ErrorCode, String) {
    match error {
        ProduceError::UnknownPartition => {
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "the partition is not there".to_owned())
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
