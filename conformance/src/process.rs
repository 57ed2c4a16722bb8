//! Child processes with a bounded time.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a process left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All it printed.
    pub stdout: Vec<u8>,
    /// All it complained about.
    pub stderr: String,
}

impl Finished {
    /// Its output, once it ended well.
    ///
    /// # Panics
    /// When its exit status is not success; the message has its stderr.
    pub fn expect_success(self, what: &str) -> Vec<u8> {
        assert!(self.status.success(), "{what}: {}\n{}", self.status, self.stderr);
        self.stdout
    }
}

/// Runs `command` with `input` on its stdin.
///
/// # Panics
/// When it cannot be started, or runs longer than `limit` (it is ended then).
pub fn run(mut command: Command, input: Vec<u8>, limit: Duration) -> Finished {
    let name = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
    let mut stdin = child.stdin.take().expect("piped");
    // A process that ends without reading all its input is judged by its status.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let stdout = drain(child.stdout.take().expect("piped"));
    let stderr = drain(child.stderr.take().expect("piped"));
    let status = wait(&mut child, limit);
    if status.is_none() {
        end(&mut child);
    }
    writer.join().expect("the writer does not panic");
    let (stdout, stderr) = (stdout.join().expect("drained"), stderr.join().expect("drained"));
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    let Some(status) = status else {
        let seen = String::from_utf8_lossy(&stdout[..stdout.len().min(2000)]).into_owned();
        panic!("{name} was still running after {limit:?}\nstdout: {seen}\nstderr: {stderr}");
    };
    Finished { status, stdout, stderr }
}

/// Waits for the end of `child`, at most `limit`.
fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Ends `child` at once.
pub(crate) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn drain(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        all
    })
}
