//! Connections and the limit of open files. Contract: the default of `max.connections` gives way to the limit; a number
//! that somebody set stays, and what may come of it is told.

use super::{Config, Source};

/// Open files beside connections, about: those of the shards' journals and segments.
const FILES_BESIDE: u64 = 1000;

/// Fewer connections than this are a surprise to who did not ask for it.
const CONNECTIONS_FEW: usize = 1000;

const KEY: &str = "max.connections";

/// How many connections the limit of open files allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// As many as the configuration says.
    Enough,
    /// Fewer than the default, which gave way: what happened.
    GaveWay(String),
    /// Few, or fewer than somebody asked for: what to do.
    Short(String),
}

impl Config {
    /// Leaves files for the journal, of as many as this process may have open.
    pub fn fit_open_files(&mut self, limit: u64) -> Fit {
        let room = usize::try_from(limit.saturating_sub(FILES_BESIDE).max(1)).unwrap_or(usize::MAX);
        let wanted = self.max_connections;
        if wanted <= room {
            return Fit::Enough;
        }
        if self.sources.of(KEY).is_set() {
            return Fit::Short(format!(
                "this process may have {limit} files open, which {KEY} ({wanted}) and the journal may use up: \
                 raise the limit (ulimit -n, LimitNOFILE=) or lower {KEY}"
            ));
        }
        self.max_connections = room;
        self.sources.0.insert(KEY, Source::OpenFiles(limit));
        let told = format!("this process may have {limit} files open, which leaves {room} for connections");
        match room < CONNECTIONS_FEW {
            true => Fit::Short(format!("{told}: raise the limit (ulimit -n, LimitNOFILE=) for more")),
            false => Fit::GaveWay(told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flag, Inputs};

    #[test]
    fn connections_leave_files_for_the_journal() {
        let fitted = |mut config: Config, limit| {
            let fit = config.fit_open_files(limit);
            (config.max_connections, config.sources.of(KEY).to_string(), fit)
        };
        let default = || "default".to_owned();
        assert_eq!(fitted(Config::default(), 1 << 20), (20_000, default(), Fit::Enough));
        let (connections, source, fit) = fitted(Config::default(), 20_000);
        assert_eq!(
            (connections, source.as_str()),
            (19_000, "default, fitted to the limit of 20000 open files")
        );
        assert!(matches!(fit, Fit::GaveWay(told) if told.ends_with("leaves 19000 for connections")));
        let (connections, _, fit) = fitted(Config::default(), 1024);
        assert!(
            connections == 24
                && matches!(fit, Fit::Short(told) if told.contains("leaves 24 for connections: raise"))
        );
        assert_eq!(fitted(Config::default(), 100).0, 1);
        let flag = Flag { flag: "-c", key: KEY.to_owned(), value: "20000".to_owned() };
        let set = Config::load(&Inputs { flags: vec![flag], ..Inputs::default() }).unwrap();
        let (connections, source, fit) = fitted(set, 20_000);
        assert_eq!((connections, source.as_str()), (20_000, "flag -c"));
        assert!(matches!(fit, Fit::Short(told) if told.contains("20000 files")));
    }
}
