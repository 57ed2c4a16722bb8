//! Headers and frames: which header version goes with which API, and the facts of the table of APIs.

use klamm_protocol::*;

#[test]
fn a_request_and_its_answer() {
    for version in ApiKey::Heartbeat.versions() {
        let request = HeartbeatRequest { group_id: "g".into(), ..Default::default() };
        let frame = encode_request_frame(version, 77, Some("client"), &request).expect("fits").concat();
        assert_eq!(frame[..4], (frame.len() as i32 - 4).to_be_bytes());
        let mut d = Decoder::new(&frame[4..]);
        let header = decode_request_header(&mut d).expect("own bytes");
        assert_eq!((header.api(), header.api_version), (Ok(ApiKey::Heartbeat), version));
        assert_eq!((header.correlation_id, header.client_id.as_deref()), (77, Some("client")));
        assert_eq!(HeartbeatRequest::decode_all(d, version), Ok(request));

        let response = HeartbeatResponse { error_code: ErrorCode::UNKNOWN_MEMBER_ID, ..Default::default() };
        let frame = encode_response_frame(version, 77, &response).expect("fits").concat();
        assert_eq!(frame[..4], (frame.len() as i32 - 4).to_be_bytes());
        let mut d = Decoder::new(&frame[4..]);
        let header = decode_response_header(&mut d, ApiKey::Heartbeat, version).expect("own bytes");
        assert_eq!(header.correlation_id, 77);
        assert_eq!(HeartbeatResponse::decode_all(d, version), Ok(response));
    }
}

#[test]
fn header_versions() {
    let versions =
        |api: ApiKey, version| (api.request_header_version(version), api.response_header_version(version));
    assert_eq!(versions(ApiKey::Fetch, 11), (1, 0));
    assert_eq!(versions(ApiKey::Fetch, 12), (2, 1));
    assert_eq!(versions(ApiKey::ApiVersions, 2), (1, 0));
    assert_eq!(versions(ApiKey::ApiVersions, 3), (2, 0));
    assert_eq!(versions(ApiKey::ApiVersions, 99), (2, 0));
    assert_eq!(versions(ApiKey::SaslHandshake, 1), (1, 0));
}

#[test]
fn versions_that_are_not_served() {
    // Metadata v99: the header can be read, the body is refused.
    let mut d = Decoder::new(&[0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff, 0, 1, 2, 3]);
    let header = decode_request_header(&mut d).expect("a header");
    let refused = MetadataRequest::decode_all(d, header.api_version);
    assert_eq!(refused, Err(DecodeError::Version { api: ApiKey::Metadata, version: 99 }));
    let unknown = decode_request_header(&mut Decoder::new(&[0, 4, 0, 0, 0, 0, 0, 1, 0xff, 0xff]));
    assert_eq!(unknown, Err(DecodeError::UnknownApi { key: 4 }));
}

/// The list of `kafka-apis.md`: the broker APIs of Kafka 4.2, stable versions only.
#[test]
fn what_is_served() {
    let listed = "0:3-13 1:4-18 2:1-11 3:0-13 8:2-10 9:1-10 10:0-6 11:0-9 12:0-4 13:0-5 14:0-5 15:0-6 16:0-5 17:0-1 18:0-4 \
        19:2-7 20:1-6 21:0-2 22:0-5 23:2-4 24:0-5 25:0-4 26:0-5 27:1-2 28:0-5 29:1-3 30:1-3 31:1-3 32:1-4 33:0-2 34:1-2 \
        35:1-4 36:0-2 37:0-3 38:1-3 39:1-2 40:1-2 41:1-3 42:0-2 43:0-2 44:0-1 45:0-1 46:0-0 47:0-0 48:0-1 49:0-1 50:0-0 \
        51:0-0 55:0-2 57:0-2 60:0-2 61:0-0 64:0-0 65:0-0 66:0-2 68:0-1 69:0-1 71:0-0 72:0-0 74:0-1 75:0-0 76:1-1 77:1-1 \
        78:1-2 79:1-2 80:0-1 81:0-0 83:0-0 84:0-0 85:0-1 86:0-0 87:0-1 88:0-0 89:0-0 90:0-1 91:0-0 92:0-0";
    let served = ApiKey::ALL.map(|api| format!("{}:{}-{}", api.key(), api.version_min(), api.version_max()));
    assert_eq!(served.join(" "), listed);
    let wider: Vec<_> = ApiKey::ALL.into_iter().filter(|api| api.advertised() != api.versions()).collect();
    assert_eq!((wider, ApiKey::Produce.advertised()), (vec![ApiKey::Produce], 0..=13));
}

#[test]
fn uuids_read_as_kafka_writes_them() {
    assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(Uuid([0xff; 16]).to_string(), "_____________________w");
}
