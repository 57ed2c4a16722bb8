//! Stories as data. Each line is `what is done => what is answered`; several of either are separated by `;`.
//!
//! Who acts is the first word (`a`, or `a@other` for a member of another group than `g`; `-` is nobody's member):
//! `a joins [static=i knows=range,rr topics=t session=10s rebalance=60s type=consumer as=id anew v4 v9]`,
//! `a syncs a=x,b=y`, `a assigns` (to all), `a beats`, `a leaves`, `a commits t:0=5 [gen=1 as=id retain=1s long v9]`. Without an actor: `3s`
//! passes time; `hold` and `flow` keep the journal's answers back; `full` and `free` the disk, `large` records; `fails over`;
//! `removes i,j` (static members), `deletes group`, `deletes t:0`, `forgets t`; `look`, `list`, `offsets`.
//!
//! The machine runs beside the coordinator, through the records' codec. Each request must be answered once.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use klamm_machine::{At, Machine, NoRoom, Now, PayloadReader, PayloadWriter, Record};
use klamm_model::{Epoch, Slot, TopicId, TopicName};

use crate::{
    Answer, Command, Commit, Coordinator, DeleteOffsets, Event, GroupConfig, GroupRecord, Groups, Heartbeat,
    InstanceId, Join, Leave, Leaving, NewOffset, Output, Protocol, Reply, Request, Sync, Ticket, Token,
};

/// A consumer's subscription, version 1.
pub(super) fn subscription(topics: &str) -> Bytes {
    let names: Vec<&str> = topics.split(',').filter(|name| !name.is_empty()).collect();
    let mut bytes = vec![0, 1];
    bytes.extend((names.len() as i32).to_be_bytes());
    for name in names {
        bytes.extend((name.len() as i16).to_be_bytes());
        bytes.extend(name.as_bytes());
    }
    bytes.into()
}

pub(super) fn topic_id(name: &str) -> TopicId {
    TopicId([name.as_bytes()[0]; 16])
}

fn time_ms(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    units.iter().find(|(name, _)| *name == unit).map(|(_, ms)| number * ms)
}

fn partition(text: &str) -> (TopicName, i32) {
    let (topic, index) = text.split_once(':').expect("topic:partition");
    (TopicName::parse(topic).unwrap(), index.parse().unwrap())
}

#[derive(Debug, Clone, Default)]
struct Actor {
    id: String,
    generation: i32,
    instance: Option<String>,
}

pub(super) struct Story {
    pub(super) coordinator: Coordinator,
    pub(super) machine: Groups,
    config: GroupConfig,
    epoch: Epoch,
    pub(super) now_ms: u64,
    actors: BTreeMap<String, Actor>,
    joins: BTreeMap<String, u32>,
    open: BTreeMap<Token, String>,
    next_token: u64,
    held: VecDeque<(Ticket, Reply)>,
    hold: bool,
    /// What becomes of records that need space.
    no_room: Option<NoRoom>,
    log: Vec<String>,
    /// Whether each join gets an id of its own, as in real life; stories are easier to read without.
    pub(super) random: bool,
}

/// Tells a story under Kafka's default settings.
pub(super) fn check(story: &str) {
    check_with(GroupConfig::default(), story);
}

/// Tells a story.
pub(super) fn check_with(config: GroupConfig, text: &str) {
    let mut story = Story::new(config);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (deeds, expected) = line.split_once("=>").unwrap_or((line, ""));
        deeds.split(';').map(str::trim).for_each(|deed| story.tell(deed));
        let expected: Vec<&str> = expected.split(';').map(str::trim).filter(|e| !e.is_empty()).collect();
        assert_eq!(std::mem::take(&mut story.log), expected, "in {line:?} of{text}");
    }
    story.end();
}

impl Story {
    pub(super) fn new(config: GroupConfig) -> Self {
        let (epoch, machine) = (Epoch(1), Groups::default());
        let (coordinator, outputs) = Coordinator::load(epoch, config.clone(), &machine, 0);
        assert_eq!(outputs, []);
        let (actors, joins, open, held, log) = <_>::default();
        let (hold, no_room, random) = (false, None, false);
        Self {
            coordinator,
            machine,
            config,
            epoch,
            now_ms: 0,
            actors,
            joins,
            open,
            next_token: 0,
            held,
            hold,
            no_room,
            log,
            random,
        }
    }

    /// All requests are answered at the end of the epoch.
    pub(super) fn end(&mut self) {
        let next = Coordinator::load(self.epoch, self.config.clone(), &self.machine, self.now_ms);
        let outputs = std::mem::replace(&mut self.coordinator, next.0).unload();
        self.held.clear();
        self.take(outputs);
        assert_eq!(self.open, BTreeMap::new(), "requests were forgotten");
        assert_snapshot(&self.machine);
    }

    pub(super) fn step(&mut self, event: Event) {
        let outputs = self.coordinator.step(event, self.now_ms);
        self.coordinator.check();
        self.take(outputs);
    }

    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Answer(token, answer) => self.answered(token, answer),
                Output::Submit(ticket, command) => {
                    let reply = self.decide(command);
                    self.held.push_back((ticket, reply));
                }
            }
        }
        while !self.hold
            && let Some((ticket, reply)) = self.held.pop_front()
        {
            self.step(Event::Written(ticket, Some(reply)));
        }
    }

    /// Decides and replays, through the record's codec.
    pub(super) fn decide(&mut self, command: Command) -> Reply {
        let no_room = self.no_room.filter(|_| Groups::space_bytes(&command).is_some());
        let wall_ms = 1_000_000 + self.now_ms as i64;
        let decision = self.machine.decide(command, Now { epoch: self.epoch, wall_ms });
        if let Some(record) = decision.record {
            if let Some(why) = no_room {
                return Groups::refuse(decision.reply, why);
            }
            let mut out = PayloadWriter::default();
            record.encode(&mut out);
            let mut input = PayloadReader::new(out.finish().concat().into());
            let back = GroupRecord::decode(&mut input).unwrap();
            input.finish().unwrap();
            assert_eq!(back, record);
            self.machine.replay(&back, At { slot: Slot(0), epoch: self.epoch, time_ms: wall_ms });
        }
        decision.reply
    }

    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let Some(due) = self.coordinator.deadline_ms().filter(|due| *due <= end) {
            self.now_ms = due.max(self.now_ms);
            self.step(Event::Tick);
        }
        self.now_ms = end;
    }

    pub(super) fn token(&mut self, actor: &str) -> Token {
        self.next_token += 1;
        self.open.insert(Token(self.next_token), actor.to_owned());
        Token(self.next_token)
    }

    fn answered(&mut self, token: Token, answer: Answer) {
        let who = self.open.remove(&token).expect("an answer to a request that waits");
        let actor = self.actors.entry(who.clone()).or_default();
        let what = match answer {
            Answer::Join(Ok(joined)) => {
                (actor.id, actor.generation) = (joined.member.to_string(), joined.generation);
                let members: Vec<&str> = joined.members.iter().map(|member| member.id.as_str()).collect();
                let skip = if joined.skip_assignment { " skip" } else { "" };
                let protocol = joined.protocol.unwrap_or_default();
                format!(
                    "joined {} {protocol} {}[{}]{skip}",
                    joined.generation,
                    joined.leader,
                    members.join(" ")
                )
            }
            Answer::Join(Err(refused)) => {
                if refused.error == crate::GroupError::MemberIdRequired {
                    actor.id = refused.member.to_string();
                } else if actor.id.is_empty() && !self.random {
                    // Nobody has seen the id: the next join may have it.
                    self.joins.entry(who.clone()).and_modify(|unique| *unique = unique.saturating_sub(1));
                }
                format!("join {:?}", refused.error)
            }
            Answer::Sync(Ok(synced)) => {
                format!("got {}", String::from_utf8_lossy(&synced.assignment)).trim_end().to_owned()
            }
            Answer::Sync(Err(error)) => format!("sync {error:?}"),
            Answer::Heartbeat(Ok(())) => "lives".to_owned(),
            Answer::Heartbeat(Err(error)) => format!("beat {error:?}"),
            Answer::Leave(result) => format!("left {}", each(result)),
            Answer::Offsets(result) => format!("offsets {}", each(result)),
            Answer::DeleteGroup(Ok(())) => "deleted".to_owned(),
            Answer::DeleteGroup(Err(error)) => format!("delete {error:?}"),
        };
        self.log.push(format!("{who} {what}"));
    }

    /// Everything that was decided was also answered.
    pub(super) fn is_quiet(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn tell(&mut self, deed: &str) {
        let words: Vec<&str> = deed.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["hold"] => self.hold = true,
            ["flow"] => {
                self.hold = false;
                self.take(Vec::new());
            }
            ["full"] => self.no_room = Some(NoRoom::Full),
            ["large"] => self.no_room = Some(NoRoom::TooLarge),
            ["free"] => self.no_room = None,
            ["look"] => {
                let seen = self.coordinator.look("g");
                self.log.push(match seen {
                    None => "none".to_owned(),
                    Some((state, generation, None)) => format!("{state:?} {generation}"),
                    Some((state, generation, Some(leader))) => format!("{state:?} {generation} {leader}"),
                });
            }
            ["list"] => {
                let listed = self.coordinator.list(None, None);
                let listed = listed.iter().map(|l| format!("{}:{:?}:{}", l.group, l.state, l.protocol_type));
                self.log.extend(listed);
            }
            ["offsets"] => {
                let offsets = self.machine.offsets("g");
                let all: Vec<String> = offsets.map(|(t, p, o)| format!("{t}:{p}={}", o.offset)).collect();
                self.log.push(if all.is_empty() { "none".to_owned() } else { all.join(" ") });
            }
            ["fails", "over"] => self.fail_over(),
            ["forgets", topic] => {
                let request =
                    Request::ForgetTopic { topic: TopicName::parse(topic).unwrap(), id: topic_id(topic) };
                assert_eq!(self.decide(Command { epoch: None, request }), Reply::Done);
            }
            ["removes", instances] => {
                let token = self.token("-");
                let leaving = |i: &str| Leaving { member: "".into(), instance: Some(i.into()) };
                let members = instances.split(',').map(leaving).collect();
                self.step(Event::Leave(token, Leave { group: "g".into(), members }));
            }
            ["deletes", "group"] => {
                let token = self.token("-");
                self.step(Event::DeleteGroup(token, "g".into()));
            }
            ["deletes", partitions] => {
                let token = self.token("-");
                let partitions = partitions.split(',').map(partition).collect();
                self.step(Event::DeleteOffsets(token, DeleteOffsets { group: "g".into(), partitions }));
            }
            [time] => self.pass(time_ms(time).unwrap_or_else(|| panic!("{time:?}?"))),
            [who, verb, ref options @ ..] => self.act(who, verb, options),
        }
    }

    fn fail_over(&mut self) {
        self.hold = false;
        self.held.clear();
        self.epoch = self.epoch.next();
        let (next, outputs) = Coordinator::load(self.epoch, self.config.clone(), &self.machine, self.now_ms);
        let unloaded = std::mem::replace(&mut self.coordinator, next).unload();
        self.take(unloaded);
        self.take(outputs);
    }

    fn act(&mut self, who: &str, verb: &str, options: &[&str]) {
        let mut actor = self.actors.get(who).cloned().unwrap_or_default();
        let (name, group) = who.split_once('@').unwrap_or((who, "g"));
        let group = if group == "nil" { "" } else { group };
        let asked = |actor: &'_ Actor| Asked::new(who, name, group, options, actor.clone());
        if let Some(instance) = asked(&actor).option("static") {
            actor.instance = Some(instance.to_owned());
            self.actors.insert(who.to_owned(), actor.clone());
        }
        let asked = asked(&actor);
        let token = self.token(who);
        let (group, member, instance) = (group.into(), asked.member.as_str().into(), asked.instance());
        let generation = asked.generation;
        let event = match verb {
            "joins" => Event::Join(token, self.join(&asked)),
            "syncs" => Event::Sync(token, self.sync(&asked)),
            "assigns" => {
                let members =
                    self.coordinator.describe(asked.group).map_or(Vec::new(), |group| group.members);
                let assignments = members.into_iter().map(|member| (member.id, "x".into())).collect();
                let (protocol_type, protocol) = (None, None);
                let sync = Sync { group, member, instance, generation, protocol_type, protocol, assignments };
                Event::Sync(token, sync)
            }
            "beats" => Event::Heartbeat(token, Heartbeat { group, member, instance, generation }),
            "leaves" => Event::Leave(token, Leave { group, members: vec![Leaving { member, instance }] }),
            "commits" => Event::Commit(token, asked.commit()),
            _ => panic!("{verb:?}?"),
        };
        self.step(event);
    }

    fn join(&mut self, asked: &Asked<'_>) -> Join {
        let unique =
            self.joins.entry(asked.actor.instance.clone().unwrap_or(asked.who.to_owned())).or_default();
        *unique += u32::from(asked.member.is_empty());
        let ms = |name, default| time_ms(asked.option(name).unwrap_or(default)).unwrap() as i32;
        let metadata = subscription(asked.option("topics").unwrap_or("t"));
        let known = asked.option("knows").unwrap_or("range").split(',').filter(|name| !name.is_empty());
        let protocol = |name: &str| Protocol { name: name.into(), metadata: metadata.clone() };
        Join {
            group: asked.group.into(),
            member: asked.member.as_str().into(),
            instance: asked.instance(),
            client_id: asked.name.into(),
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: ms("session", "10s"),
            rebalance_timeout_ms: ms("rebalance", "60s"),
            protocol_type: asked.option("type").unwrap_or("consumer").into(),
            protocols: known.map(protocol).collect(),
            suffix: unique.to_string(),
            needs_member_id: asked.has("v4") || asked.has("v9"),
            can_skip_assignment: asked.has("v9"),
        }
    }

    fn sync(&self, asked: &Asked<'_>) -> Sync {
        let given =
            asked.options.iter().find(|o| o.contains('=') && !o.contains("gen=") && !o.contains("type="));
        let assignment = |pair: &str| {
            let (to, what) = pair.split_once('=').unwrap();
            let to = self.actors.get(to).map_or(to, |actor| &actor.id);
            (to.into(), Bytes::copy_from_slice(what.as_bytes()))
        };
        Sync {
            group: asked.group.into(),
            member: asked.member.as_str().into(),
            instance: asked.instance(),
            generation: asked.generation,
            protocol_type: asked.option("type").map(Into::into),
            protocol: None,
            assignments: given.iter().flat_map(|given| given.split(',')).map(assignment).collect(),
        }
    }
}

/// Who asks, as which member, and the words behind it.
struct Asked<'a> {
    who: &'a str,
    name: &'a str,
    group: &'a str,
    options: &'a [&'a str],
    actor: Actor,
    member: String,
    generation: i32,
}

impl<'a> Asked<'a> {
    fn new(who: &'a str, name: &'a str, group: &'a str, options: &'a [&'a str], actor: Actor) -> Self {
        let (member, generation) = (String::new(), actor.generation);
        let mut asked = Self { who, name, group, options, actor, member, generation };
        let id = if asked.has("anew") { "" } else { &asked.actor.id };
        asked.member = asked.option("as").unwrap_or(id).to_owned();
        if let Some(generation) = asked.option("gen") {
            asked.generation = generation.parse().unwrap();
        }
        asked
    }

    fn has(&self, name: &str) -> bool {
        self.options.contains(&name)
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find_map(|o| o.strip_prefix(name)?.strip_prefix('='))
    }

    fn instance(&self) -> Option<InstanceId> {
        self.actor.instance.as_deref().map(Into::into)
    }

    fn commit(&self) -> Commit {
        let nobody = self.who.starts_with('-');
        let offset = |text: &str| {
            let (at, offset) = text.split_once('=').unwrap();
            let (topic, partition) = partition(at);
            let topic_id = topic_id(topic.as_str());
            let metadata = "x".repeat(if self.has("long") { 4097 } else { 4096 }).into();
            let (offset, leader_epoch) = (offset.parse().unwrap(), 3);
            NewOffset { topic, topic_id, partition, offset, leader_epoch, metadata }
        };
        Commit {
            group: self.group.into(),
            member: self.member.as_str().into(),
            instance: self.instance(),
            generation: if nobody && self.option("gen").is_none() { -1 } else { self.generation },
            retention_ms: self.option("retain").map(|time| time_ms(time).unwrap() as i64),
            knows_missing_group: self.has("v9"),
            offsets: self.options[0].split(',').map(offset).collect(),
        }
    }
}

fn each(result: Result<Vec<Result<(), crate::GroupError>>, crate::GroupError>) -> String {
    match result {
        Err(error) => format!("{error:?}"),
        Ok(results) => {
            let one =
                |result: &Result<(), _>| result.map_or_else(|error| format!("{error:?}"), |()| "ok".into());
            results.iter().map(one).collect::<Vec<String>>().join(" ")
        }
    }
}

/// A snapshot is the state, and is never half a state.
pub(super) fn assert_snapshot(machine: &Groups) {
    let pairs = machine.snapshot();
    assert!(pairs.is_sorted_by(|a, b| a.0 < b.0), "sorted, unique keys");
    let mut restored = Groups::default();
    for (key, value) in pairs {
        restored.restore(key, value).unwrap();
    }
    assert_eq!(restored, *machine);
}
