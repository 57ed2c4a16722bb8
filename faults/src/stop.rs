//! Why a row ends early, and the flag that a signal sets.

use std::{
    fmt::Display,
    io,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tokio::signal::unix::{SignalKind, signal};

/// Why a row ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The machine lacks what the fault needs: the row is skipped.
    #[error("{0}")]
    Missing(String),
    /// The broker broke a promise.
    #[error("{0}")]
    Broken(String),
    /// The broker did not do in time what it promised: which a slow machine may cause, too.
    #[error("{0}")]
    Late(String),
    /// The load, or what this program itself does, went wrong.
    #[error("{0}")]
    Wrong(String),
    /// SIGINT or SIGTERM.
    #[error("stopped by a signal")]
    Signal,
}

impl Stop {
    pub(crate) fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }

    /// The same once more, for another row.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Missing(what) => Self::Missing(what.clone()),
            Self::Broken(what) => Self::Broken(what.clone()),
            Self::Late(what) => Self::Late(what.clone()),
            Self::Wrong(what) => Self::Wrong(what.clone()),
            Self::Signal => Self::Signal,
        }
    }

    /// For `map_err` on what is done to a path.
    pub(crate) fn io(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Wrong(format!("can't {what} {}: {error}", path.display()))
    }

    /// For `map_err` on what the fault itself needs.
    pub(crate) fn missing<E: Display>(what: &str) -> impl FnOnce(E) -> Self {
        move |error| Self::Missing(format!("{what}: {error}"))
    }
}

static SIGNALLED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT and SIGTERM make [`check`] fail, so that mounts and processes are cleaned up.
pub(crate) fn on_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let signals =
                signal(SignalKind::terminate()).and_then(|t| Ok((t, signal(SignalKind::interrupt())?)));
            let Ok((mut term, mut int)) = signals else { return };
            tokio::select! { biased; _ = term.recv() => {} _ = int.recv() => {} }
            SIGNALLED.store(true, Ordering::Relaxed);
        });
    });
    Ok(())
}

/// Fails once a signal came.
pub(crate) fn check() -> Result<(), Stop> {
    if SIGNALLED.load(Ordering::Relaxed) { Err(Stop::Signal) } else { Ok(()) }
}

/// Asks again and again until there is an answer; None after `limit`.
pub(crate) fn wait_for<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<Option<T>, Stop> {
    let deadline = Instant::now() + limit;
    loop {
        check()?;
        if let Some(answer) = ask() {
            return Ok(Some(answer));
        }
        if Instant::now() > deadline {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}
