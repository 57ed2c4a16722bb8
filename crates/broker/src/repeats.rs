//! Names that a request repeats. Kafka answers each time, so that a few bytes more may ask for the same megabyte again.
//! What is told again may take four times the request's frame and 1 MiB; a request beyond that is closed. So is one that names
//! very many partitions that are not there: only those that are there are bounded by what this broker has.

use std::{collections::HashSet, hash::Hash};

use crate::session::{Incoming, Stop};

/// What answers to repeated names may take, in sizes of the frame, and beside that.
const FRAMES_MAX: usize = 4;
const BYTES_MAX: usize = 1 << 20;

/// Partitions that are not there, in a request. An answer to each takes far more memory than its name.
const UNKNOWN_MAX: usize = 10_000;

/// How many of those that a request names are not there.
#[derive(Default)]
pub(crate) struct Unknown(usize);

impl Unknown {
    /// Notes one more, unless it is one too many.
    pub(crate) fn one(&mut self) -> Result<(), Stop> {
        if self.0 == UNKNOWN_MAX {
            let why = format!("a request names more than {UNKNOWN_MAX} partitions that are not there");
            return Err(Stop::Close(why));
        }
        self.0 += 1;
        Ok(())
    }
}

/// The names that a request was answered.
pub(crate) struct Repeats<N> {
    told: HashSet<N>,
    left_bytes: usize,
}

impl<N: Eq + Hash> Repeats<N> {
    pub(crate) fn of(incoming: &Incoming) -> Self {
        Self { told: HashSet::new(), left_bytes: FRAMES_MAX * incoming.frame.len() + BYTES_MAX }
    }

    /// Notes that a name is answered with so many bytes, unless that is too much to be told again.
    pub(crate) fn tell(&mut self, name: N, bytes: usize) -> Result<(), Stop> {
        if self.told.insert(name) {
            return Ok(());
        }
        match self.left_bytes.checked_sub(bytes) {
            Some(left) => self.left_bytes = left,
            None => return Err(Stop::Close("a request repeats names; name each once".to_owned())),
        }
        Ok(())
    }
}
