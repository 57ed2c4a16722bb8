//! What was found, as it goes to JSON; from runs to spreads.

use klamm_bench::outcome::{Outcome, Quantiles};
use serde::Serialize;

use super::server::Subject;

/// Everything.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) command: String,
    pub(crate) commit: String,
    pub(crate) date: String,
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    /// The disk's own time for a write and fdatasync, before and after the workloads.
    pub(crate) disk: Vec<Disk>,
    pub(crate) workloads: Vec<Compared>,
    pub(crate) once: Vec<Once>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    pub(crate) file_system: String,
    /// Of the last minute, before the run.
    pub(crate) load_average: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Disk {
    pub(crate) write_bytes: usize,
    pub(crate) sync_us: Quantiles,
}

/// A workload against all subjects.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) about: String,
    /// Whether the cost counts by request, not by byte.
    pub(crate) by_request: bool,
    pub(crate) subjects: Vec<Measured>,
}

/// A workload against one subject.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) subject: Subject,
    pub(crate) runs: Vec<Run>,
    /// Why a run failed.
    pub(crate) errors: Vec<String>,
    pub(crate) spread: Option<Spreads>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    /// The server's largest resident memory in this run.
    pub(crate) peak_bytes: Option<u64>,
}

/// The least, the middle and the most of the rounds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spreads {
    pub(crate) cpu_s_per_gb: Spread,
    pub(crate) cpu_s_per_million_requests: Spread,
    pub(crate) mb_per_s: Spread,
    pub(crate) records_per_s: Spread,
    pub(crate) requests_per_s: Spread,
    /// CPU seconds of the load by second: near 1 the load was the limit.
    pub(crate) load_busy: Spread,
    pub(crate) peak_mb: Option<Spread>,
    pub(crate) answer_ms: Option<[Spread; 3]>,
    pub(crate) end_to_end_ms: Option<[Spread; 3]>,
}

/// What is measured once, on a server of its own.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Once {
    pub(crate) subject: String,
    pub(crate) start_to_first_answer_ms: Option<f64>,
    pub(crate) idle_mb: Option<f64>,
    pub(crate) connections: usize,
    pub(crate) connections_mb: Option<f64>,
    pub(crate) partitions: i32,
    pub(crate) partitions_create_s: Option<f64>,
    pub(crate) partitions_mb: Option<f64>,
    pub(crate) errors: Vec<String>,
}

impl Spread {
    /// Of some values; none if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let median = match values.len() {
            0 => return None,
            count if count % 2 == 1 => values[count / 2],
            count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
        };
        Some(Self { min: values[0], median, max: *values.last()? })
    }
}

impl Measured {
    pub(crate) fn new(subject: Subject, results: Vec<Result<Run, String>>) -> Self {
        let (mut runs, mut errors) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(run) => runs.push(run),
                Err(error) => errors.push(error),
            }
        }
        let spread = Spreads::of(&runs);
        Self { subject, runs, errors, spread }
    }
}

impl Spreads {
    fn of(runs: &[Run]) -> Option<Self> {
        let over = |value: fn(&Outcome) -> f64| Spread::of(runs.iter().map(|run| value(&run.outcome)));
        let times = |times: fn(&Outcome) -> Option<Quantiles>| {
            let each = |value: fn(Quantiles) -> u32| {
                Spread::of(runs.iter().filter_map(|run| Some(f64::from(value(times(&run.outcome)?)) / 1e3)))
            };
            Some([each(|us| us.p50)?, each(|us| us.p99)?, each(|us| us.p999)?])
        };
        Some(Self {
            cpu_s_per_gb: over(|o| o.server_cpu_s / (o.bytes as f64 / 1e9))?,
            cpu_s_per_million_requests: over(|o| o.server_cpu_s / (o.requests as f64 / 1e6))?,
            mb_per_s: over(|o| o.bytes as f64 / 1e6 / o.seconds)?,
            records_per_s: over(|o| o.records as f64 / o.seconds)?,
            requests_per_s: over(|o| o.requests as f64 / o.seconds)?,
            load_busy: over(|o| o.load_cpu_s / o.seconds)?,
            peak_mb: Spread::of(runs.iter().filter_map(|run| Some(run.peak_bytes? as f64 / 1e6))),
            answer_ms: times(|o| o.answer_us),
            end_to_end_ms: times(|o| o.end_to_end_us),
        })
    }
}

impl Compared {
    fn of(&self, subject: Subject) -> Option<&Spreads> {
        self.subjects.iter().find(|measured| measured.subject == subject)?.spread.as_ref()
    }

    /// What a workload costs: CPU seconds by GB, or by a million requests.
    pub(crate) fn cost(&self, subject: Subject) -> Option<Spread> {
        let spreads = self.of(subject)?;
        Some(if self.by_request { spreads.cpu_s_per_million_requests } else { spreads.cpu_s_per_gb })
    }

    /// The cost of one subject by that of another, of the medians.
    pub(crate) fn ratio(&self, subject: Subject, to: Subject) -> Option<f64> {
        let ratio = self.cost(subject)?.median / self.cost(to)?.median;
        ratio.is_finite().then_some(ratio)
    }
}
