//! The first inputs: well-formed ones, from which a fuzzer sets out. `cargo run -p klamm-fuzz --bin seeds` writes them.

use klamm::config::KEYS;
use klamm_protocol::{
    ApiKey, Encode, Encoder, encode_request_frame,
    sample::{Gen, Sample as _},
};
use klamm_records::{BatchBuilder, Codec, Compression, compress};

/// An input: the target's name, a name, the bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Seed> {
    let mut seeds = messages();
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new(Compression::of(codec)).producer(1, 0, 0);
        (0..3).for_each(|at| builder.push(at, Some(b"key"), Some(b"value"), &[(b"name", Some(b"said"))]));
        let batch = builder.build().expect("it is built");
        seeds.push(("batch", codec.name().to_owned(), batch.to_vec()));
        let payload = compress(Compression::of(codec), &[b'a'; 3000]).expect("it is compressed");
        let codec_byte = Codec::ALL.iter().position(|each| *each == codec).expect("it is one") as u8;
        seeds.push(("decompress", codec.name().to_owned(), [&[codec_byte][..], &payload].concat()));
    }
    for (name, image, _) in crate::images() {
        seeds.push(("journal", name.to_owned(), [&[0][..], &image].concat()));
        seeds.push(("journal", format!("{name}-mended"), [&[3][..], &image].concat()));
    }
    seeds.push(("journal", "empty".into(), vec![0]));
    seeds.extend(crate::machines::seeds());
    let layers =
        "listen = \"127.0.0.1:0\"\n[klamm]\nlog = \"warn\"\n\0eKLAMM_NODE_ID=7\0data=/tmp/x\0node.id=8";
    seeds.push(("config", "layers".into(), layers.into()));
    let each = KEYS.iter().filter(|key| !key.default.is_empty());
    let defaults: String = each.map(|key| format!("{:?} = {:?}\n", key.name, key.default)).collect();
    seeds.push(("config", "defaults".into(), defaults.into()));
    seeds
}

macro_rules! samples {
    ($($name:ident $request:ident $response:ident,)*) => {
        fn messages() -> Vec<Seed> {
            let (mut seeds, mut pipelined) = (Vec::new(), vec![9, 0x83]);
            $({
                let api = ApiKey::$name;
                let version = api.version_max();
                let request = klamm_protocol::$request::sample(&mut Gen::new(1), version);
                let response = bytes(&klamm_protocol::$response::sample(&mut Gen::new(1), version), version);
                let frame = encode_request_frame(version, 1, Some("fuzz"), &request).expect("as below").concat();
                seeds.push(("frame", stringify!($name).to_owned(), [&[16, 16][..], &frame].concat()));
                pipelined.extend_from_slice(&frame);
                let number = ApiKey::ALL.iter().position(|each| *each == api).expect("it is one") as u8;
                for (way, body, what) in [(0, &bytes(&request, version), "request"), (1, &response, "response")] {
                    let head = [number, (version - api.version_min()) as u8, way];
                    seeds.push(("message", format!("{}-{what}", stringify!($name)), [&head[..], body].concat()));
                }
            })*
            seeds.push(("frame", "all-in-pieces".to_owned(), pipelined));
            seeds
        }
    };
}

klamm_protocol::for_each_api!(samples);

fn bytes(message: &impl Encode, version: i16) -> Vec<u8> {
    let mut encoder = Encoder::new();
    message.encode(&mut encoder, version).expect("a sample fits its version");
    encoder.finish().concat()
}
