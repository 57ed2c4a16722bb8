//! One broker, asked row after row.

use std::ops::{RangeFull, RangeInclusive};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use klamm_conformance::Raw;
use serde_json::{Value, json};

use crate::normal::Known;
use crate::schema::Api;
use crate::{reader, writer};

/// What a broker that has just started says until its coordinators are loaded.
const NOT_READY: [&str; 3] = ["NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS"];
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How long a broker says nothing until that is taken for its answer.
const SILENCE: Duration = Duration::from_millis(500);

/// The versions of a row.
pub(crate) trait Versions {
    /// The first and the last.
    fn of(self, api: &Api) -> RangeInclusive<i16>;
}

impl Versions for i16 {
    fn of(self, _: &Api) -> RangeInclusive<i16> {
        self..=self
    }
}

impl Versions for RangeInclusive<i16> {
    fn of(self, _: &Api) -> RangeInclusive<i16> {
        self
    }
}

impl Versions for RangeFull {
    fn of(self, api: &Api) -> RangeInclusive<i16> {
        api.versions.0..=api.versions.1
    }
}

/// An answer, ready to be compared.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// `API vN: what the row is about`.
    pub(crate) row: String,
    /// What was asked.
    pub(crate) request: Value,
    /// The answer without what differs by nature; a text if there was none.
    pub(crate) answer: Value,
}

/// The answers of a run, in order. Shared, so that they outlive a run that fails.
pub(crate) type Answers = Arc<Mutex<Vec<Answer>>>;

/// A connection of its own, for requests that wait for each other.
pub(crate) struct Line {
    raw: Raw,
    waits: Option<(String, &'static str, i16, Value)>,
}

/// A broker under question.
pub(crate) struct Run {
    address: String,
    line: Option<Line>,
    answers: Answers,
    known: Known,
}

impl Run {
    /// A run against `address`; the names that it makes end in `suffix`.
    pub(crate) fn new(address: &str, suffix: &str, answers: Answers) -> Run {
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("HOST:PORT");
        let known = Known { port, suffix: suffix.into(), ..Default::default() };
        Run { address: address.into(), line: Some(Line::to(address)), answers, known }
    }

    /// A row: asks in each version, and keeps the answers for comparison. Gives the last.
    pub(crate) fn ask(
        &mut self,
        row: &str,
        api: &'static str,
        versions: impl Versions,
        fields: Value,
    ) -> Value {
        let mut line = self.line.take().expect("one at a time");
        let mut last = Value::Null;
        for version in versions.of(Api::of(api)) {
            self.start(&mut line, row, api, version, fields.clone());
            last = self.finish(&mut line);
        }
        self.line = Some(line);
        last
    }

    /// [`Run::ask`] once, for state that rows need; not compared.
    pub(crate) fn prepare(&mut self, api: &'static str, version: i16, fields: Value) -> Value {
        let line = self.line.as_mut().expect("one at a time");
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            line.send(api, version, &fields);
            let answer = line.receive(api, version);
            if !is_not_ready(&answer) || Instant::now() > deadline {
                return answer;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a request that gets no answer.
    pub(crate) fn tell(&mut self, api: &'static str, version: i16, fields: Value) {
        self.line.as_mut().expect("one at a time").send(api, version, &fields);
    }

    /// Another connection.
    pub(crate) fn line(&self) -> Line {
        Line::to(&self.address)
    }

    /// A row whose answer comes later: see [`Run::finish`].
    pub(crate) fn start(&self, line: &mut Line, row: &str, api: &'static str, version: i16, fields: Value) {
        assert!(line.waits.is_none(), "{row}: the row before has no answer yet");
        line.send(api, version, &fields);
        line.waits = Some((row.into(), api, version, fields));
    }

    /// The answer of the row that was started on `line`.
    pub(crate) fn finish(&mut self, line: &mut Line) -> Value {
        let (row, api, version, request) = line.waits.take().expect("a row was started");
        let mut answer = line.receive(api, version);
        let deadline = Instant::now() + READY_LIMIT;
        while is_not_ready(&answer) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
            line.send(api, version, &request);
            answer = line.receive(api, version);
        }
        if answer == "closed" {
            *line = self.line();
        }
        self.keep(format!("{api} v{version}: {row}"), request, api, answer.clone());
        answer
    }

    /// The error of the row that was started on `line`, which may get no answer at all. The line is of no more use.
    pub(crate) fn finish_or_silence(&mut self, line: &mut Line) {
        let (row, api, version, request) = line.waits.take().expect("a row was started");
        let code = match line.raw.is_silent_for(SILENCE) {
            true => json!("no answer"),
            false => line.receive(api, version)["errorCode"].clone(),
        };
        self.keep(format!("{api} v{version}: {row}"), request, api, json!({"errorCode": code}));
    }

    /// Keeps an answer that was made up of others.
    pub(crate) fn keep(&mut self, row: String, request: Value, api: &str, answer: Value) {
        let answer = self.known.normal(api, "", answer);
        self.answers.lock().expect("not poisoned").push(Answer { row, request, answer });
    }

    /// A name that is this run's own.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{name}{}", self.known.suffix)
    }

    /// Makes a topic, and waits until it serves. Gives its name.
    pub(crate) fn topic(&mut self, name: &str, partitions: i32) -> String {
        self.topic_with(name, partitions, json!([]))
    }

    /// [`Run::topic`] with configurations.
    pub(crate) fn topic_with(&mut self, name: &str, partitions: i32, configs: Value) -> String {
        let name = self.name(name);
        let topic =
            json!({"name": name, "numPartitions": partitions, "replicationFactor": 1, "configs": configs});
        let made = self.prepare("CreateTopics", 7, json!({"timeoutMs": 10000, "topics": [topic]}));
        assert_eq!(made["topics"][0]["errorCode"], "NONE", "{made}");
        self.settle(&name);
        name
    }

    /// Waits until a new topic serves, and learns its id and epoch.
    pub(crate) fn settle(&mut self, name: &str) {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let request = json!({"topics": [{"name": name}], "allowAutoTopicCreation": false});
            let topic = self.prepare("Metadata", 12, request)["topics"][0].clone();
            let partitions = topic["partitions"].as_array().cloned().unwrap_or_default();
            let asked: Vec<_> = partitions
                .iter()
                .map(|partition| json!({"partitionIndex": partition["partitionIndex"], "timestamp": -1}))
                .collect();
            let request = json!({"replicaId": -1, "topics": [{"name": name, "partitions": asked}]});
            let ends = self.prepare("ListOffsets", 9, request)["topics"][0]["partitions"].clone();
            let serves =
                ends.as_array().is_some_and(|ends| ends.iter().all(|end| end["errorCode"] == "NONE"));
            if serves && !partitions.is_empty() {
                let id = topic["topicId"].as_str().expect("an id").to_owned();
                self.known.ids.insert(id, name.into());
                self.known.epoch = partitions[0]["leaderEpoch"].as_i64();
                return;
            }
            assert!(Instant::now() < deadline, "{topic} {ends}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Deletes a topic, and waits until it is gone.
    pub(crate) fn delete(&mut self, name: &str) {
        self.prepare("DeleteTopics", 6, json!({"topics": [{"name": name}], "timeoutMs": 10000}));
        self.gone(name);
    }

    /// Waits until a topic is gone.
    pub(crate) fn gone(&mut self, name: &str) {
        let deadline = Instant::now() + READY_LIMIT;
        let told = json!({"topics": [{"name": name}], "allowAutoTopicCreation": false});
        let partitions = json!([{"partitionIndex": 0, "timestamp": -1}]);
        let end = json!({"replicaId": -1, "topics": [{"name": name, "partitions": partitions}]});
        while self.prepare("Metadata", 12, told.clone())["topics"][0]["errorCode"] == "NONE"
            || self.prepare("ListOffsets", 9, end.clone())["topics"][0]["partitions"][0]["errorCode"]
                == "NONE"
        {
            assert!(Instant::now() < deadline, "{name} is not deleted");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The id of a topic of this run.
    pub(crate) fn id(&self, name: &str) -> String {
        let (id, _) = self.known.ids.iter().find(|(_, known)| *known == name).expect("a topic of this run");
        id.clone()
    }

    /// The leader epoch of new topics.
    pub(crate) fn epoch(&self) -> i64 {
        self.known.epoch.expect("a topic was made")
    }

    /// Appends a batch with these values.
    pub(crate) fn append(&mut self, topic: &str, index: i32, values: &[&str]) {
        let batch = klamm_conformance::batch(values);
        let partition = json!({"index": index, "records": batch.to_vec()});
        let topic = json!({"name": topic, "partitionData": [partition]});
        let answer =
            self.prepare("Produce", 9, json!({"acks": -1, "timeoutMs": 10000, "topicData": [topic]}));
        assert_eq!(answer["responses"][0]["partitionResponses"][0]["errorCode"], "NONE", "{answer}");
    }

    /// A new producer id.
    pub(crate) fn producer(&mut self) -> i64 {
        let request = json!({"transactionalId": null, "transactionTimeoutMs": 60000});
        let answer = self.prepare("InitProducerId", 4, request);
        answer["producerId"].as_i64().filter(|id| *id >= 0).unwrap_or_else(|| panic!("{answer}"))
    }
}

impl Line {
    fn to(address: &str) -> Line {
        Line { raw: Raw::connect(address), waits: None }
    }

    fn send(&mut self, name: &str, version: i16, fields: &Value) {
        let api = Api::of(name);
        let mut frame = vec![];
        frame.extend(api.key.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(7_i32.to_be_bytes());
        frame.extend([0, 6]);
        frame.extend(b"oracle");
        if api.is_flexible(version) {
            frame.push(0);
        }
        frame.extend(writer::request(api, version, fields));
        self.raw.write(&(frame.len() as i32).to_be_bytes());
        self.raw.write(&frame);
    }

    fn receive(&mut self, name: &str, version: i16) -> Value {
        let Some(frame) = self.raw.frame() else { return json!("closed") };
        let api = Api::of(name);
        let mut body = &frame[4..];
        // An unknown version of ApiVersions is answered in version 0, with a header that any client reads.
        let version = if name == "ApiVersions" && body[..2] == [0, 35] { 0 } else { version };
        if api.is_flexible(version) && name != "ApiVersions" {
            body = reader::skip_tags(body).unwrap_or_else(|what| panic!("{name} v{version}: {what}"));
        }
        reader::response(api, version, body).unwrap_or_else(|what| panic!("{name} v{version}: {what}"))
    }
}

fn is_not_ready(answer: &Value) -> bool {
    match answer {
        Value::String(text) => NOT_READY.contains(&text.as_str()),
        Value::Array(items) => items.iter().any(is_not_ready),
        Value::Object(fields) => fields.values().any(is_not_ready),
        _ => false,
    }
}
