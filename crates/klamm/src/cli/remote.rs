//! The broker that a command talks to: `-b`, else KLAMM_BOOTSTRAP, else 127.0.0.1:9092.

use klamm::Env;
use klamm_client::{Client, Options};

use super::Stop;

/// The variable that names the broker.
const BOOTSTRAP: &str = "KLAMM_BOOTSTRAP";

/// Whom to talk to.
#[derive(Debug)]
pub(crate) struct Remote {
    bootstrap: Option<String>,
}

impl Remote {
    pub(super) fn new(bootstrap: Option<String>) -> Self {
        Self { bootstrap }
    }

    /// A client; nothing is connected yet.
    pub(super) fn client(&self) -> Result<Client, Stop> {
        let (text, source) = match (&self.bootstrap, std::env::var(BOOTSTRAP)) {
            (Some(text), _) => (text.clone(), "-b"),
            (None, Ok(text)) => (text, BOOTSTRAP),
            (None, Err(_)) => return Ok(Client::new(Env::os(), Options::default())),
        };
        let bootstrap = addresses(&text).ok_or_else(|| {
            Stop::failed(format!("{source} is {text:?}; expected HOST:PORT, such as 127.0.0.1:9092"))
        })?;
        Ok(Client::new(Env::os(), Options { bootstrap, ..Options::default() }))
    }
}

/// `HOST:PORT`, or several with commas; without a port it is 9092.
fn addresses(text: &str) -> Option<Vec<String>> {
    let address = |text: &str| {
        let text = text.trim();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.starts_with('[') => (host, port),
            _ => (text, "9092"),
        };
        let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
        let good = !host.is_empty() && !host.contains(char::is_whitespace);
        good.then(|| {
            if host.contains(':') && !host.starts_with('[') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            }
        })
    };
    text.split(',').map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn addresses_are_read() {
        let check = |text: &str, expected: &str| {
            let got = addresses(text).map(|all| all.join(" ")).unwrap_or_default();
            assert_eq!(got, expected, "{text}");
        };
        check("a:1", "a:1");
        check("a, b:2", "a:9092 b:2");
        check("[::1]:3", "[::1]:3");
        check("::1", "[::1]:9092");
        for bad in ["", ":1", "a:0", "a:x", "a b:1", "a:1,"] {
            check(bad, "");
        }
    }
}
