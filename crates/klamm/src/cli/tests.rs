use klamm_env::Env;

use super::*;

fn serve(line: &str) -> ServeArgs {
    match parse(line.split_whitespace().map(OsString::from)) {
        Ok(Command::Serve(serve)) => serve,
        Err(stop) => panic!("{stop}"),
    }
}

fn stop(line: &str) -> String {
    parse(line.split_whitespace().map(OsString::from)).expect_err("it stops").to_string()
}

async fn load(line: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    serve(line).load(&*Env::os().disk, environment).await.map_err(|error| Stop::from(error).to_string())
}

#[test]
fn alone_is_serve() {
    for line in ["klamm", "klamm serve", "klamm --listen a:1 --data d", "klamm serve --listen a:1 -c x=y"] {
        serve(line);
    }
}

#[tokio::test]
async fn flags_go_before_the_environment() {
    let line = "klamm --listen 0.0.0.0:1 --data d -c num.partitions=6 --set klamm.storage.class=memory";
    let config = load(line, &[("KLAMM_LISTEN", "a:2"), ("KLAMM_NODE_ID", "7")]).await.unwrap();
    assert_eq!((config.listen.as_str(), config.num_partitions, config.node_id), ("0.0.0.0:1", 6, 7));
    assert_eq!(config.sources.of("listen").to_string(), "flag --listen");
    assert_eq!(config.data, PathBuf::from("d"));
}

#[tokio::test]
async fn refusals() {
    let error = load("klamm --config /nowhere/klamm.toml", &[]).await.unwrap_err();
    assert!(error.starts_with("klamm: cannot read the configuration file /nowhere/klamm.toml: "), "{error}");
    let error = load("klamm", &[("KLAMM_CONFIG", "/nowhere/k.toml")]).await.unwrap_err();
    assert!(error.contains("/nowhere/k.toml"), "{error}");
    let error = load("klamm --listen 9092", &[]).await.unwrap_err();
    assert!(error.starts_with("klamm: listen is \"9092\" (flag --listen); expected HOST:PORT"), "{error}");
    assert!(stop("klamm --lisen x").starts_with("klamm: unexpected argument '--lisen' found"));
    assert!(stop("klamm -c x").contains("expected KEY=VALUE"));
    assert!(stop("klamm sreve").starts_with("klamm: unrecognized subcommand"));
}

#[test]
fn help_teaches() {
    let help = stop("klamm serve --help");
    for key in KEYS {
        assert!(help.contains(key.name) && help.contains(key.doc()), "{}", key.name);
    }
    assert!(stop("klamm --help").contains("Examples:"));
    assert!(stop("klamm --version").contains(env!("CARGO_PKG_VERSION")));
}
