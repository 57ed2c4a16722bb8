//! The command line tools, as a user runs them: the built binary against a broker of the same binary on a free port.
#![allow(clippy::disallowed_methods, reason = "a test starts processes and makes folders of its own")]

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    time::Duration,
};

use klamm_testing::{Process, Signal, TempDir, command};

const LIMIT: Duration = Duration::from_secs(30);
const KLAMM: &str = env!("CARGO_BIN_EXE_klamm");

/// A broker, gone with its folder at the end.
struct Broker {
    _process: Process,
    address: String,
    _folder: TempDir,
}

impl Broker {
    fn start() -> Self {
        let folder = TempDir::new();
        let mut command = klamm();
        command.args(["serve", "--listen", "127.0.0.1:0", "-c", "klamm.log=error"]);
        command.args(["-c", "group.initial.rebalance.delay.ms=0", "--data"]).arg(folder.path());
        let mut process = Process::spawn(&mut command).expect("it starts");
        let address = process.ready(LIMIT).expect("it serves");
        Self { _process: process, address, _folder: folder }
    }

    /// Runs a command with this input: standard output, standard error, whether all was well.
    fn run(&self, line: &str, input: &[u8]) -> (String, String, bool) {
        let words: Vec<_> = line.split('|').map(str::trim).filter(|word| !word.is_empty()).collect();
        run(klamm().env("KLAMM_BOOTSTRAP", &self.address).args(words), input)
    }

    /// Runs a command that must succeed: what it says on standard output. Words stand between bars.
    fn good(&self, line: &str, input: impl AsRef<[u8]>) -> String {
        let (out, err, good) = self.run(line, input.as_ref());
        assert!(good, "{line}: {err}");
        out
    }

    /// Runs a command that must fail: what it says on standard error.
    fn bad(&self, line: &str) -> String {
        let (_, err, good) = self.run(line, b"");
        assert!(!good && err.starts_with("klamm: "), "{line}: {err}");
        err
    }
}

fn klamm() -> Command {
    command(KLAMM)
}

fn run(command: &mut Command, input: &[u8]) -> (String, String, bool) {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // A command that fails early does not read.
    let _ = process.stdin.take().expect("it is piped").write_all(input);
    let output = process.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr), output.status.success())
}

#[test]
fn topics_come_and_go() {
    let broker = Broker::start();
    let made = broker.good("topic|create|orders|-p|3|-c|max.message.bytes=100000", "");
    assert_eq!(made, "created topic orders with 3 partitions\n");
    assert_eq!(broker.good("topic|create|one", ""), "created topic one with 1 partition\n");
    let list = broker.good("topic|list", "");
    assert_eq!(
        list,
        "TOPIC   PARTITIONS  REPLICAS\none              1         1\norders           3         1\n"
    );
    let described = broker.good("topic|describe|orders", "");
    assert!(described.starts_with("orders (id ") && described.contains("PARTITION  LEADER"), "{described}");
    let json: serde_json::Value = serde_json::from_str(&broker.good("topic|describe|-o|json", "")).unwrap();
    assert_eq!(
        (json[1]["topic"].as_str(), json[1]["partitions"].as_array().unwrap().len()),
        (Some("orders"), 3)
    );

    let error = broker.bad("topic|create|orders");
    assert!(error.contains("can't create topic orders: TOPIC_ALREADY_EXISTS"), "{error}");
    broker.good("topic|create|orders|--if-not-exists", "");
    assert!(broker.bad("topic|create|x|-c|no.such.key=1").contains("no.such.key"));
    assert!(broker.bad("topic|alter|orders").contains("nothing to alter"));
    assert_eq!(broker.good("topic|delete|orders|one", "").lines().count(), 2);
    assert!(broker.bad("topic|delete|orders").contains("UNKNOWN_TOPIC_OR_PARTITION"));
    assert!(broker.bad("topic|describe|orders").contains("there is no topic orders"));
    assert_eq!(broker.good("topic|list|-o|json", ""), "[]\n");
}

#[test]
fn what_is_produced_is_consumed() {
    let broker = Broker::start();
    broker.good("topic|create|numbers|-p|3", "");
    let numbers: Vec<String> = (1..=20_000).map(|number| number.to_string()).collect();
    let (_, said, good) = broker.run("produce|numbers", numbers.join("\n").as_bytes());
    assert!(good && said.starts_with("20000 records to numbers, "), "{said}");
    let mut got: Vec<String> = broker.good("consume|numbers|-e", "").lines().map(str::to_owned).collect();
    got.sort_by_key(|number| number.parse::<u32>().unwrap());
    assert_eq!(got, numbers);
    assert_eq!(broker.good("consume|numbers|-c|7", "").lines().count(), 7);
    assert_eq!(broker.good("consume|numbers|-o|end|-e", ""), "");

    // Keys stay in a partition: those of Java's murmur2.
    broker.good("topic|create|keys|-p|4", "");
    broker.good("produce|keys|-K|:|-q", "a:1\nb:2\na:3\n\nnokey\n");
    let all = broker.good("consume|keys|-e|-f|%k %s %p %o\\n", "");
    let of = |key: &str| all.lines().filter(|line| line.starts_with(key)).collect::<Vec<_>>();
    assert_eq!((all.lines().count(), of("a ").len(), of(" nokey").len()), (4, 2, 1), "{all}");
    assert_eq!(of("a ")[0].split(' ').nth(2), of("a ")[1].split(' ').nth(2));
}

#[test]
fn offsets_formats_and_codecs() {
    let broker = Broker::start();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("t-{codec}");
        broker.good(&format!("produce|{topic}|-K|:|-H|a=b|-H|c|-z|{codec}|-q"), "k1:v1\nk2:\n:v3\n");
        let all = broker.good(&format!("consume|{topic}|-e|-f|%t[%p]@%o %k(%K)=%s(%S) %h %%\\n"), "");
        let line = |offset, record| format!("{topic}[0]@{offset} {record} a=b,c=NULL %\n");
        let expected = [line(0, "k1(2)=v1(2)"), line(1, "k2(2)=(0)"), line(2, "(0)=v3(2)")].concat();
        assert_eq!(all, expected, "{codec}");
    }
    assert_eq!(broker.good("consume|t-none|-e|-o|-1", ""), "v3\n");
    assert_eq!(broker.good("consume|t-none|-o|1|-c|1|-K|/", ""), "k2/\n");
    assert_eq!(broker.good("consume|t-none|-e|-o|s@1|-D|;", ""), "v1;;v3;");
    assert_eq!(broker.good("consume|t-none|-e|-o|s@2100-01-01", ""), "");
    broker.good("produce|nulls|-Z|-K|:|-D|;|-q", "k:;:v");
    assert_eq!(broker.good("consume|nulls|-e|-f|%k=%s |-Z", ""), "k=NULLNULL=v");
    assert!(broker.bad("consume|t-none|-o|9").contains("which goes from 0 to 3"));
    assert!(broker.bad("consume|t-none|-p|5").contains("has no partition 5; it has 1"));
    assert!(broker.bad("consume|none|-e").contains("there is no topic none"));
    assert!(broker.bad("consume|t-none|-f|%x").contains("unknown token %x"));
}

#[test]
fn json_round_trips() {
    let broker = Broker::start();
    let line =
        r#"{"key":"k","value":"é","headers":[["h","1"],["h",null]],"timestamp":1790000000000,"partition":1}"#;
    broker.good("topic|create|json|-p|2", "");
    broker.good("produce|json|--json|-q", format!("{line}\n{{\"value_base64\":\"/w==\",\"partition\":0}}\n"));
    let all = broker.good("consume|json|-e|--json", "");
    assert!(all.contains("\"value_base64\":\"/w==\"") && all.contains("\"value\":\"é\""), "{all}");
    broker.good("topic|create|again|-p|2", "");
    broker.good("produce|again|--json|-q", &all);
    let sorted = |text: String| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let again = broker.good("consume|again|-e|--json", "").replace("\"again\"", "\"json\"");
    assert_eq!(sorted(again), sorted(all));

    let (_, said, good) = broker.run("produce|json|--json", b"{\"value\":1}\nnonsense\n{\"valeu\":1}\n");
    assert!(!good && said.contains("line 2: not JSON") && said.contains("line 3: unknown field"), "{said}");
    assert!(said.contains("1 record to json") && said.contains("2 records not written"), "{said}");
}

#[test]
fn what_goes_wrong_is_told() {
    let broker = Broker::start();
    let nobody = run(klamm().args(["topic", "list", "-b", "127.0.0.1:1"]), b"").1;
    assert!(nobody.starts_with("klamm: can't connect to 127.0.0.1:1: "), "{nobody}");
    assert!(run(klamm().args(["topic", "list", "-b", "a b"]), b"").1.contains("expected HOST:PORT"));
    broker.good("produce|t|-q", "a\n");
    let (_, said, good) = broker.run("produce|t|-p|7", b"x\n");
    assert!(!good && said.contains("topic t has no partition 7; it has 1"), "{said}");
    let long = "x".repeat(2_000_000);
    let (_, said, good) = broker.run("produce|t", long.as_bytes());
    assert!(!good && said.contains("MESSAGE_TOO_LARGE") && said.contains("1 record not written"), "{said}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let broker = Broker::start();
    broker.good("produce|t|-q", "0123456789\n".repeat(100_000));
    let mut process = klamm()
        .args(["consume", "t", "-e", "-b", &broker.address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    process.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_configuration_is_shown_and_checked() {
    let show =
        run(klamm().env("KLAMM_NODE_ID", "7").args(["config", "print", "-c", "num.partitions=3"]), b"").0;
    let line = |key: &str| {
        let line = show.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("node.id"), "node.id 7 environment variable KLAMM_NODE_ID");
    assert_eq!(line("num.partitions"), "num.partitions 3 flag -c");
    assert_eq!(line("listen"), "listen 127.0.0.1:9092 default");
    let (said, _, good) = run(klamm().args(["config", "check"]), b"");
    assert!(good && said.starts_with("the configuration is good"), "{said}");
    let (_, said, good) = run(klamm().args(["config", "check", "-c", "num.partition=3"]), b"");
    assert!(!good && said.contains("did you mean num.partitions?"), "{said}");
}

#[test]
fn connections_give_way_to_the_limit_of_open_files() {
    let few = |words: &str| {
        let mut shell = command("sh");
        shell.args(["-c", &format!("ulimit -n 3000; exec {KLAMM} {words}")]);
        shell
    };
    let (show, _, good) = run(&mut few("config print"), b"");
    let line = show.lines().find(|line| line.starts_with("max.connections ")).unwrap_or_default();
    let words: Vec<_> = line.split_whitespace().collect();
    assert!(
        good && words.join(" ").ends_with(" 2000 default, fitted to the limit of 3000 open files"),
        "{show}"
    );

    let folder = TempDir::new();
    let said = folder.path().join("said");
    let mut serve =
        few(&format!("serve --listen 127.0.0.1:0 --data {}", folder.path().join("data").display()));
    let mut process = Process::spawn(serve.stderr(std::fs::File::create(&said).unwrap())).unwrap();
    process.ready(LIMIT).expect("it serves");
    let said = std::fs::read_to_string(said).unwrap();
    let told = said.lines().find(|line| line.contains("leaves 2000 for connections")).unwrap_or_default();
    assert!(told.contains(" INFO "), "{said}");
}

#[test]
fn dev_keeps_nothing() {
    let temp = TempDir::new();
    let mut dev = klamm();
    dev.args(["dev", "--listen", "127.0.0.1:0"]).env("TMPDIR", temp.path());
    let mut process = Process::spawn(&mut dev).unwrap();
    let address = process.ready(LIMIT).unwrap();
    let ask = |words: &[&str], input: &[u8]| run(klamm().args(words).args(["-b", &address]), input);
    assert!(ask(&["produce", "made"], b"a\n").2, "topics are made");
    assert_eq!(ask(&["consume", "made", "-e"], b"").0, "a\n");
    process.signal(Signal::INT).unwrap();
    assert!(process.wait(LIMIT).expect("it ends").success());
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "its folder is gone");
}

#[test]
fn groups_go_on_where_they_stopped() {
    let broker = Broker::start();
    let lines: String = (0..200).map(|number| format!("{number}\n")).collect();
    broker.good("topic|create|read", "");
    broker.good("produce|read", &lines);
    assert_eq!(broker.good("consume|read|--group|readers|--from-beginning|--exit-eof", ""), lines);
    broker.good("produce|read", "more\n");
    let lag = broker.good("group|lag|readers", "");
    assert!(lag.lines().last().is_some_and(|line| line.ends_with("200  201    1")), "{lag}");
    assert_eq!(broker.good("consume|read|--group|readers|--exit-eof", ""), "more\n");
    let list = broker.good("group|list", "");
    assert!(list.contains("readers") && list.contains("Empty"), "{list}");
    broker.good("group|reset|readers|--topic|read|--to|earliest|--execute", "");
    assert!(broker.good("group|lag|readers", "").lines().last().is_some_and(|line| line.ends_with("201")));
    broker.good("group|delete|readers", "");
    assert!(!broker.good("group|list", "").contains("readers"));
}
