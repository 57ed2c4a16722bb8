//! `sim objects`: brokers that compete for shards in a simulated object store.

use std::ops::Range;

use clap::Args;
use klamm_sim::objects;

use crate::{many, seeds, tell};

/// How the command is called, for the processes of its seeds.
pub(crate) const COMMAND: &str = "objects";

#[derive(Args)]
pub(crate) struct Objects {
    /// Runs one seed.
    #[arg(long, value_name = "N", required_unless_present = "seeds")]
    seed: Option<u64>,
    /// Runs many seeds, each in a process of its own, up to the first that fails.
    #[arg(long, value_name = "A..B | COUNT", value_parser = seeds, conflicts_with = "seed")]
    seeds: Option<Range<u64>>,
    /// Processes at a time (by default one a core).
    #[arg(long, requires = "seeds")]
    jobs: Option<usize>,
    /// Runs each seed twice and compares the logs: they must be equal.
    #[arg(long)]
    twice: bool,
    /// Prints the whole log.
    #[arg(long, requires = "seed", conflicts_with = "twice")]
    log: bool,
    /// A planted bug.
    #[cfg(feature = "planted")]
    #[arg(long, requires = "seed", hide = true)]
    bug: Option<String>,
}

impl Objects {
    pub(crate) fn run(self) -> Result<(), String> {
        #[cfg(feature = "planted")]
        if let Some(name) = &self.bug {
            crate::planted::plant(name);
        }
        match (self.seed, self.seeds) {
            (Some(seed), _) if self.twice => many::meta(seed, &[COMMAND]),
            (Some(seed), _) => tell(seed, objects::run(seed), self.log, "sim objects"),
            (None, Some(mut seeds)) if self.twice => seeds.try_for_each(|seed| many::meta(seed, &[COMMAND])),
            (None, seeds) => many::spread(seeds.expect("clap asks for one"), self.jobs, &[COMMAND]),
        }
    }
}
