//! The environment: `KLAMM_NUM_PARTITIONS` is `num.partitions`, `KLAMM_LOG` is `klamm.log`.
//!
//! What Kubernetes puts there for a service that is named klamm (`KLAMM_SERVICE_HOST`, `KLAMM_PORT_9092_TCP`, …)
//! is none of ours and passed over. `KLAMM_CONFIG` names the configuration file and is read before; what the commands and
//! this project's scripts and tests read is theirs.

use super::{ConfigError, KEYS, Setting, Source, nearest};

const PREFIX: &str = "KLAMM_";
/// The variable that names the configuration file.
const CONFIG: &str = "KLAMM_CONFIG";
/// The variables of the commands, and of this project's scripts and tests; of whole families, how they begin.
const OF_TOOLS: [&str; 3] = ["KLAMM_BOOTSTRAP", "KLAMM_BIN", "KLAMM_CACHE"];
const OF_TOOLS_BEGIN: [&str; 2] = ["KLAMM_CONFORMANCE_", "KLAMM_ORACLE_"];

/// The environment variable that sets a key.
pub fn variable_of(key: &str) -> String {
    let short = key.strip_prefix("klamm.").unwrap_or(key);
    format!("{PREFIX}{}", short.replace('.', "_").to_ascii_uppercase())
}

pub(super) fn read(variables: &[(String, String)]) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    for (name, value) in variables {
        if !name.starts_with(PREFIX) || name == CONFIG {
            continue;
        }
        match KEYS.iter().find(|key| variable_of(key.name) == *name) {
            Some(key) => settings.push(Setting {
                key: key.name.to_owned(),
                value: value.clone(),
                source: Source::Environment(name.clone()),
            }),
            None if is_of_tools(name) || is_of_kubernetes(name, value) => {}
            None => {
                let known = KEYS.iter().map(|key| variable_of(key.name));
                return Err(ConfigError::UnknownVariable {
                    name: name.clone(),
                    nearest: nearest(name, known),
                });
            }
        }
    }
    Ok(settings)
}

fn is_of_tools(name: &str) -> bool {
    OF_TOOLS.contains(&name) || OF_TOOLS_BEGIN.iter().any(|begin| name.starts_with(begin))
}

fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let protocol_port = |rest: &str| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.starts_with("_TCP") || rest.starts_with("_UDP") || rest.starts_with("_SCTP")
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT") && value.contains("://")
        || name.split_once("_PORT_").is_some_and(|(_, rest)| protocol_port(rest))
}
