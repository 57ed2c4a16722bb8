//! Tests that can't run where they are.

use std::{
    env,
    fs::File,
    io::{self, Write as _},
    thread,
};

/// Names the file to which the names of such tests go; without it they go to standard error.
const FILE: &str = "KLAMM_NOT_RUN";

/// Says that the test that calls it does not run, and why: to the test harness it passes, `./test` counts it apart.
///
/// # Panics
/// When it can't be said.
pub fn not_run(why: &str) {
    let thread = thread::current();
    let line = format!("not run: {}: {why}\n", thread.name().unwrap_or("a test"));
    let said = match env::var_os(FILE) {
        Some(path) => File::options()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut f| f.write_all(line.as_bytes())),
        // Past the harness, which keeps what a test prints that passes.
        None => io::stderr().write_all(line.as_bytes()),
    };
    said.unwrap_or_else(|error| panic!("can't say {line}: {error}"));
}
