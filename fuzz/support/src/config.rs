//! Configuration: a TOML text, then parts between zero bytes: `eNAME=VALUE` is of the environment, `KEY=VALUE` a flag.

use klamm::config::{Config, Flag, Inputs};

pub(crate) fn run(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.split('\0');
    let mut inputs = Inputs {
        file: Some(("klamm.toml".into(), parts.next().unwrap_or_default().to_owned())),
        ..Inputs::default()
    };
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.strip_prefix('e') {
            Some(name) => inputs.environment.push((name.to_owned(), value.to_owned())),
            None => inputs.flags.push(Flag { flag: "-c", key: name.to_owned(), value: value.to_owned() }),
        }
    }
    match Config::load(&inputs) {
        Ok(config) => {
            assert_eq!(Config::load(&inputs).ok(), Some(config), "the same again");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error says what is wrong");
            false
        }
    }
}

/// An operator's own text, not a stranger's: a part of one byte becomes a flag with its strings, twice.
pub(crate) fn allowed(input: usize) -> usize {
    256 * input + (1 << 20)
}
