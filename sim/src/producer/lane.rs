//! One partition as the producer sees it. Invariant: batches are sent in the order of their sequence numbers, five at a time
//! from the first on, as Kafka's own client does; after a failure nothing is sent until all that is in flight has come back.

use std::collections::VecDeque;

use crate::batch::Batch;

#[derive(Debug)]
pub(super) struct Lane {
    /// The topic's number in the model.
    pub(super) topic: usize,
    /// The partition's index.
    pub(super) index: i32,
    values: u32,
    sequence: i32,
    /// To be sent again.
    waiting: VecDeque<Batch>,
    /// Came back while others are in flight.
    failed: Vec<Batch>,
    in_flight: usize,
    acked_end: i64,
    /// The first value that was acknowledged, under the present producer id.
    known_from: Option<u32>,
    /// Values before this one went off before others whose answer never came: those may have been taken. Under the present
    /// producer id.
    unknown_to: u32,
    /// For all that the broker knows, it may have forgotten the producer here: it takes what comes first.
    forgettable: bool,
}

impl Lane {
    /// `forgettable`: for all that the broker knows, the producer may have written to another topic of the name.
    pub(super) fn new(topic: usize, index: i32, forgettable: bool) -> Self {
        let (waiting, failed) = (VecDeque::new(), Vec::new());
        Self {
            topic,
            index,
            values: 0,
            sequence: 0,
            waiting,
            failed,
            in_flight: 0,
            acked_end: 0,
            known_from: None,
            unknown_to: 0,
            forgettable,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.waiting.is_empty()
    }

    /// Whether something failed, so that all that is in flight must come back first.
    pub(super) fn is_held(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Whether the batch was overtaken for good: of a producer that it may have forgotten the broker takes, as Kafka does,
    /// the second batch after it refused the first, which can't come any more.
    pub(super) fn is_overtaken(&self, batch: &Batch) -> bool {
        self.forgettable && batch.values.first < self.known_from.unwrap_or(self.unknown_to)
    }

    /// How many values were sent.
    pub(super) fn sent(&self) -> u32 {
        self.values
    }

    /// The sequence number of the next new batch.
    pub(super) fn sequence(&self) -> i32 {
        self.sequence
    }

    /// Begins anew for a new producer id.
    pub(super) fn restart(&mut self) {
        assert!(self.is_idle(), "a batch keeps its producer id");
        self.sequence = 0;
        (self.known_from, self.unknown_to) = (None, 0);
        // The new id is younger than the partition.
        self.forgettable = false;
    }

    /// A new batch is on its way.
    pub(super) fn begin(&mut self, batch: &Batch) {
        assert!(self.waiting.is_empty() && !self.is_held(), "older batches come first");
        self.values += batch.values.count;
        self.sequence += batch.values.count as i32;
        self.in_flight += 1;
    }

    /// Sends the oldest that waits.
    pub(super) fn next_waiting(&mut self) -> Option<Batch> {
        let batch = self.waiting.pop_front()?;
        self.in_flight += 1;
        Some(batch)
    }

    /// The end of what was acknowledged.
    pub(super) fn acked_end(&self) -> i64 {
        self.acked_end
    }

    /// Acknowledged, at an offset.
    pub(super) fn acked(&mut self, batch: &Batch, offset: i64) {
        self.acked_end = self.acked_end.max(offset + i64::from(batch.values.count));
        self.known_from.get_or_insert(batch.values.first);
        self.given_up();
    }

    /// Not sent again.
    pub(super) fn given_up(&mut self) {
        self.in_flight -= 1;
        self.requeue();
    }

    pub(super) fn failed(&mut self, batch: Batch) {
        self.in_flight -= 1;
        self.failed.push(batch);
        self.requeue();
    }

    /// The connection is gone, and nobody knows what became of the batch.
    pub(super) fn unanswered(&mut self, batch: Batch) {
        self.unknown_to = self.unknown_to.max(batch.values.first);
        self.failed(batch);
    }

    fn requeue(&mut self) {
        if self.in_flight == 0 {
            self.failed.drain(..).rev().for_each(|batch| self.waiting.push_front(batch));
        }
    }
}
