//! What Metadata says of where the broker is. Of `klamm` only.

use klamm_conformance::{Raw, Server};
use klamm_protocol::MetadataRequest;

fn told(server: &Server, connect: &str) -> (String, i32) {
    let mut raw = Raw::connect(connect);
    let answer = raw.ask(9, &MetadataRequest { topics: Some(vec![]), ..Default::default() });
    assert_eq!(answer.brokers.len(), 1, "{}", server.addr());
    (answer.brokers[0].host.to_string(), answer.brokers[0].port)
}

#[test]
fn the_address_by_which_a_client_came() {
    let server = Server::start_on("0.0.0.0:0", &[]);
    let port: i32 = server.addr().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
    for host in ["127.0.0.1", "127.0.0.2"] {
        assert_eq!(told(&server, &format!("{host}:{port}")), (host.to_owned(), port));
    }
}

#[test]
fn the_address_that_is_configured() {
    for (configured, host, port) in
        [("broker.example:19092", "broker.example", 19092), ("[::1]:19092", "::1", 19092)]
    {
        let server = Server::start(&["-c", &format!("advertised.address={configured}")]);
        assert_eq!(told(&server, server.addr()), (host.to_owned(), port));
    }
}
