//! Cuts a stream of bytes into frames: four length bytes (big-endian, positive), then so many bytes. No I/O.
//!
//! Contract: bytes come in pieces of any size and leave as the same frames. A frame of [`OWN_BUFFER_MIN`] bytes or
//! more that was not complete in its first piece is filled straight from the socket ([`Framer::direct`]); its buffer
//! grows with what came, not with what was claimed. Four bytes more than the frame are asked for, so that a stream
//! of large frames costs one read each. What may not start yet ([`Room`]) waits unread, in at most a piece.

use std::fmt;

use bytes::{Buf as _, BufMut as _, Bytes, buf::Limit};

/// How much is read at once when no large frame is under way; also what may wait unparsed.
pub(crate) const PIECE_BYTES: usize = 8192;
/// With so much missing, a frame is read into its own buffer.
const OWN_BUFFER_MIN: usize = 4096;
/// So much of a frame must have come before its buffer is made larger than [`SMALL_BYTES`].
const PROOF_BYTES: usize = 4096;
/// A buffer of this size is made on the word of the peer.
const SMALL_BYTES: usize = 16 << 10;
/// The first size of a large buffer: fits the usual largest request of 1 MiB. It doubles from there.
const STEP_BYTES: usize = (1 << 20) + SMALL_BYTES;
const HEAD_BYTES: usize = 4;

/// What may start now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Whether any frame may.
    pub(crate) open: bool,
    /// A longer frame waits, in bytes.
    pub(crate) bytes: usize,
    /// A longer frame is an error, in bytes.
    pub(crate) frame_bytes_max: usize,
}

/// A length that is not positive, or above the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadLength {
    pub(crate) length: i32,
    pub(crate) frame_bytes_max: usize,
}

impl fmt::Display for BadLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame length {} is not within 1 and {}", self.length, self.frame_bytes_max)
    }
}

/// The frame under way and what waits behind it.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    body: Option<Body>,
    waiting: Bytes,
}

#[derive(Debug)]
struct Body {
    length: usize,
    /// The peer sent the head together with what came before: the buffer may be large at once.
    flowing: bool,
    bytes: Vec<u8>,
}

impl Framer {
    /// Whether a frame has started and is not complete, or waits.
    pub(crate) fn is_partial(&self) -> bool {
        self.body.is_some() || !self.waiting.is_empty()
    }

    /// Bytes of the frame under way.
    pub(crate) fn received(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.bytes.len())
    }

    /// Whether a complete frame waits.
    pub(crate) fn frame_waits(&self) -> bool {
        let length = self.waiting.first_chunk().map(|head| i32::from_be_bytes(*head));
        length.is_some_and(|length| self.waiting.len() >= HEAD_BYTES + usize::try_from(length).unwrap_or(0))
    }

    /// How many bytes a piece may have now.
    pub(crate) fn piece_bytes_max(&self) -> usize {
        PIECE_BYTES - self.waiting.len()
    }

    /// Takes what waits out, followed by `piece`. What [`Framer::cut`] leaves of it goes to [`Framer::wait`].
    pub(crate) fn join(&mut self, piece: &[u8]) -> Bytes {
        let waiting = std::mem::take(&mut self.waiting);
        if piece.is_empty() { waiting } else { [&waiting[..], piece].concat().into() }
    }

    /// Whether bytes wait that no frame could start with so far.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Keeps what may not start yet.
    pub(crate) fn wait(&mut self, rest: Bytes) {
        assert!(self.waiting.is_empty() && rest.len() <= PIECE_BYTES, "at most a piece waits");
        self.waiting = rest;
    }

    /// The next frame of `piece`, if it is complete; what was used is cut off `piece`. `None`: the rest of `piece`
    /// is to wait.
    pub(crate) fn cut(&mut self, piece: &mut &[u8], room: Room) -> Result<Option<Bytes>, BadLength> {
        self.cut_flowing(piece, room, false)
    }

    fn cut_flowing(
        &mut self,
        piece: &mut &[u8],
        room: Room,
        flowing: bool,
    ) -> Result<Option<Bytes>, BadLength> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let Some(head) = piece.first_chunk().filter(|_| room.open) else { return Ok(None) };
                let length = i32::from_be_bytes(*head);
                let bad = BadLength { length, frame_bytes_max: room.frame_bytes_max };
                let length = usize::try_from(length).map_err(|_| bad)?;
                if length == 0 || length > room.frame_bytes_max {
                    return Err(bad);
                }
                if length > room.bytes {
                    return Ok(None);
                }
                piece.advance(HEAD_BYTES);
                self.body.insert(Body { length, flowing, bytes: Vec::new() })
            }
        };
        let missing = body.length - body.bytes.len();
        let (taken, rest) = piece.split_at(missing.min(piece.len()));
        *piece = rest;
        if taken.len() == missing {
            return Ok(Some(self.finish(taken)));
        }
        body.reserve(taken.len());
        body.bytes.extend_from_slice(taken);
        Ok(None)
    }

    fn finish(&mut self, last: &[u8]) -> Bytes {
        let mut body = self.body.take().expect("a frame is under way");
        if body.bytes.is_empty() {
            return Bytes::copy_from_slice(last);
        }
        body.bytes.reserve_exact(last.len());
        body.bytes.extend_from_slice(last);
        body.bytes.into()
    }

    /// The buffer to read into, when the frame under way is large enough for that.
    pub(crate) fn direct(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        let body = self.body.as_mut()?;
        let missing = body.length - body.bytes.len();
        if missing < OWN_BUFFER_MIN || !body.may_grow(body.bytes.len()) {
            return None;
        }
        body.reserve(1);
        let spare = body.bytes.capacity() - body.bytes.len();
        Some((&mut body.bytes).limit(spare.min(missing + HEAD_BYTES)))
    }

    /// After a read into [`Framer::direct`]: the frame, if it is complete. The head of the next one may have
    /// started it, or waits.
    pub(crate) fn filled(&mut self) -> Option<Bytes> {
        let body = self.body.take_if(|body| body.bytes.len() >= body.length)?;
        let mut bytes = body.bytes;
        let mut head = [0; HEAD_BYTES];
        let extra = bytes.len() - body.length;
        head[..extra].copy_from_slice(&bytes[body.length..]);
        bytes.truncate(body.length);
        self.waiting = Bytes::copy_from_slice(&head[..extra]);
        Some(bytes.into())
    }

    /// Starts the frame whose head [`Framer::filled`] found, if there is room.
    pub(crate) fn start(&mut self, room: Room) -> Result<(), BadLength> {
        if self.body.is_none() && self.waiting.len() == HEAD_BYTES {
            let waiting = std::mem::take(&mut self.waiting);
            let mut piece = &waiting[..];
            let frame = self.cut_flowing(&mut piece, room, true)?;
            assert!(frame.is_none(), "a head is no frame");
            if !piece.is_empty() {
                self.waiting = waiting;
            }
        }
        Ok(())
    }
}

impl Body {
    /// Whether the buffer may be large, once it has so many bytes.
    fn may_grow(&self, bytes: usize) -> bool {
        self.flowing || self.length <= SMALL_BYTES || bytes >= PROOF_BYTES
    }

    /// Makes room for `more` bytes at least, and for the whole frame when it is not too large.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed <= self.bytes.capacity() {
            return;
        }
        let step = if self.may_grow(needed) { STEP_BYTES.max(2 * self.bytes.len()) } else { 0 };
        let capacity = (self.length + HEAD_BYTES).min(step).max(needed);
        self.bytes.reserve_exact(capacity - self.bytes.len());
    }
}

#[cfg(any(test, feature = "pieces"))]
pub(crate) mod pieces;
#[cfg(test)]
mod tests;
