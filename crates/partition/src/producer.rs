//! Idempotent producers (KIP-98): the window of the last five batches of each producer id.
//! Invariant: the batches of a window follow each other in sequence and offset.

use std::collections::VecDeque;

use klamm_model::{Offset, ProducerEpoch, ProducerId};
use klamm_records::{BatchHeader, next_sequence};

/// How many batches of a producer are remembered, as in Kafka: clients keep at most five requests in flight.
pub const BATCHES_KEPT: usize = 5;

/// Why a producer's batch does not fit what came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequenceError {
    /// A newer incarnation of the producer has written.
    StaleEpoch {
        /// The epoch that is current.
        current: ProducerEpoch,
    },
    /// A gap, or a repetition from before the window.
    OutOfOrder {
        /// The sequence that would fit.
        expected: i32,
        /// The sequence that came.
        got: i32,
    },
}

/// A batch that a producer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) base_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: Offset,
    pub(crate) last_offset: Offset,
    pub(crate) append_time_ms: i64,
}

/// What a partition remembers of a producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    pub(crate) last_time_ms: i64,
    /// Whether its id is none of this cluster's.
    pub(crate) foreign: bool,
    pub(crate) window: VecDeque<Written>,
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Append,
    Duplicate(Written),
}

impl Producer {
    pub(crate) fn new(id: ProducerId, epoch: ProducerEpoch) -> Self {
        Self { id, epoch, last_time_ms: 0, foreign: false, window: VecDeque::with_capacity(1) }
    }

    /// Whether a batch of this producer may be appended. One that may have been forgotten may go on anywhere; one that
    /// never wrote begins with 0: what comes first otherwise is the successor of a batch that was refused.
    pub(crate) fn admit(
        known: Option<&Self>,
        forgotten: bool,
        batch: &BatchHeader,
    ) -> Result<Admission, SequenceError> {
        let got = batch.base_sequence;
        let Some(known) = known else {
            return if forgotten || got == 0 {
                Ok(Admission::Append)
            } else {
                Err(SequenceError::OutOfOrder { expected: 0, got })
            };
        };
        if batch.producer_epoch < known.epoch {
            return Err(SequenceError::StaleEpoch { current: known.epoch });
        }
        if batch.producer_epoch > known.epoch {
            return if got == 0 {
                Ok(Admission::Append)
            } else {
                Err(SequenceError::OutOfOrder { expected: 0, got })
            };
        }
        let same = |w: &&Written| w.base_sequence == got && w.last_sequence == batch.last_sequence();
        if let Some(written) = known.window.iter().find(same) {
            return Ok(Admission::Duplicate(*written));
        }
        match known.window.back() {
            None => Ok(Admission::Append),
            Some(last) => match next_sequence(last.last_sequence, 1) {
                expected if expected == got => Ok(Admission::Append),
                expected => Err(SequenceError::OutOfOrder { expected, got }),
            },
        }
    }

    /// Remembers an appended batch.
    pub(crate) fn note(&mut self, epoch: ProducerEpoch, written: Written, time_ms: i64) {
        if epoch != self.epoch {
            assert!(epoch > self.epoch, "a producer's epoch never goes back");
            self.epoch = epoch;
            self.window.clear();
        }
        if self.window.len() == BATCHES_KEPT {
            self.window.pop_front();
        }
        if let Some(last) = self.window.back() {
            assert!(last.last_offset < written.base_offset, "a window's offsets rise");
        }
        self.window.push_back(written);
        self.last_time_ms = self.last_time_ms.max(time_ms);
    }
}
