//! The journal's rules, each a switch. A `Rules` value says which of them the modelled brokers keep.
//!
//! The number before the dash is the rule's number in `docs/adr/0002-journal-keys-and-chain.md`. A rule with
//! several clauses has a switch for each, so that the search can show what every single clause is for.

use std::fmt;

macro_rules! rules {
    ($($variant:ident = $name:literal, $without:literal;)*) => {
        /// One clause of the rules that can be switched off.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule { $(#[doc = $without] $variant,)* }

        impl Rule {
            /// Every switch, in the order of the rules.
            pub const ALL: &[Rule] = &[$(Rule::$variant,)*];

            /// The name that the command line takes.
            pub fn name(self) -> &'static str {
                match self { $(Rule::$variant => $name,)* }
            }

            /// What the brokers do when the rule is switched off.
            pub fn without(self) -> &'static str {
                match self { $(Rule::$variant => $without,)* }
            }
        }
    };
}

rules! {
    PutIfAbsent = "1-put-if-absent", "a put overwrites what is at the key";
    SameBytes = "1-same-bytes", "a retry may send other bytes";
    Hash = "1-hash", "entries and markers are compared by slot only, not by hash";
    KeyEpoch = "2-key-epoch", "all epochs share one key space";
    OldOwnersKey = "2-old-owners-key", "the Takeover is put into the new epoch's key space";
    AckInOrder = "3-ack-in-order", "an entry is acknowledged before its predecessors are durable";
    ReadBack = "4-read-back", "a lost answer is taken for success";
    NeverSkip = "4-never-skip", "an owner whose key is occupied goes on at the next slot";
    NewTakeover = "5-new-takeover", "an owner that restarted resumes its epoch";
    EpochAbove = "5-epoch-above", "a Takeover reuses the last valid epoch";
    Nonce = "5-nonce", "two processes with one broker id send identical Takeovers";
    CheckpointAcked = "6-checkpoint-acked", "the head marker is written before its checkpoint is acknowledged";
    MarkerDurable = "6-marker-durable", "keys are deleted before the head marker is durable";
    HighestMarker = "6-highest-marker", "the head marker that was written last counts, not the highest";
    TakeoversStay = "6-takeovers-stay", "trimming deletes Takeovers too";
    MarkerAgain = "7-marker-again", "a scan believes what it found without reading the marker again";
    ScanCounts = "8-scan-counts", "a candidate puts its Takeover at any time in its scan";
    ConfirmMarker = "9-confirm-marker", "a candidate does not read the marker once its Takeover is in place";
    DamageHalts = "10-damage-halts", "an entry that does not chain is taken for the end";
    LookBeyond = "10-look-beyond", "a scan that finds a key absent does not look for later entries";
    ReadAgain = "10-read-again", "later entries prove a loss without another read of the absent key";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Rule {
    type Err = String;

    fn from_str(name: &str) -> Result<Rule, String> {
        let found = Rule::ALL.iter().find(|rule| rule.name() == name);
        found.copied().ok_or_else(|| format!("no rule is called {name:?}; --help lists them"))
    }
}

/// The set of rules that the brokers keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules(u32);

impl Rules {
    /// All rules on.
    pub const ALL: Rules = Rules(u32::MAX);

    /// The same rules but for one.
    #[must_use]
    pub fn without(self, rule: Rule) -> Rules {
        Rules(self.0 & !(1 << rule as u32))
    }

    /// Whether the brokers keep `rule`.
    pub fn keeps(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u32) != 0
    }
}

const _: () = assert!(Rule::ALL.len() <= u32::BITS as usize);
