//! The library starts and stops several brokers in one process, on one thread too.
#![allow(clippy::disallowed_methods, reason = "a test takes an address of its own")]

use std::net::SocketAddr;

use klamm::{Config, Env, Klamm, StartError};
use klamm_protocol::{
    Decode as _, Decoder, MetadataRequest, MetadataResponse, decode_response_header, encode_request_frame,
    metadata::MetadataRequestTopic,
};
use klamm_testing::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

fn config(folder: &TempDir) -> Config {
    let (listen, data) = ("127.0.0.1:0".to_owned(), folder.path().to_owned());
    Config { listen, data, klamm_journal_file_bytes: 1 << 20, ..Config::default() }
}

/// Asks for a topic, which makes it; gives the address that the answer names.
async fn metadata(address: SocketAddr, topic: &str) -> String {
    let topics = vec![MetadataRequestTopic { name: Some(topic.into()), ..Default::default() }];
    let request =
        MetadataRequest { topics: Some(topics), allow_auto_topic_creation: true, ..Default::default() };
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&encode_request_frame(12, 1, Some("facade"), &request).unwrap().concat()).await.unwrap();
    let mut frame = vec![0; stream.read_u32().await.unwrap() as usize];
    stream.read_exact(&mut frame).await.unwrap();
    let mut decoder = Decoder::trusting(&frame);
    decode_response_header(&mut decoder, <MetadataRequest<'_> as klamm_protocol::Message>::API, 12).unwrap();
    let response: <MetadataRequest<'_> as klamm_protocol::Request>::Response<'_> =
        MetadataResponse::decode_all(decoder, 12).unwrap();
    assert!(response.topics[0].error_code.is_ok());
    format!("{}:{}", response.brokers[0].host, response.brokers[0].port)
}

#[tokio::test]
async fn several_brokers_in_one_process() {
    let (one, two) = (TempDir::new(), TempDir::new());
    let first = Klamm::start(config(&one), Env::os()).await.unwrap();
    let second = Klamm::start(config(&two), Env::os()).await.unwrap();
    assert_eq!(metadata(first.address(), "a").await, first.address().to_string());
    assert_eq!(metadata(second.address(), "b").await, second.address().to_string());
    assert_eq!(metadata(second.address(), "c").await, second.address().to_string());
    assert_eq!((first.topic_count(), second.topic_count()), (1, 2));

    let taken = Klamm::start(config(&two), Env::os()).await.err().expect("the folder is in use");
    assert!(matches!(taken, StartError::Folder(_)), "{taken}");
    second.stop().await;
    let second = Klamm::start(config(&two), Env::os()).await.unwrap();
    assert_eq!(second.topic_count(), 2, "what was made is there again");
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let folder = TempDir::new();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config { listen: socket.local_addr().unwrap().to_string(), ..config(&folder) };
    let error = Klamm::start(config, Env::os()).await.err().expect("the address is taken").to_string();
    assert!(error.contains("another process listens there"), "{error}");
}
