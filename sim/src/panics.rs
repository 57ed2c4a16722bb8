//! Panics while a run is under way: they are faults of it, and it is told whose they are.

use std::{
    backtrace::Backtrace,
    cell::RefCell,
    panic::{self, PanicHookInfo},
    sync::Once,
};

use crate::Log;

thread_local! {
    /// The log of the run on this thread.
    pub(crate) static RUNNING: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Where our own code is, from the workspace on.
const OURS: [&str; 2] = ["crates/", "sim/"];
/// What comes before the one who called a library that panicked.
const CALLED_BY: &str = "called by ";

/// A panic on a thread with a run is a fault of the run, whoever catches it.
pub(crate) fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let running = RUNNING.with(|running| running.borrow().clone());
            match running {
                Some(log) => log.fault(told(info)),
                None => usual(info),
            }
        }));
    });
}

/// What it says; if it is a library's, also which of our functions called that.
fn told(info: &PanicHookInfo<'_>) -> String {
    let is_ours = |file: &str| OURS.iter().any(|ours| file.starts_with(ours));
    if info.location().is_none_or(|at| is_ours(at.file())) {
        return info.to_string();
    }
    match caller(&Backtrace::force_capture().to_string()) {
        Some(caller) => format!("{info}\n{CALLED_BY}{caller}"),
        None => info.to_string(),
    }
}

/// The innermost of our functions in a backtrace, beyond what a panic itself calls.
fn caller(trace: &str) -> Option<&str> {
    let panicked = trace.rfind("core::panicking::").unwrap_or(0);
    let frames = trace[panicked..].lines().filter_map(|line| line.trim().split_once(": "));
    frames.map(|(_, function)| function).find(|function| function.contains("klamm_"))
}

/// Whether a panic is the simulator's own.
pub(crate) fn is_own(problem: &str) -> bool {
    let caller = problem.rsplit_once(CALLED_BY).map(|(_, caller)| caller.trim_start_matches('<'));
    problem.starts_with("panicked at ")
        && caller.map_or(problem.starts_with("panicked at sim/"), |caller| caller.starts_with("klamm_sim::"))
}

#[cfg(test)]
mod tests {
    use std::panic::{UnwindSafe, catch_unwind};

    use super::*;
    use crate::Time;

    /// What a run says of a panic.
    fn said(panics: impl FnOnce() + UnwindSafe) -> String {
        watch_panics();
        let log = Log::new(Time::default());
        RUNNING.with(|running| running.replace(Some(log.clone())));
        catch_unwind(panics).unwrap_err();
        RUNNING.with(|running| running.replace(None));
        log.first_fault().unwrap()
    }

    #[test]
    fn whoever_calls_a_library_is_told() {
        let said = said(|| drop(bytes::Bytes::from_static(b"x").slice(0..2)));
        assert!(said.contains("called by klamm_sim::panics::"), "{said}");
        assert!(is_own(&said));
    }

    #[test]
    fn panics_are_told_apart() {
        assert!(is_own(&said(|| panic!("here"))));
        let library = "panicked at /registry/bytes.rs:1:1:\nno\ncalled by ";
        assert!(is_own(&format!("{library}<klamm_sim::a::B as klamm_store::C>::d")));
        assert!(!is_own(&format!("{library}<klamm_shard::A<klamm_sim::b::C> as D>::e")));
        assert!(!is_own("panicked at crates/shard/src/view.rs:1:1:\nno"));
        assert!(!is_own("broker0: ERROR: panicked"));
    }
}
