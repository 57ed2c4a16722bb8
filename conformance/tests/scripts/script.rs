//! A run of a script against one broker: its topic, its group, its members, and what it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use klamm_conformance::{Client, Record, Tool, unique};
use serde_json::{Value, json};

/// How an answer begins that says what a library does not have.
pub(crate) const UNSUPPORTED: &str = "unsupported: ";
/// The partitions of a script's topic.
pub(crate) const PARTITIONS: i64 = 4;

const UNKNOWN_TOPIC_OR_PARTITION: i64 = 3;
const LIMIT: Duration = Duration::from_secs(80);

/// Ok, or what the library does not have.
pub(crate) type Told<T = ()> = Result<T, String>;

/// A run.
pub(crate) struct Script {
    /// What it tells, to be compared.
    pub(crate) told: Vec<String>,
    tool: Tool,
    address: String,
    /// The process that has all members that need not die.
    pub(crate) client: Client,
    pub(crate) topic: String,
    pub(crate) group: String,
    written: BTreeMap<i64, i64>,
}

/// What a member saw.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) assigned: BTreeSet<i64>,
    /// What and which partitions; events without partitions are left out, equal ones in a row are one.
    pub(crate) events: Vec<(String, BTreeSet<i64>)>,
    /// Partition and offset of each record, in order.
    pub(crate) records: Vec<(i64, i64)>,
}

impl Script {
    pub(crate) fn new(tool: Tool, address: &str) -> Script {
        let mut client = Client::start(tool, address);
        let (topic, group) = (unique("scripted"), unique("group"));
        create(&mut client, &topic);
        let (address, written, told) = (address.to_owned(), BTreeMap::new(), vec![]);
        Script { told, tool, address, client, topic, group, written }
    }

    /// The strategy that most have; kafkajs has only its own.
    pub(crate) fn eager(&self) -> Value {
        json!({"strategy": if self.tool == Tool::Kafkajs { "roundrobin" } else { "range" }})
    }

    pub(crate) fn tell(&mut self, line: impl Into<String>) {
        self.told.push(line.into());
    }

    /// Another process of the same client, which may die.
    pub(crate) fn another(&self) -> Client {
        Client::start(self.tool, &self.address)
    }

    /// Writes `count` records to each partition.
    pub(crate) fn write(&mut self, count: usize) {
        (0..PARTITIONS).for_each(|partition| self.write_to(partition, &Record::text(count, "grouped")));
    }

    /// Writes `records` to `partition`.
    pub(crate) fn write_to(&mut self, partition: i64, records: &[Record]) {
        self.client.produce(&self.topic, records, json!({"partition": partition}));
        *self.written.entry(partition).or_default() += records.len() as i64;
    }

    /// All that was written, from an offset on.
    pub(crate) fn written_from(&self, offset: i64) -> Vec<(i64, i64)> {
        self.written.iter().flat_map(|(&p, &end)| (offset..end).map(move |at| (p, at))).collect()
    }

    /// A member joins from the script's own process.
    pub(crate) fn join(&mut self, member: &str, how: Value) -> Told {
        let command = self.joining(member, how);
        unless_unsupported(&mut self.client, command)
    }

    /// The command by which a member joins.
    pub(crate) fn joining(&self, member: &str, how: Value) -> Value {
        let mut command = json!({"do": "join", "member": member, "topic": self.topic, "group": self.group});
        command.as_object_mut().expect("an object").extend(how.as_object().expect("an object").clone());
        command
    }

    /// A command to a member.
    pub(crate) fn to(&mut self, member: &str, what: &str, more: Value) -> Told {
        let mut command = json!({"do": what, "member": member});
        command.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        unless_unsupported(&mut self.client, command)
    }

    pub(crate) fn state(&mut self, member: &str) -> State {
        state(&mut self.client, member)
    }

    /// Waits until each of `members` is as wanted: `reached` gets their states.
    pub(crate) fn wait(
        &mut self,
        members: &[&str],
        what: &str,
        reached: impl Fn(&[State]) -> bool,
    ) -> Vec<State> {
        wait(what, || members.iter().map(|member| self.state(member)).collect(), reached)
    }

    /// Commits `offset` of each of `partitions`, with `metadata`.
    pub(crate) fn commit(
        &mut self,
        member: &str,
        partitions: &BTreeSet<i64>,
        offset: i64,
        metadata: &str,
    ) -> Told {
        let offsets: Vec<_> =
            partitions.iter().map(|partition| json!([partition, offset, metadata])).collect();
        self.to(member, "commit", json!({"offsets": offsets}))
    }

    /// What the group has committed: partition, offset, metadata.
    pub(crate) fn committed(&mut self) -> Vec<(i64, i64, String)> {
        let command = json!({"do": "committed", "group": self.group, "topic": self.topic});
        let answer = self.client.tell(command);
        let one = |each: &Value| {
            (number(&each[0]), number(&each[1]), each[2].as_str().expect("metadata is text").to_owned())
        };
        answer["offsets"].as_array().expect("offsets").iter().map(one).collect()
    }
}

/// Creates `topic` and waits until the metadata have it: Kafka's follow a little later, and kafkajs does not bear that.
fn create(client: &mut Client, topic: &str) {
    match client.ask(json!({"do": "create", "topic": topic, "partitions": PARTITIONS})) {
        Err(refusal) if refusal.code == Some(UNKNOWN_TOPIC_OR_PARTITION) => {}
        answer => drop(answer.expect("a topic")),
    }
    let deadline = Instant::now() + LIMIT;
    while client.tell(json!({"do": "metadata"}))["topics"][topic].as_array().map(Vec::len)
        != Some(PARTITIONS as usize)
    {
        assert!(Instant::now() < deadline, "{topic} is not in the metadata");
        sleep(Duration::from_millis(100));
    }
}

/// What `member` of `client` saw.
///
/// # Panics
/// When it failed.
pub(crate) fn state(client: &mut Client, member: &str) -> State {
    let answer = client.tell(json!({"do": "state", "member": member}));
    assert!(answer["error"].is_null(), "{:?}: member {member} failed: {answer}", client.tool());
    let numbers = |list: &Value| list.as_array().into_iter().flatten().map(number).collect::<BTreeSet<_>>();
    let mut events: Vec<(String, BTreeSet<i64>)> = vec![];
    for event in answer["events"].as_array().into_iter().flatten() {
        let (what, partitions) = (event[0].as_str().expect("a name"), numbers(&event[1]));
        match events.last_mut() {
            _ if partitions.is_empty() => {}
            Some((last, more)) if last == what => more.extend(partitions),
            _ => events.push((what.to_owned(), partitions)),
        }
    }
    let records = answer["records"].as_array().into_iter().flatten();
    let records = records.map(|each| (number(&each[0]), number(&each[1]))).collect();
    State { assigned: numbers(&answer["assigned"]), events, records }
}

/// Asks again until the states are as wanted.
///
/// # Panics
/// When they are not within 80 s.
pub(crate) fn wait(
    what: &str,
    mut ask: impl FnMut() -> Vec<State>,
    reached: impl Fn(&[State]) -> bool,
) -> Vec<State> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let states = ask();
        if reached(&states) {
            return states;
        }
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}: {states:?}");
        sleep(Duration::from_millis(100));
    }
}

/// All partitions, each in the hands of one of these members, `each` to a member.
pub(crate) fn shared(states: &[State], each: usize) -> bool {
    let all: BTreeSet<i64> = states.iter().flat_map(|state| state.assigned.iter().copied()).collect();
    all.len() as i64 == PARTITIONS && states.iter().all(|state| state.assigned.len() == each)
}

/// The records of all these, sorted.
pub(crate) fn sorted(states: &[State]) -> Vec<(i64, i64)> {
    let mut records: Vec<_> = states.iter().flat_map(|state| state.records.iter().copied()).collect();
    records.sort();
    records
}

/// What happened, by numbers of partitions. A round that gave back what it took is left out: how many rounds there are
/// until a group is still depends on who comes first.
pub(crate) fn counts(state: &State) -> String {
    let mut events: Vec<&(String, BTreeSet<i64>)> = vec![];
    for event in &state.events {
        let gave_back = events
            .last()
            .is_some_and(|last| last.0 != "assigned" && event.0 == "assigned" && last.1 == event.1);
        if gave_back {
            events.pop();
        } else {
            events.push(event);
        }
    }
    events
        .iter()
        .map(|(what, partitions)| format!("{what} {}", partitions.len()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Carries a command out. Ok, or what the library does not have.
///
/// # Panics
/// When it failed.
pub(crate) fn unless_unsupported(client: &mut Client, command: Value) -> Told {
    match client.ask(command.clone()) {
        Ok(_) => Ok(()),
        Err(refusal) => match refusal.unsupported {
            Some(what) => Err(format!("{UNSUPPORTED}{what}")),
            None => panic!("{:?} on {command}: {refusal:?}", client.tool()),
        },
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}
