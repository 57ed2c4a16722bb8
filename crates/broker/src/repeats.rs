//! Names that a request repeats. Kafka answers each time, so that a few bytes more may ask for the same megabyte again.
//! What is told again may take four times the request's frame and 1 MiB; a request beyond that is closed.

use std::{collections::HashSet, hash::Hash};

use crate::session::{Incoming, Stop};

/// What answers to repeated names may take, in sizes of the frame, and beside that.
const FRAMES_MAX: usize = 4;
const BYTES_MAX: usize = 1 << 20;

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
