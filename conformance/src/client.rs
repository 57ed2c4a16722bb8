//! The clients that take commands: one process each, a line of JSON in, a line of JSON out (see README.md).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Read, Record, TempDir, Tool, process};

const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// A running client of some language.
#[derive(Debug)]
pub struct Client {
    tool: Tool,
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
    dir: TempDir,
}

/// The client said that the broker (or the client itself) refused.
#[derive(Debug)]
pub struct Refusal {
    /// Kafka's error code, where the client tells it.
    pub code: Option<i64>,
    /// What the client said.
    pub error: String,
    /// What the library does not have, where that is why.
    pub unsupported: Option<String>,
}

impl Client {
    /// Starts `tool` against the broker at `address`.
    pub fn start(tool: Tool, address: &str) -> Client {
        let dir = TempDir::new();
        let log = File::create(dir.file("log")).expect("a log");
        let mut child = tool
            .command()
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {tool:?}: {e}"));
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (line, answers) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|text| drop(line.send(text))));
        Client { tool, child, stdin, answers, dir }
    }

    /// Which client it is.
    pub fn tool(&self) -> Tool {
        self.tool
    }

    /// Sends a command, `{"do": …}`, and waits for its answer.
    ///
    /// # Errors
    /// When the client answers that it failed.
    ///
    /// # Panics
    /// When it gives no answer within 90 s; the message has the end of its log.
    pub fn ask(&mut self, command: Value) -> Result<Value, Refusal> {
        let sent = writeln!(self.stdin, "{command}").and_then(|()| self.stdin.flush());
        let answer = match sent {
            Ok(()) => self.answers.recv_timeout(ANSWER_LIMIT).map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        let answer = answer.unwrap_or_else(|e| panic!("{:?} on {command}: {e}\n{}", self.tool, self.log()));
        let answer: Value = serde_json::from_str(&answer)
            .unwrap_or_else(|e| panic!("{:?} on {command} answered {answer:?}: {e}", self.tool));
        match answer["ok"].as_bool() {
            Some(true) => Ok(answer),
            _ => Err(Refusal {
                code: answer["code"].as_i64(),
                error: answer["error"].to_string(),
                unsupported: answer["unsupported"].as_str().map(str::to_owned),
            }),
        }
    }

    /// [`Client::ask`] for a command that must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub fn tell(&mut self, command: Value) -> Value {
        let shown = command.to_string();
        self.ask(command)
            .unwrap_or_else(|refusal| panic!("{:?} on {shown}: {refusal:?}\n{}", self.tool, self.log()))
    }

    /// Produces `records` to partition 0 of `topic`; `how` has more fields of the command. Gives the offsets that the
    /// client reports.
    pub fn produce(&mut self, topic: &str, records: &[Record], how: Value) -> Vec<i64> {
        let path = self.dir.file("to-produce");
        Record::write_all(&path, records);
        let mut command = json!({"do": "produce", "topic": topic, "records": path});
        command.as_object_mut().expect("an object").extend(how.as_object().expect("an object").clone());
        let answer = self.tell(command);
        answer["offsets"].as_array().expect("offsets").iter().map(|o| o.as_i64().unwrap_or(-1)).collect()
    }

    /// Reads `count` records of partition 0 of `topic` from `start` (`"earliest"` or an offset).
    pub fn consume(&mut self, topic: &str, start: impl Into<Value>, count: usize) -> Vec<Read> {
        let path = self.dir.file("consumed");
        self.tell(json!({
            "do": "consume", "topic": topic, "start": start.into(), "count": count, "records": path,
        }));
        Read::read_all(&path)
    }

    /// The offset at `at`: `"earliest"`, `"latest"` or a timestamp in ms.
    pub fn offset_at(&mut self, topic: &str, at: impl Into<Value>) -> i64 {
        let answer = self.tell(json!({"do": "offsets", "topic": topic, "at": at.into()}));
        answer["offset"].as_i64().expect("an offset")
    }

    fn log(&self) -> String {
        let text = fs::read(self.dir.file("log")).unwrap_or_default();
        let end = &text[text.len().saturating_sub(4000)..];
        format!("--- log of {:?}:\n{}", self.tool, String::from_utf8_lossy(end))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        process::end(&mut self.child);
    }
}
