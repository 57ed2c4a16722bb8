//! The load: `load.py`, librdkafka by way of Python, as a child process that writes events. It ends with its value.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use klamm_checker::Event;

use crate::stop::{self, Stop};

/// What the load writes.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// What it did or saw.
    Event(Event),
    /// Everything was acknowledged; the last read begins.
    End,
    /// The last read is complete.
    Done,
}

impl Line {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            r#"{"load": "end"}"# => Ok(Self::End),
            r#"{"load": "done"}"# => Ok(Self::Done),
            event => {
                serde_json::from_str(event).map(Self::Event).map_err(|error| format!("{error}: {event}"))
            }
        }
    }
}

/// What to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Partitions of the topic.
    pub(crate) partitions: u32,
    /// Idempotent producers; with none, the topic is only read, once.
    pub(crate) producers: u32,
    /// Values a second, at most.
    pub(crate) rate: u32,
    /// How long everything may take, in seconds, once the faults are over.
    pub(crate) healed_s: u32,
}

/// A running load.
pub(crate) struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Result<Line, String>>,
    log: PathBuf,
}

impl Load {
    /// Starts it with that Python; what it complains about goes to the file `log`.
    pub(crate) fn start(python: &Path, address: &str, pace: Pace, log: &Path) -> Result<Self, Stop> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load.py");
        let errors = File::options().create(true).append(true).open(log).map_err(Stop::io("open", log))?;
        let numbers =
            [pace.partitions, pace.producers, pace.rate, pace.healed_s].map(|number| number.to_string());
        let mut command = Command::new(python);
        command.arg("-B").arg(script).args([address, "faults"]).args(numbers);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().map_err(Stop::io("run", python))?;
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(Line::parse(&line)).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, lines, log: log.to_owned() })
    }

    /// The next line; None when there is none until `deadline`.
    pub(crate) fn next(&self, deadline: Instant) -> Result<Option<Line>, Stop> {
        loop {
            stop::check()?;
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(Duration::from_millis(100))) {
                Ok(Ok(line)) => return Ok(Some(line)),
                Ok(Err(line)) => return Err(Stop::wrong(format!("the load's line is no event: {line}"))),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    // A signal to all processes of a terminal ends the load, too.
                    thread::sleep(Duration::from_millis(50));
                    stop::check()?;
                    let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                    return Err(Stop::wrong(format!("the load ended by itself; its log:\n{log}")));
                }
            }
        }
    }

    /// Tells it to send no more.
    pub(crate) fn end(&mut self) {
        // A load that has ended says so when its next line is asked for.
        let _ = self.stdin.as_mut().map(|stdin| stdin.write_all(b"end\n"));
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use klamm_checker::{Part, Values};

    use super::*;

    #[test]
    fn lines_of_the_load() {
        let sent = r#"{"event":"send_invoke","part":2,"writer":1,"first":0,"count":20}"#;
        let values = Values { part: Part(2), writer: 1, first: 0, count: 20 };
        assert_eq!(Line::parse(sent), Ok(Line::Event(Event::SendInvoke(values))));
        let read =
            r#"{"event":"poll","part":3,"consumer":1,"high_watermark":7,"last":true,"records":[[6,[1,4]]]}"#;
        let Ok(Line::Event(Event::Poll(poll))) = Line::parse(read) else { panic!("a poll") };
        assert_eq!((poll.part, poll.last, poll.records.len()), (Part(3), true, 1));
        assert_eq!(Line::parse(r#"{"load": "end"}"#), Ok(Line::End));
        assert!(Line::parse("Traceback").is_err());
    }
}
