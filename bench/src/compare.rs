//! The comparison: arguments, order, progress. Every subject has a server on one core, the load another; subjects take
//! turns within a round, so that what changes on the machine meets all of them. A failure is a row of the report.

mod build;
mod ending;
mod machine;
mod measure;
mod once;
mod plot;
mod process;
mod report;
mod server;
mod table;
mod workload;

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use measure::Loader;
use report::{Compared, Measured, Report, Run};
use server::{Launch, Server, Subject};
use workload::{WORKLOADS, Workload};

/// What a broker has done before the first of its own workloads, so that its common ways are compiled.
const WARM_UP: [&str; 3] = ["produce-1k-64p", "small-50c", "tail-1k-64p"];

const EXAMPLES: &str = "\
Examples:
  klamm-bench compare                        everything: about 45 minutes
  klamm-bench compare --quick                a few workloads, one short round: about 3 minutes
  klamm-bench compare --list                 the workloads
  klamm-bench compare --workloads small,tail --rounds 5
  klamm-bench compare --json out.json --plot out.svg --markdown out.md

Run it on a machine that has nothing else to do: two cores are all it uses. It needs taskset (util-linux), a C
compiler (librdkafka, and the library that slows syncs) and, for Apache Kafka, Java 17. What is missing is built or installed at
the first run. Ratios of one run say something; figures of different machines or days do not.";

/// What the comparison is told.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A few workloads, one round, one second each; less is read and fewer partitions are made.
    #[arg(long)]
    quick: bool,
    /// Only workloads whose names begin with one of these.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    workloads: Vec<String>,
    /// Only these subjects.
    #[arg(long, value_delimiter = ',', value_enum, value_name = "SUBJECTS")]
    subjects: Vec<Subject>,
    /// How often each workload meets each subject [default: 3; quick: 1].
    #[arg(long)]
    rounds: Option<usize>,
    /// How long each run takes [default: 3; quick: 1].
    #[arg(long)]
    seconds: Option<f64>,
    /// Leave out what is measured once: start, idle memory, connections, partitions.
    #[arg(long)]
    no_once: bool,
    /// Print the workloads and stop.
    #[arg(long)]
    list: bool,
    /// A klamm binary [default: a release build of this checkout].
    #[arg(long, value_name = "FILE")]
    klamm: Option<PathBuf>,
    /// The folder for all data, on the disk to be measured; a new one below it is used and removed.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// The core of the servers.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The core of the loads.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Write everything that was found as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the plot (SVG).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Write the report as Markdown, as it is printed.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

impl Args {
    fn chosen(&self) -> Vec<&'static Workload> {
        let named = |workload: &Workload| self.workloads.iter().any(|name| workload.name.starts_with(name));
        let wanted = |workload: &&Workload| {
            if self.workloads.is_empty() { !self.quick || workload.quick } else { named(workload) }
        };
        WORKLOADS.iter().filter(wanted).collect()
    }

    fn subjects(&self) -> Vec<Subject> {
        Subject::ALL.into_iter().filter(|s| self.subjects.is_empty() || self.subjects.contains(s)).collect()
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(if self.quick { 1.0 } else { 3.0 })
    }

    fn by_size<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Runs it. Fails if a workload failed against every subject, or nothing could be prepared.
pub(crate) fn run(args: &Args) -> io::Result<ExitCode> {
    let chosen = args.chosen();
    if args.list || chosen.is_empty() {
        WORKLOADS.iter().for_each(|workload| println!("{:26}{}", workload.name, workload.about()));
        return Ok(if args.list { ExitCode::SUCCESS } else { ExitCode::from(2) });
    }
    let folder = args.folder.join(format!("klamm-compare-{}", std::process::id()));
    ending::on_signal(&folder)?;
    fs::create_dir_all(&folder)?;
    let found = Comparison::new(args, folder.clone()).and_then(|comparison| comparison.run(&chosen));
    let removed = fs::remove_dir_all(&folder);
    let report = found?;
    removed?;
    let text = table::markdown(&report);
    println!("{text}");
    if let Some(path) = &args.markdown {
        fs::write(path, &text)?;
    }
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_vec_pretty(&report).map_err(io::Error::other)?)?;
    }
    if let Some(path) = &args.plot {
        fs::write(path, plot::svg(&report))?;
    }
    let failed = report.workloads.iter().any(|w| w.subjects.iter().all(|s| s.runs.is_empty()));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Comparison<'a> {
    args: &'a Args,
    launch: Launch,
    loader: Loader,
    /// The library that slows syncs.
    slow_sync: PathBuf,
    began: Instant,
}

/// The brokers that run.
#[derive(Default)]
struct Running {
    klamm: Option<Server>,
    kafka: Option<Server>,
    topics: usize,
}

impl<'a> Comparison<'a> {
    fn new(args: &'a Args, folder: PathBuf) -> io::Result<Self> {
        // 10,000 connections, and as many partitions, need descriptors; children inherit the limit.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)?;
        let built = build::all(args.klamm.clone(), &folder)?;
        let launch = Launch {
            core: args.server_core,
            klamm: built.klamm,
            floor: built.floor,
            kafka: built.kafka,
            slow_sync: None,
            folder,
        };
        let loader = Loader {
            core: args.load_core,
            raw: built.load,
            librdkafka: built.librdkafka,
            seconds: args.seconds(),
            tail_bytes: 32 << 20,
            cold_bytes: args.by_size(128 << 20, 512 << 20),
        };
        Ok(Self { args, launch, loader, slow_sync: built.slow_sync, began: Instant::now() })
    }

    fn run(&self, chosen: &[&'static Workload]) -> io::Result<Report> {
        let machine = machine::describe(&self.launch.folder);
        self.say("the page cache is warmed");
        machine::warm_page_cache(&self.launch.folder, self.args.by_size(1 << 30, 4 << 30))?;
        let mut disk = self.disk()?;
        let mut once = Vec::new();
        if !self.args.no_once {
            let (connections, partitions) = self.args.by_size((2_000, 1_000), (10_000, 10_000));
            let mut measure = |subject: Subject, start: &dyn Fn() -> io::Result<Server>| {
                if self.args.subjects().contains(&subject) {
                    self.say(&format!("start, memory, connections, partitions: {}", subject.name()));
                    once.push(once::measure(subject.name(), connections, partitions, start));
                }
            };
            measure(Subject::Klamm, &|| self.launch.klamm());
            measure(Subject::Kafka, &|| self.launch.kafka());
        }
        let mut workloads = Vec::new();
        for slow in [false, true] {
            let launch = Launch { slow_sync: slow.then(|| self.slow_sync.clone()), ..self.launch.clone() };
            let chosen: Vec<_> = chosen.iter().filter(|workload| workload.slow_sync == slow).collect();
            let mut running = Running::default();
            for name in WARM_UP.iter().filter(|_| !chosen.is_empty()) {
                let workload = WORKLOADS.iter().find(|workload| workload.name == *name).expect("a row");
                self.warm_up(&launch, &mut running, workload, self.args.by_size(1.0, 5.0));
            }
            for workload in chosen {
                self.warm_up(&launch, &mut running, workload, self.args.seconds());
                workloads.push(self.compare(&launch, &mut running, workload));
            }
        }
        disk.extend(self.disk()?);
        let commit =
            machine::said("git", &["-C", build::ROOT, "describe", "--always", "--dirty", "--abbrev=12"]);
        Ok(Report {
            command: format!("klamm-bench {}", std::env::args().skip(1).collect::<Vec<_>>().join(" ")),
            commit,
            date: machine::said("date", &["-u", "+%F %H:%M UTC"]),
            machine,
            rounds: self.args.rounds(),
            seconds: self.args.seconds(),
            disk,
            workloads,
            once,
        })
    }

    fn disk(&self) -> io::Result<Vec<report::Disk>> {
        [4 << 10, 16 << 10, 1 << 20]
            .into_iter()
            .map(|bytes| machine::disk(&self.launch.folder, bytes))
            .collect()
    }

    /// A JVM compiles what it has run for a while, so it is not measured before.
    fn warm_up(&self, launch: &Launch, running: &mut Running, workload: &Workload, seconds: f64) {
        let loader = Loader { seconds, ..self.loader.clone() };
        for subject in [Subject::Klamm, Subject::Kafka] {
            let either = subject == Subject::Kafka && self.args.subjects().contains(&Subject::KafkaFlush);
            if either || self.args.subjects().contains(&subject) {
                self.say(&format!("warming up: {}, {}", workload.name, subject.name()));
                if let Err(error) = running.run(launch, &loader, workload, subject) {
                    self.say(&format!("  failed: {error}"));
                }
            }
        }
    }

    fn compare(&self, launch: &Launch, running: &mut Running, workload: &Workload) -> Compared {
        let mut results: BTreeMap<Subject, Vec<Result<Run, String>>> = BTreeMap::new();
        let mut like = None;
        for round in 0..self.args.rounds() {
            for subject in self.args.subjects() {
                let result = match (subject, &like) {
                    (Subject::Floor, None) => Err(io::Error::other("no broker's run came before it")),
                    (Subject::Floor, Some(like)) => self.loader.floor(workload, launch, like),
                    _ => running.run(launch, &self.loader, workload, subject),
                };
                let line = match &result {
                    Ok(Run { outcome, .. }) => format!(
                        "{:.0} MB/s, {:.0} requests/s, {:.2} CPU s/GB",
                        outcome.bytes as f64 / 1e6 / outcome.seconds,
                        outcome.requests as f64 / outcome.seconds,
                        outcome.server_cpu_s / (outcome.bytes as f64 / 1e9)
                    ),
                    Err(error) => format!("failed: {error}"),
                };
                self.say(&format!("{} {}: {}: {line}", workload.name, round + 1, subject.name()));
                if let (Ok(run), true) = (&result, subject != Subject::Floor) {
                    // What the first subject's load sent: the floor moves frames of that size.
                    like.get_or_insert(run.outcome);
                }
                results.entry(subject).or_default().push(result.map_err(|error| error.to_string()));
            }
        }
        Compared {
            name: workload.name.to_owned(),
            about: workload.about(),
            by_request: workload.by_request,
            subjects: results.into_iter().map(|(subject, runs)| Measured::new(subject, runs)).collect(),
        }
    }

    fn say(&self, what: &str) {
        eprintln!("{:5.0} s  {what}", self.began.elapsed().as_secs_f64());
    }
}

impl Running {
    /// A run against a broker, which is started if it does not run.
    fn run(
        &mut self,
        launch: &Launch,
        loader: &Loader,
        workload: &Workload,
        subject: Subject,
    ) -> io::Result<Run> {
        let place = if subject == Subject::Klamm { &mut self.klamm } else { &mut self.kafka };
        if !place.as_ref().is_some_and(Server::alive) {
            *place = None; // removes what a dead one left
            let server = if subject == Subject::Klamm { launch.klamm()? } else { launch.kafka()? };
            server.create_topic("there", 1, &[], Duration::from_secs(60))?;
            *place = Some(server);
        }
        self.topics += 1;
        let topic = format!("{}-{}", workload.name, self.topics);
        loader.broker(workload, subject, place.as_ref().expect("started above"), &topic)
    }
}
