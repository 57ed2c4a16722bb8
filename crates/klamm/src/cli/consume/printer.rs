//! Writes records to standard output, up to a count.

use std::io::{self, BufWriter, Stdout, Write as _};

use klamm_client::{Fetched, Record, TopicPartition};

use crate::cli::{format::Format, json};

/// Writes records.
pub(super) struct Printer {
    out: BufWriter<Stdout>,
    /// `None` is JSON.
    format: Option<Format>,
    left: Option<u64>,
}

impl Printer {
    pub(super) fn new(format: Option<Format>, count: Option<u64>) -> Self {
        Self { out: BufWriter::with_capacity(64 << 10, io::stdout()), format, left: count }
    }

    /// Whether the count is reached.
    pub(super) fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Writes what was fetched; gives the offset after the last that was written, if that was not all.
    pub(super) fn print(&mut self, fetched: &Fetched) -> io::Result<Option<i64>> {
        for record in &fetched.records {
            if self.is_done() {
                return Ok(Some(record.offset));
            }
            self.one(&fetched.of, record)?;
            self.left = self.left.map(|left| left - 1);
        }
        Ok(None)
    }

    fn one(&mut self, of: &TopicPartition, record: &Record) -> io::Result<()> {
        match &self.format {
            Some(format) => format.write(&mut self.out, of, record),
            None => writeln!(self.out, "{}", json::write(of, record)),
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
