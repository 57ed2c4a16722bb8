//! Reads the records of an uncompressed payload, borrowing everything.
//!
//! Contract: the iterator yields exactly `record_count` records or ends with one error; every record's length equals
//! the sum of its fields, and no byte follows the last. It never panics and allocates nothing. Offset deltas are not
//! judged here (`walk` does). Header keys are bytes: Kafka says UTF-8 and does not check.

use crate::{BatchError, BatchHeader, RecordFault, TimestampType, varint::Reader};

/// One record; key, value and headers point into the payload.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Offset less the batch's base offset.
    pub offset_delta: i32,
    /// Timestamp less the batch's base timestamp, in milliseconds.
    pub timestamp_delta: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone where topics are compacted.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: Headers<'a>,
}

impl Record<'_> {
    /// Its offset in the partition.
    pub fn offset(&self, header: &BatchHeader) -> i64 {
        header.base_offset.wrapping_add(i64::from(self.offset_delta))
    }

    /// Its timestamp in milliseconds: its own, or the append time of the batch.
    pub fn timestamp(&self, header: &BatchHeader) -> i64 {
        match header.attributes.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp.wrapping_add(self.timestamp_delta),
            TimestampType::LogAppendTime => header.max_timestamp,
        }
    }
}

/// The headers of a record, checked when the record was read: key and value of each, in order.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    rest: Reader<'a>,
    count: u32,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        header(&mut self.rest).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count as usize, Some(self.count as usize))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// The records of an uncompressed payload.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    rest: Reader<'a>,
    next: u32,
    count: u32,
}

impl<'a> RecordIter<'a> {
    /// Over `payload`, which should hold `record_count` records (a negative count is none).
    pub fn new(payload: &'a [u8], record_count: i32) -> RecordIter<'a> {
        RecordIter { rest: Reader(payload), next: 0, count: u32::try_from(record_count).unwrap_or(0) }
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        let result = if index < self.count {
            record(&mut self.rest)
        } else if self.rest.0.is_empty() {
            return None;
        } else {
            Err(RecordFault::Trailing)
        };
        self.next += 1;
        Some(result.map_err(|fault| {
            (self.rest, self.count) = (Reader(&[]), 0);
            BatchError::Record { index, fault }
        }))
    }
}

impl std::iter::FusedIterator for RecordIter<'_> {}

fn record<'a>(payload: &mut Reader<'a>) -> Result<Record<'a>, RecordFault> {
    let length = usize::try_from(payload.varint()?).map_err(|_| RecordFault::Length)?;
    let mut body = Reader(payload.take(length).ok_or(RecordFault::Truncated)?);
    body.u8().map_err(within)?; // attributes: no bit is in use
    let timestamp_delta = body.varlong().map_err(within)?;
    let offset_delta = body.varint().map_err(within)?;
    let key = nullable(&mut body, RecordFault::Key)?;
    let value = nullable(&mut body, RecordFault::Value)?;
    let count = u32::try_from(body.varint().map_err(within)?).map_err(|_| RecordFault::Headers)?;
    let headers = Headers { rest: body, count };
    for _ in 0..count {
        header(&mut body)?;
    }
    if !body.0.is_empty() {
        return Err(RecordFault::Length);
    }
    Ok(Record { offset_delta, timestamp_delta, key, value, headers })
}

/// Each header takes at least two bytes, so a false count runs out of bytes, not of time.
fn header<'a>(body: &mut Reader<'a>) -> Result<(&'a [u8], Option<&'a [u8]>), RecordFault> {
    let key = nullable(body, RecordFault::Headers)?.ok_or(RecordFault::Headers)?;
    Ok((key, nullable(body, RecordFault::Headers)?))
}

fn nullable<'a>(body: &mut Reader<'a>, fault: RecordFault) -> Result<Option<&'a [u8]>, RecordFault> {
    match body.varint().map_err(within)? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| fault)?;
            body.take(length).map(Some).ok_or(fault)
        }
    }
}

/// A record that ends before its fields do has a wrong length; the payload itself is not cut.
fn within(fault: RecordFault) -> RecordFault {
    if fault == RecordFault::Truncated { RecordFault::Length } else { fault }
}
