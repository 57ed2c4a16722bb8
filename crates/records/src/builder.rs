//! Builds a batch record by record: for tests, the simulator, tools, compaction and transaction markers.
//!
//! Contract: what `build` returns passes `validate` (with `Limits::broker` for what a client may not send), and its
//! records are those pushed. Offset deltas count up from 0 unless given.

use bytes::Bytes;

use crate::{
    Attributes, BatchError, BatchHeader, Codec, Compression, HEAD_BYTES, LENGTH_PREFIX_BYTES, Record,
    TimestampType, compress, crc32c,
    header::field,
    varint::{put, size_bytes},
};

/// A header's key and value.
pub type HeaderRef<'a> = (&'a [u8], Option<&'a [u8]>);

/// A batch in the making.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    compression: Compression,
    header: BatchHeader,
    base_timestamp: Option<i64>,
    append_time_ms: Option<i64>,
    last_offset_delta: Option<i32>,
    payload: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch at offset 0, without producer.
    pub fn new(compression: Compression) -> BatchBuilder {
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            partition_leader_epoch: -1,
            crc: 0,
            attributes: Attributes::default().with_codec(compression.codec()),
            last_offset_delta: -1,
            base_timestamp: -1,
            max_timestamp: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 0,
        };
        BatchBuilder {
            compression,
            header,
            base_timestamp: None,
            append_time_ms: None,
            last_offset_delta: None,
            payload: Vec::new(),
        }
    }

    /// Sets the base offset.
    pub fn base_offset(mut self, base_offset: i64) -> BatchBuilder {
        self.header.base_offset = base_offset;
        self
    }

    /// Sets the partition leader epoch.
    pub fn leader_epoch(mut self, partition_leader_epoch: i32) -> BatchBuilder {
        self.header.partition_leader_epoch = partition_leader_epoch;
        self
    }

    /// Sets producer id, epoch and the first sequence.
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> BatchBuilder {
        (self.header.producer_id, self.header.producer_epoch, self.header.base_sequence) =
            (id, epoch, base_sequence);
        self
    }

    /// Makes it part of a transaction.
    pub fn transactional(mut self) -> BatchBuilder {
        self.header.attributes = self.header.attributes.with_transactional(true);
        self
    }

    /// Makes it a control batch.
    pub fn control(mut self) -> BatchBuilder {
        self.header.attributes = self.header.attributes.with_control(true);
        self
    }

    /// Gives all records the broker's time, in milliseconds.
    pub fn append_time(mut self, now_ms: i64) -> BatchBuilder {
        self.append_time_ms = Some(now_ms);
        self.header.attributes = self.header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        self
    }

    /// Sets the delete horizon in milliseconds (KIP-534), which takes the base timestamp's place. Before the first push.
    pub fn delete_horizon(mut self, horizon_ms: i64) -> BatchBuilder {
        assert!(self.header.record_count == 0, "deltas count from the horizon");
        self.base_timestamp = Some(horizon_ms);
        self.header.attributes = self.header.attributes.with_delete_horizon(true);
        self
    }

    /// Keeps the batch's old end, whatever records are left in it (compaction). May leave it empty.
    pub fn last_offset_delta(mut self, last_offset_delta: i32) -> BatchBuilder {
        self.last_offset_delta = Some(last_offset_delta);
        self
    }

    /// Appends a record at the next offset. `timestamp_ms` is -1 for none.
    pub fn push(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[HeaderRef<'_>],
    ) {
        self.push_at(self.header.last_offset_delta + 1, timestamp_ms, key, value, headers);
    }

    /// Appends a record at `offset_delta`, which must be above all before it.
    pub fn push_at(
        &mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[HeaderRef<'_>],
    ) {
        self.add(offset_delta, timestamp_ms, key, value, headers.len(), headers.iter().copied());
    }

    /// Appends a copy of a record of the batch with `header`, at the same offset delta.
    pub fn push_record(&mut self, header: &BatchHeader, record: &Record<'_>) {
        let timestamp_ms = header.base_timestamp.wrapping_add(record.timestamp_delta);
        let Record { offset_delta, key, value, headers, .. } = *record;
        self.add(offset_delta, timestamp_ms, key, value, headers.len(), headers);
    }

    fn add<'a>(
        &mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        header_count: usize,
        headers: impl Iterator<Item = HeaderRef<'a>> + Clone,
    ) {
        assert!(offset_delta > self.header.last_offset_delta, "offset deltas increase");
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp_ms);
        let timestamp_delta = timestamp_ms.wrapping_sub(base_timestamp);
        let headers_bytes: usize =
            headers.clone().map(|(key, value)| field_bytes(Some(key)) + field_bytes(value)).sum();
        let body_bytes = 1
            + size_bytes(timestamp_delta)
            + size_bytes(i64::from(offset_delta))
            + field_bytes(key)
            + field_bytes(value)
            + size_bytes(header_count as i64)
            + headers_bytes;
        let out = &mut self.payload;
        put(out, body_bytes as i64);
        let start = out.len();
        out.push(0);
        put(out, timestamp_delta);
        put(out, i64::from(offset_delta));
        put_field(out, key);
        put_field(out, value);
        put(out, header_count as i64);
        for (key, value) in headers {
            put_field(out, Some(key));
            put_field(out, value);
        }
        assert_eq!(out.len() - start, body_bytes, "a record is as long as it says");
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;
        self.header.max_timestamp = self.header.max_timestamp.max(timestamp_ms);
    }

    /// Records so far.
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// Size so far, uncompressed, with the head.
    pub fn bytes(&self) -> usize {
        HEAD_BYTES + self.payload.len()
    }

    /// Compresses and closes the batch.
    ///
    /// Errors: `Count` without records or with some beyond `last_offset_delta`; `TooLarge` above 2 GiB, compressed or not; those of
    /// [`compress`].
    pub fn build(self) -> Result<Bytes, BatchError> {
        let mut header = self.header;
        let last_delta = self.last_offset_delta.unwrap_or(header.last_offset_delta);
        if last_delta < 0 || last_delta < header.last_offset_delta {
            let BatchHeader { record_count, .. } = header;
            return Err(BatchError::Count { record_count, last_offset_delta: last_delta });
        }
        header.last_offset_delta = last_delta;
        header.base_timestamp = self.base_timestamp.unwrap_or(-1);
        header.max_timestamp = self.append_time_ms.unwrap_or(header.max_timestamp);
        if header.record_count == 0 {
            header.attributes = header.attributes.with_codec(Codec::None);
        }
        let bytes = HEAD_BYTES + self.payload.len();
        if i32::try_from(bytes).is_err() {
            return Err(BatchError::TooLarge { bytes, bytes_max: i32::MAX as usize });
        }
        let packed = match header.attributes.codec()? {
            Codec::None => self.payload,
            _ => compress(self.compression, &self.payload)?,
        };
        close(header, &packed)
    }
}

/// Sets length and CRC of `header` to those of `payload`, and joins them. Errors: `TooLarge` above 2 GiB.
pub(crate) fn close(mut header: BatchHeader, payload: &[u8]) -> Result<Bytes, BatchError> {
    let bytes = HEAD_BYTES + payload.len();
    let too_large = |_| BatchError::TooLarge { bytes, bytes_max: i32::MAX as usize };
    header.batch_length = i32::try_from(bytes - LENGTH_PREFIX_BYTES).map_err(too_large)?;
    let mut out = Vec::with_capacity(bytes);
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(payload);
    let crc = crc32c(&out[field::ATTRIBUTES..]);
    out[field::CRC..field::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
    Ok(Bytes::from(out))
}

fn field_bytes(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| size_bytes(bytes.len() as i64) + bytes.len())
}

fn put_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    put(out, field.map_or(-1, |bytes| bytes.len() as i64));
    out.extend_from_slice(field.unwrap_or_default());
}
