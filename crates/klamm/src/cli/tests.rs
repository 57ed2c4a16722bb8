//! Command lines and what they mean.

use klamm_env::Env;

use std::path::PathBuf;

use klamm::{Config, config::KEYS};

use super::*;

fn serve(line: &str) -> ServeArgs {
    match parse(line.split_whitespace().map(OsString::from)) {
        Ok(Invocation { command: Command::Serve(serve), .. }) => serve,
        Ok(other) => panic!("{other:?}"),
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
    assert!(error.starts_with("klamm: can't read the configuration file /nowhere/klamm.toml: "), "{error}");
    let error = load("klamm", &[("KLAMM_CONFIG", "/nowhere/k.toml")]).await.unwrap_err();
    assert!(error.contains("/nowhere/k.toml"), "{error}");
    let error = load("klamm --listen 9092", &[]).await.unwrap_err();
    assert!(error.starts_with("klamm: listen is \"9092\" (flag --listen); expected HOST:PORT"), "{error}");
    assert!(stop("klamm --lisen x").starts_with("klamm: unexpected argument '--lisen' found"));
    assert!(stop("klamm -c x").contains("expected KEY=VALUE"));
    assert!(stop("klamm --listen a:1 topic list").contains("go behind the command"));
    assert!(
        stop("klamm -b a:1").contains("--listen HOST:PORT")
            && stop("klamm serve -b a:1").contains("--listen")
    );
    assert!(stop("klamm consume t -o x").contains("expected beginning, end, stored"));
    assert!(stop("klamm consume t -p 1 --group g").contains("cannot be used with"));
    assert!(stop("klamm sreve").starts_with("klamm: unrecognized subcommand"));
}

#[test]
fn commands_are_understood() {
    for line in [
        "klamm topic create t -p 3 -r 1 -c a=b -c c=d",
        "klamm -b a:1 topic list --all -o json",
        "klamm topic list -b a:1",
        "klamm topic alter t --delete-config x",
        "klamm produce t -K : -H a=b -H c -p 0 -z zstd -D ; -Z f1 f2",
        "klamm produce t -J -a 1",
        "klamm consume t -p 0 -o -5 -e -c 3 -f %s",
        "klamm consume t --group g --from-beginning --json",
        "klamm group reset g --topic t --to offset 5 --execute",
        "klamm group reset g --topic t --to latest",
        "klamm config print --config f -c a=b -o json",
        "klamm dev --listen a:0 -c num.partitions=3",
    ] {
        if let Err(stop) = parse(line.split_whitespace().map(OsString::from)) {
            panic!("{line}: {stop}");
        }
    }
}

#[test]
fn help_teaches() {
    for command in [
        "topic create",
        "topic list",
        "topic describe",
        "topic alter",
        "topic delete",
        "produce",
        "consume",
        "group list",
        "group describe",
        "group lag",
        "group reset",
        "group delete",
        "config print",
        "config check",
        "dev",
    ] {
        assert!(stop(&format!("klamm {command} --help")).contains("Examples:"), "{command}");
    }
    // Whether lines are wrapped depends on the features that clap is built with.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let help = words(&stop("klamm serve --help"));
    for key in KEYS {
        assert!(help.contains(key.name) && help.contains(&words(key.doc())), "{}", key.name);
    }
    assert!(stop("klamm --help").contains("Examples:"));
    assert!(stop("klamm --version").contains(env!("CARGO_PKG_VERSION")));
}
