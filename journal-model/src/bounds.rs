//! How far the search goes. Every field bounds one source of new states, so the state space is finite.

/// The most brokers that a state has room for.
pub const BROKERS_MAX: usize = 3;

/// The most keys beyond the expected one that a scan reads ahead.
pub const AHEAD_MAX: usize = 2;

/// Bounds of one search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Processes that contend for the shard; the first owns epoch 1 at the start. All of them claim the same
    /// broker id, the worst case: only nonces tell them apart.
    pub brokers: usize,
    /// Takeovers that are put, the failing ones included.
    pub takeovers: u8,
    /// Checkpoint entries that are appended.
    pub trims: u8,
    /// Normal entries that are appended.
    pub appends: u8,
    /// Puts that an owner has in flight at once.
    pub in_flight: u8,
    /// Acknowledged entries that the carrier loses or damages.
    pub faults: u8,
    /// Keys beyond the expected one that a scan may read before it, in any order.
    pub ahead: u8,
    /// The search gives up beyond this many states.
    pub states_max: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            brokers: 2,
            takeovers: 2,
            trims: 1,
            appends: 2,
            in_flight: 2,
            faults: 0,
            ahead: 0,
            states_max: 30_000_000,
        }
    }
}

impl Bounds {
    /// Why these bounds do not fit the model, if they do not.
    pub fn refusal(&self) -> Option<&'static str> {
        let entries = usize::from(self.takeovers) + usize::from(self.trims) + usize::from(self.appends);
        if !(1..=BROKERS_MAX).contains(&self.brokers) {
            Some("brokers must be 1 to 3")
        } else if self.in_flight == 0 {
            Some("in-flight must be at least 1")
        } else if usize::from(self.ahead) > AHEAD_MAX {
            Some("ahead must be at most 2")
        } else if entries + 1 > crate::state::ENTRIES_MAX {
            Some("takeovers + trims + appends must be at most 14")
        } else {
            None
        }
    }
}
