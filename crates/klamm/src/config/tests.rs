//! Layers of the configuration, and what is refused.

use std::collections::BTreeSet;

use super::*;

fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let flag = |(key, value): &(&str, &str)| Flag { flag: "-c", key: (*key).into(), value: (*value).into() };
    let inputs = Inputs {
        file: Some(("klamm.toml".into(), file.to_owned())),
        environment: environment.iter().map(owned).collect(),
        flags: flags.iter().map(flag).collect(),
    };
    Config::load(&inputs).map_err(|error| error.to_string())
}

fn refusal(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    load(file, environment, flags).expect_err("this is refused")
}

#[test]
fn the_table_is_sound() {
    let config = Config::default();
    assert_eq!(Config::load(&Inputs::default()).unwrap(), config);
    let mut names = BTreeSet::new();
    for key in KEYS {
        assert!(
            names.insert(key.name) && names.insert(variable_of(key.name).leak()),
            "{} is unique",
            key.name
        );
        let shown = config.get(key.name).unwrap();
        assert_eq!(key.kind.read(&shown), key.kind.read(key.default), "{}", key.name);
        assert!(key.doc().ends_with('.') && key.doc().len() < 110, "{}", key.name);
        let mut copy = config.clone();
        assert!((key.set)(&mut copy, key.kind.read(&shown).unwrap()));
        assert_eq!(copy, config);
        if let Kind::Int { min, max } | Kind::Bytes { min, max } | Kind::Millis { min, max } = key.kind {
            for number in [min, max] {
                assert!((key.set)(&mut copy, Value::Int(number)), "{} has {number}", key.name);
            }
        }
    }
}

#[test]
fn later_layers_win_and_are_remembered() {
    let file = "num.partitions = 2\nnode.id = 5\n\n[klamm]\nlog = 'debug'\n";
    let environment = [("KLAMM_NUM_PARTITIONS", "3"), ("KLAMM_TAIL_BYTES", "10 MiB"), ("PATH", "x")];
    let config = load(file, &environment, &[("num.partitions", "4"), ("num.partitions", "5")]).unwrap();
    assert_eq!((config.num_partitions, config.node_id), (5, 5));
    assert_eq!((config.klamm_tail_bytes, config.klamm_log.as_str()), (10 << 20, "debug"));
    let source = |key| config.sources.of(key).to_string();
    assert_eq!(source("num.partitions"), "flag -c");
    assert_eq!(source("klamm.tail.bytes"), "environment variable KLAMM_TAIL_BYTES");
    assert_eq!(source("klamm.log"), "klamm.toml, line 5");
    assert_eq!(source("listen"), "default");
}

#[test]
fn how_long_records_are_kept() {
    let config =
        load("log.retention.minutes = 5\nlog.retention.bytes = '1 GiB'", &[], &[("log.retention.ms", "7d")]);
    let config = config.unwrap();
    assert_eq!((config.log_retention_ms, config.log_retention_minutes), (Some(7 * 86_400_000), Some(5)));
    assert_eq!((config.log_retention_hours, config.log_retention_bytes), (168, 1 << 30));
    assert_eq!(load("", &[], &[("log.retention.ms", "")]).unwrap().log_retention_ms, None);
    assert_eq!(load("", &[], &[("log.retention.ms", "-1")]).unwrap().log_retention_ms, Some(-1));
    for key in ["log.retention.ms", "log.retention.minutes", "log.retention.hours", "compression.gzip.level"]
    {
        let why = refusal("", &[], &[(key, "0")]);
        assert!(why.contains(key) && why.contains("-1, or 1 and above"), "{why}");
    }
    assert_eq!(
        load("log.cleanup.policy = 'compact, delete'", &[], &[]).unwrap().log_cleanup_policy,
        "compact, delete"
    );
    assert!(refusal("log.cleanup.policy = 'shred'", &[], &[]).contains("some of delete, compact"));
}

#[test]
fn toml_in_all_its_forms() {
    for file in [
        "num.partitions = 3",
        "\"num.partitions\" = 3",
        "[num]\npartitions = 3",
        "num = { partitions = 3 }",
        "num.partitions = \"3\"",
        "num.partitions = 0x3",
    ] {
        assert_eq!(load(file, &[], &[]).unwrap().num_partitions, 3, "{file}");
    }
    let config = load("socket.request.max.bytes = 200_000_000\nauto.create.topics.enable = false", &[], &[]);
    let config = config.unwrap();
    assert_eq!((config.socket_request_max_bytes, config.auto_create_topics_enable), (200_000_000, false));
}

#[test]
fn refusals_say_what_where_and_what_to_do() {
    let check = |file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)], expected: &str| {
        assert_eq!(refusal(file, environment, flags), expected);
    };
    check(
        "\n[num]\npartition = 3",
        &[],
        &[],
        "unknown configuration key \"num.partition\" (klamm.toml, line 3); did you mean num.partitions?",
    );
    check(
        "",
        &[("KLAMM_NUM_PARTITION", "3")],
        &[],
        "environment variable KLAMM_NUM_PARTITION is not a configuration key; did you mean KLAMM_NUM_PARTITIONS?",
    );
    check(
        "",
        &[],
        &[("\x1b[31mx", "3")],
        "unknown configuration key \"\\u{1b}[31mx\" (flag -c); `klamm serve --help` lists all keys",
    );
    check(
        "",
        &[("KLAMM_NUM_PARTITIONS", "many")],
        &[],
        "num.partitions is \"many\" (environment variable KLAMM_NUM_PARTITIONS); \
         expected a whole number from 1 to 10000",
    );
    check(
        "klamm.storage.class = 'tape'",
        &[],
        &[],
        "klamm.storage.class is \"tape\" (klamm.toml, line 1); expected one of disk, memory",
    );
    check(
        "'num.partitions' = 3\nnum.partitions = 4",
        &[],
        &[],
        "\"num.partitions\" is set twice (klamm.toml, line 1; klamm.toml, line 2); keep one of them",
    );
    check(
        "listen = ['a']",
        &[],
        &[],
        "\"listen\" has the type array (klamm.toml, line 1); expected a text, a number or a boolean",
    );
    check(
        "message.max.bytes = '1g'",
        &[],
        &[],
        "message.max.bytes (klamm.toml, line 1): a message could not be sent: it must not be above \
         socket.request.max.bytes (default)",
    );
    assert!(refusal("a = 1\nb = ", &[], &[]).starts_with("klamm.toml, line 2: not valid TOML: "));
    let both = ["max.connections = 5", "max.connections.per.ip = 2"];
    for file in [both.join("\n"), format!("{}\n{}", both[1], both[0])] {
        let error = refusal(&file, &[], &[]);
        assert!(error.starts_with("klamm.toml, line 2: ") && error.contains("in quotes"), "{error}");
    }
    let quoted = "\"max.connections\" = 5\nmax.connections.per.ip = 2";
    let config = load(quoted, &[], &[]).unwrap();
    assert_eq!((config.max_connections, config.max_connections_per_ip), (5, 2));
}

#[test]
fn values() {
    const BYTES: Kind = Kind::Bytes { min: 0, max: i64::MAX };
    let check = |kind: Kind, text: &str, expected: Option<i64>| {
        assert_eq!(kind.read(text), expected.map(Value::Int), "{text}");
    };
    for (text, expected) in
        [("0", Some(0)), ("10k", Some(10_240)), ("64MiB", Some(64 << 20)), ("2 g", Some(2 << 30))]
    {
        check(BYTES, text, expected);
    }
    for text in ["", "k", "10kb", "1.5M", "-1", "99999999999G", "1 000", "--1", "0x10"] {
        check(BYTES, text, None);
    }
    let millis = Kind::Millis { min: 0, max: i64::MAX };
    for (text, expected) in [("10", Some(10)), ("10s", Some(10_000)), ("2min", Some(120_000)), ("1m", None)] {
        check(millis, text, expected);
    }
    let good = |kind: Kind, text: &str| kind.read(text).is_some();
    for text in ["127.0.0.1:0", "[::1]:9092", "localhost:9092", "broker-1.example.com:65535"] {
        assert!(good(Kind::Address, text), "{text}");
    }
    for text in ["", "9092", ":9092", "a:", "a:65536", "a b:1", "::1:9092", "[x]:1", "a:+1", "a\n:1"] {
        assert!(!good(Kind::Address, text), "{text}");
    }
    assert!(good(Kind::OptionalAddress, "") && !good(Kind::OptionalAddress, "a:0"));
    for text in ["info", "off", "warn,klamm_net=debug", "klamm_net::server=trace"] {
        assert!(good(Kind::LogFilter, text), "{text}");
    }
    for text in ["", "loud", "info,", "klamm=", "=info"] {
        assert!(!good(Kind::LogFilter, text), "{text}");
    }
}

#[test]
fn what_kubernetes_sets_is_passed_over() {
    let environment = [
        ("KLAMM_SERVICE_HOST", "10.0.0.1"),
        ("KLAMM_SERVICE_PORT", "9092"),
        ("KLAMM_SERVICE_PORT_KAFKA", "9092"),
        ("KLAMM_PORT", "tcp://10.0.0.1:9092"),
        ("KLAMM_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
        ("KLAMM_PORT_9092_TCP_ADDR", "10.0.0.1"),
        ("KLAMM_0_PORT_9092_TCP_PROTO", "tcp"),
        ("KLAMM_CONFIG", "klamm.toml"),
    ];
    assert_eq!(load("", &environment, &[]), Ok(Config::default()));
    assert!(load("", &[("KLAMM_PORT", "9092")], &[]).is_err());
}

#[test]
fn what_tools_read_is_passed_over() {
    let names = [
        "KLAMM_BOOTSTRAP",
        "KLAMM_BIN",
        "KLAMM_CACHE",
        "KLAMM_CONFORMANCE_BOOTSTRAP",
        "KLAMM_ORACLE_DIR",
        "KLAMM_ORACLE_JVM",
        "KLAMM_ORACLE_PROPERTIES",
    ];
    assert_eq!(load("", &names.map(|name| (name, "any")), &[]), Ok(Config::default()));
    for name in ["KLAMM_CACHES", "KLAMM_ORACLE", "KLAMM_BINS"] {
        assert!(load("", &[(name, "any")], &[]).is_err(), "{name}");
    }
    assert!(
        KEYS.iter().all(|key| !names.contains(&variable_of(key.name).as_str())),
        "a key is not passed over"
    );
}
