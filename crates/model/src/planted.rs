//! Bugs on purpose, so that tests can show that they are found. Without the feature `planted` none is there: the
//! compiler sees `false`. With it, at most one is, for the whole process.

/// A mistake that a programmer could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// Written is taken for durable.
    SkipSync = 1,
    /// Replies do not wait for their entry.
    AnswerEarly,
    /// Duplicates of a producer are not known.
    ForgetProducerWindow,
    /// A snapshot's end of a log is one too low.
    ReuseOffset,
    /// An entry counts whatever its hashes say: of the one before it, and of its payload.
    IgnoreHashChain,
    /// A commit of several offsets stores the first.
    LoseCommit,
    /// Commits of earlier generations are taken.
    SkipGenerationCheck,
    /// Readers see what is not durable.
    ServePastHighWatermark,
    /// Of the journal behind a checkpoint nothing is replayed.
    DropTailOnCheckpoint,
    /// Entries go before the head marker that replaces them is there.
    DeleteBeforeHead,
    /// A fetch session takes partitions whose log start is as it was for unchanged.
    SessionForgetsChange,
    /// Topics in memory begin at offset 0 after a restart.
    MemoryReusesOffsets,
    /// What a member says when it joins again is not heard.
    KeepSubscription,
    /// A put that finds its name taken counts as done.
    AcceptOccupied,
    /// A put without an answer counts as done.
    UnknownIsDone,
}

impl Bug {
    /// All that show themselves in one broker on a disk.
    pub const ALL: [Self; 13] = [
        Self::SkipSync,
        Self::AnswerEarly,
        Self::ForgetProducerWindow,
        Self::ReuseOffset,
        Self::IgnoreHashChain,
        Self::LoseCommit,
        Self::SkipGenerationCheck,
        Self::ServePastHighWatermark,
        Self::DropTailOnCheckpoint,
        Self::DeleteBeforeHead,
        Self::SessionForgetsChange,
        Self::MemoryReusesOffsets,
        Self::KeepSubscription,
    ];

    /// Those that show themselves where several owners compete for shards in an object store.
    pub const OBJECTS: [Self; 8] = [
        Self::AnswerEarly,
        Self::ForgetProducerWindow,
        Self::ReuseOffset,
        Self::ServePastHighWatermark,
        Self::DropTailOnCheckpoint,
        Self::DeleteBeforeHead,
        Self::AcceptOccupied,
        Self::UnknownIsDone,
    ];

    /// The bug of that name; the error says which there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().chain(Self::OBJECTS).find(|bug| format!("{bug:?}") == name);
        let (broker, objects) = (Self::ALL, Self::OBJECTS);
        found.ok_or_else(|| {
            format!("no planted bug is called {name}; they are {broker:?}, and of objects {objects:?}")
        })
    }
}

#[cfg(feature = "planted")]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants a bug in this process.
#[cfg(feature = "planted")]
pub fn plant(bug: Bug) {
    PLANTED.store(bug as u8, std::sync::atomic::Ordering::Relaxed);
}

/// Whether the bug is there.
#[cfg(feature = "planted")]
pub fn planted(bug: Bug) -> bool {
    PLANTED.load(std::sync::atomic::Ordering::Relaxed) == bug as u8
}

/// Whether the bug is there.
#[cfg(not(feature = "planted"))]
pub const fn planted(_: Bug) -> bool {
    false
}
