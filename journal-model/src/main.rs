//! The command line of the journal model. Exit code 0: nothing is violated; 1: a trace was found; 2: bad usage.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use klamm_journal_model::{Bounds, Outcome, Report, Rule, Rules, search, trace};

const USAGE: &str = "\
Searches all runs of the journal's protocol within bounds and prints a shortest run that breaks it, if there is one.

Usage: klamm-journal-model [OPTIONS]

  --brokers N       processes that contend for the shard, 1 to 3        [2]
  --takeovers N     Takeovers that are put, failing ones included       [2]
  --trims N         checkpoints, each followed by a trim                [1]
  --appends N       normal entries that are appended                    [2]
  --in-flight N     puts that an owner has in flight at once            [2]
  --faults N        acknowledged entries that the carrier loses or damages  [0]
  --ahead N         keys that a scan reads before the one that comes next, 0 to 2  [0]
  --states-max N    give up beyond this many states; 100 million need about 4 GiB  [30000000]
  --without RULE    switch a rule off; may be repeated
  --quiet           no line for each depth
  --help            this text

Rules, and what happens without them:
";

struct Options {
    bounds: Bounds,
    rules: Rules,
    quiet: bool,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print_usage();
            return ExitCode::SUCCESS;
        }
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::from(2);
        }
    };
    #[expect(clippy::disallowed_methods, reason = "a tool of its own; the time is only printed")]
    let start = Instant::now();
    let report = search(options.rules, options.bounds, |depth, states| {
        if !options.quiet {
            eprintln!("depth {depth}: {states} states");
        }
    });
    print_report(&report, start.elapsed())
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options { bounds: Bounds::default(), rules: Rules::ALL, quiet: false };
    let bounds = &mut options.bounds;
    while let Some(flag) = args.next() {
        if flag == "--help" || flag == "-h" {
            return Ok(None);
        }
        if flag == "--quiet" {
            options.quiet = true;
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{flag} needs a value; see --help"))?;
        match flag.as_str() {
            "--brokers" => bounds.brokers = number(&flag, &value)?.into(),
            "--takeovers" => bounds.takeovers = number(&flag, &value)?,
            "--trims" => bounds.trims = number(&flag, &value)?,
            "--appends" => bounds.appends = number(&flag, &value)?,
            "--in-flight" => bounds.in_flight = number(&flag, &value)?,
            "--faults" => bounds.faults = number(&flag, &value)?,
            "--ahead" => bounds.ahead = number(&flag, &value)?,
            "--states-max" => bounds.states_max = value.parse().map_err(|_| bad(&flag, &value))?,
            "--without" => options.rules = options.rules.without(value.parse::<Rule>()?),
            _ => return Err(format!("{flag} is not known; see --help")),
        }
    }
    match bounds.refusal() {
        Some(reason) => Err(reason.to_string()),
        None => Ok(Some(options)),
    }
}

fn number(flag: &str, value: &str) -> Result<u8, String> {
    value.parse::<u8>().ok().filter(|n| *n < 16).ok_or_else(|| bad(flag, value))
}

fn bad(flag: &str, value: &str) -> String {
    format!("{flag} takes a small number, not {value:?}")
}

fn print_usage() {
    print!("{USAGE}");
    for rule in Rule::ALL {
        println!("  {:<20} {}", rule.name(), rule.without());
    }
}

fn print_report(report: &Report, elapsed: Duration) -> ExitCode {
    println!("{} states, depth {}, {:.1} s", report.states, report.depth, elapsed.as_secs_f64());
    if let Some(depth) = report.witness_depth {
        println!("after a takeover and a trim, a scan sees newly acknowledged entries from depth {depth} on");
    }
    match &report.outcome {
        Outcome::Holds => println!("complete: nothing is violated"),
        Outcome::Unfinished => println!("unfinished: nothing is violated so far"),
        Outcome::Broken { violation, actions } => {
            for (at, line) in trace::lines(&report.model, actions).iter().enumerate() {
                println!("{:>3}. {line}", at + 1);
            }
            println!("violated: {violation}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
