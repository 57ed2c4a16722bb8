//! The programs that speak to a broker, by the names of `conformance/client`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Read, Record, process};

/// Every compression that producers have.
pub const COMPRESSIONS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

const LIMIT: Duration = Duration::from_secs(90);

/// A program that speaks to a broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tool {
    /// kafka-python: pure Python.
    KafkaPython,
    /// confluent-kafka: the newest librdkafka.
    Confluent,
    /// aiokafka: asyncio, its own codec.
    Aiokafka,
    /// kafkajs: old, non-flexible versions of the protocol.
    Kafkajs,
    /// Kafka's own client.
    Java,
    /// franz-go: Go.
    FranzGo,
    /// sarama: Go, the older one.
    Sarama,
    /// Debian's kcat: an old librdkafka.
    Kcat,
    /// kafka-console-producer.
    ConsoleProducer,
    /// kafka-console-consumer.
    ConsoleConsumer,
    /// Many runs of Kafka's own tools in one JVM; takes commands, `{"do": "tool", …}`.
    JavaTools,
    /// kafka-topics.
    Topics,
}

impl Tool {
    /// Those that take commands ([`crate::Client`]).
    pub const CLIENTS: [Tool; 7] = [
        Tool::KafkaPython,
        Tool::Confluent,
        Tool::Aiokafka,
        Tool::Kafkajs,
        Tool::Java,
        Tool::FranzGo,
        Tool::Sarama,
    ];

    /// How it is started: arguments are still to be added.
    pub fn command(self) -> Command {
        let name = match self {
            Tool::KafkaPython => "kafka-python",
            Tool::Confluent => "confluent",
            Tool::Aiokafka => "aiokafka",
            Tool::Kafkajs => "kafkajs",
            Tool::Java => "java",
            Tool::FranzGo => "franz-go",
            Tool::Sarama => "sarama",
            Tool::Kcat => "kcat",
            Tool::ConsoleProducer => "console-producer",
            Tool::ConsoleConsumer => "console-consumer",
            Tool::JavaTools => "java-tools",
            Tool::Topics => "topics",
        };
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("client"));
        command.arg(name);
        command
    }

    /// Runs it to its end with `arguments` and `input`; gives its output.
    ///
    /// # Panics
    /// When it fails or takes longer than 90 s.
    pub fn run(self, arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
        let mut command = self.command();
        command.args(arguments);
        process::run(command, input, LIMIT).expect_success(&format!("{self:?} {arguments:?}"))
    }

    /// What it can send of `record`.
    pub fn sendable(self, record: Record) -> Record {
        match self {
            Tool::KafkaPython | Tool::Kafkajs => record.without_null_headers(),
            _ => record,
        }
    }
}

/// kcat's format for [`kcat_line`].
pub const KCAT_FORMAT: &str = "%o %K %S|%k|%s|%h\n";

/// How kcat shows a record in [`KCAT_FORMAT`].
pub fn kcat_line(read: &Read) -> Vec<u8> {
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(-1, |b| b.len() as i64);
    let Record { key, value, headers, .. } = &read.record;
    let mut line = format!("{} {} {}|", read.offset, length(key), length(value)).into_bytes();
    line.extend(key.iter().flatten());
    line.push(b'|');
    line.extend(value.iter().flatten());
    line.push(b'|');
    // kcat shows a header's value as a C string: up to its first NUL.
    let up_to_nul = |bytes: &Vec<u8>| bytes.split(|&byte| byte == 0).next().map(<[u8]>::to_vec);
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.clone(), value.as_ref().and_then(up_to_nul))).collect();
    line.extend(headers_shown(&headers, b'='));
    line.push(b'\n');
    line
}

/// The formatter's properties for [`console_line`].
pub const CONSOLE_FORMAT: [&str; 5] =
    ["print.offset=true", "print.headers=true", "print.key=true", "null.literal=NULL", "key.separator=\t"];

/// How the console consumer shows a record with [`CONSOLE_FORMAT`].
pub fn console_line(read: &Read) -> Vec<u8> {
    let Record { key, value, headers, .. } = &read.record;
    let mut line = format!("Offset:{}\t", read.offset).into_bytes();
    line.extend(if headers.is_empty() { b"NO_HEADERS".to_vec() } else { headers_shown(headers, b':') });
    for part in [key, value] {
        line.push(b'\t');
        line.extend(part.as_deref().unwrap_or(b"NULL"));
    }
    line.push(b'\n');
    line
}

fn headers_shown(headers: &[(String, Option<Vec<u8>>)], between: u8) -> Vec<u8> {
    let shown = |(name, value): &(String, Option<Vec<u8>>)| {
        [name.as_bytes(), &[between], value.as_deref().unwrap_or(b"NULL")].concat()
    };
    headers.iter().map(shown).collect::<Vec<_>>().join(&b',')
}
