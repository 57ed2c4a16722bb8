//! Why a connection ends.

use std::{borrow::Cow, fmt};

use crate::{
    counters::{Counters, add},
    framer::BadLength,
};

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum Ending {
    PeerClosed,
    BadLength(BadLength),
    Slow,
    Idle,
    Stalled,
    Service(Cow<'static, str>),
    Shutdown,
}

impl Ending {
    /// Whether the peer gets the time to read its last answers.
    pub(crate) fn lingers(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Shutdown)
    }

    pub(crate) fn count(&self, counters: &Counters) {
        match self {
            Self::BadLength(_) => add(&counters.closed_bad_length, 1),
            Self::Slow => add(&counters.closed_slow, 1),
            Self::Idle | Self::Stalled => add(&counters.closed_idle, 1),
            Self::Service(_) => add(&counters.closed_by_service, 1),
            Self::PeerClosed | Self::Shutdown => {}
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => write!(f, "the peer closed it"),
            Self::BadLength(length) => write!(f, "{length}"),
            Self::Slow => write!(f, "a frame did not come in time"),
            Self::Idle => write!(f, "idle"),
            Self::Stalled => write!(f, "the peer takes no answers"),
            Self::Service(reason) => write!(f, "{}", reason.escape_debug()),
            Self::Shutdown => write!(f, "the server stops"),
        }
    }
}
