//! The report as Markdown; it is also what the terminal gets.

use std::fmt::Write as _;

use super::{
    report::{Compared, Once, Report, Spread, Spreads},
    server::Subject,
};

/// The whole report.
pub(crate) fn markdown(report: &Report) -> String {
    let mut out = format!(
        "Command: `{}`  \nCommit: {}  \nDate: {}  \nMachine: {}, {} cores, {:.1} GB, {}, {}, load average {} before the run  \n\
         {} rounds of {} s; each cell is the median, in brackets the least and the most.\n",
        report.command,
        report.commit,
        report.date,
        report.machine.processor,
        report.machine.cores,
        report.machine.memory_bytes as f64 / 1e9,
        report.machine.kernel,
        report.machine.file_system,
        report.machine.load_average,
        report.rounds,
        report.seconds,
    );
    out += "\n## Cost by workload\n\nCPU seconds of the server by GB of record values; where marked *, by million requests. \
            Below 1 is less than what it is compared with.\n\n";
    out += &table(&costs(report));
    if !report.once.is_empty() {
        out += "\n## Start and memory\n\n";
        out += &table(&once(&report.once));
    }
    out += "\n## The disk\n\nA write and its `fdatasync` on the same folder, before and after the workloads.\n\n";
    out += &table(&disk(report));
    out += "\n## Every workload\n\n\"load\" is the part of its core that the load itself used: near 1, the load was the limit.\n";
    for workload in &report.workloads {
        let _ = write!(out, "\n**{}**: {}\n\n{}", workload.name, workload.about, table(&rows(workload)));
        for measured in &workload.subjects {
            for error in &measured.errors {
                let _ = writeln!(out, "\n{} failed: {error}", measured.subject.name());
            }
        }
    }
    out
}

/// Rows to an aligned Markdown table; the first is the head.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} |"));
        let _ = writeln!(out, "|{}", cells.collect::<String>());
        if number == 0 {
            let lines = widths.iter().map(|width| format!("-{}-|", "-".repeat(*width)));
            let _ = writeln!(out, "|{}", lines.collect::<String>());
        }
    }
    out
}

fn strings(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn costs(report: &Report) -> Vec<Vec<String>> {
    let mut rows = vec![strings(&[
        "workload",
        "Klamm",
        "Kafka",
        "Kafka, flush",
        "floor",
        "to Kafka",
        "to flush",
        "to floor",
    ])];
    for workload in &report.workloads {
        let mark = if workload.by_request { " *" } else { "" };
        let ratio = |to| workload.ratio(Subject::Klamm, to).map_or_else(dash, |ratio| format!("{ratio:.2}"));
        let mut row = vec![format!("{}{mark}", workload.name)];
        row.extend(Subject::ALL.map(|subject| workload.cost(subject).map_or_else(dash, figure)));
        row.extend([Subject::Kafka, Subject::KafkaFlush, Subject::Floor].map(ratio));
        rows.push(row);
    }
    rows
}

fn rows(workload: &Compared) -> Vec<Vec<String>> {
    let mut rows = vec![strings(&[
        "",
        "MB/s",
        "1,000 records/s",
        "1,000 requests/s",
        "CPU s/GB",
        "CPU s/M requests",
        "answer p50, p99, p99.9 ms",
        "end to end ms",
        "peak MB",
        "load",
    ])];
    for measured in &workload.subjects {
        let mut row = vec![measured.subject.name().to_owned()];
        match &measured.spread {
            Some(spread) => row.extend(cells(spread)),
            None => row.extend(std::iter::repeat_n(dash(), rows[0].len() - 1)),
        }
        rows.push(row);
    }
    rows
}

fn cells(spread: &Spreads) -> [String; 9] {
    let times = |times: Option<[Spread; 3]>| {
        times.map_or_else(dash, |times| times.map(|time| short(time.median)).join(", "))
    };
    let thousand = |spread: Spread| short(spread.median / 1e3);
    [
        figure(spread.mb_per_s),
        thousand(spread.records_per_s),
        thousand(spread.requests_per_s),
        figure(spread.cpu_s_per_gb),
        figure(spread.cpu_s_per_million_requests),
        times(spread.answer_ms),
        times(spread.end_to_end_ms),
        spread.peak_mb.map_or_else(dash, |peak| short(peak.max)),
        short(spread.load_busy.median),
    ]
}

fn once(all: &[Once]) -> Vec<Vec<String>> {
    let mut rows = vec![strings(&[
        "",
        "start to first answer, ms",
        "idle MB",
        "MB with idle connections",
        "MB with partitions",
        "s to create them",
        "failed",
    ])];
    let optional = |value: Option<f64>| value.map_or_else(dash, short);
    for once in all {
        let of = |value: Option<f64>, count: String| match value {
            Some(value) => format!("{} ({count})", short(value)),
            None => dash(),
        };
        rows.push(vec![
            once.subject.clone(),
            optional(once.start_to_first_answer_ms),
            optional(once.idle_mb),
            of(once.connections_mb, once.connections.to_string()),
            of(once.partitions_mb, once.partitions.to_string()),
            optional(once.partitions_create_s),
            if once.errors.is_empty() { dash() } else { once.errors.join("; ") },
        ]);
    }
    rows
}

fn disk(report: &Report) -> Vec<Vec<String>> {
    let mut rows = vec![strings(&["bytes", "p50 ms", "p99 ms", "p99.9 ms"])];
    for disk in &report.disk {
        let ms = |us: u32| short(f64::from(us) / 1e3);
        let us = disk.sync_us;
        rows.push(vec![disk.write_bytes.to_string(), ms(us.p50), ms(us.p99), ms(us.p999)]);
    }
    rows
}

fn dash() -> String {
    "-".to_owned()
}

fn figure(spread: Spread) -> String {
    if spread.min.to_bits() == spread.max.to_bits() {
        return short(spread.median);
    }
    format!("{} ({}-{})", short(spread.median), short(spread.min), short(spread.max))
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::report::Machine;

    fn report(once: Vec<Once>) -> String {
        let word = || "x".to_owned();
        let machine = Machine {
            processor: word(),
            cores: 2,
            memory_bytes: 1,
            kernel: word(),
            file_system: word(),
            load_average: word(),
        };
        let (disk, workloads) = (Vec::new(), Vec::new());
        let (command, commit, date) = (word(), word(), word());
        markdown(&Report { command, commit, date, machine, rounds: 1, seconds: 1.0, disk, workloads, once })
    }

    #[test]
    fn what_was_not_measured_has_no_table() {
        assert!(!report(Vec::new()).contains("## Start and memory"));
        assert!(report(vec![Once::default()]).contains("## Start and memory"));
    }
}
