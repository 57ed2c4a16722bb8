//! The plot: for each workload a bar a subject, as long as its cost by the largest of that workload. SVG.

use std::fmt::Write as _;

use super::{
    report::{Compared, Report},
    server::Subject,
};

const NAMES: usize = 240;
const BARS: usize = 420;
const WIDTH: usize = NAMES + BARS + 140;
const BAR: usize = 13;
const GAP: usize = 12;
const TOP: usize = 64;

/// The whole plot.
pub(crate) fn svg(report: &Report) -> String {
    let bars: usize = report.workloads.iter().map(|workload| shown(workload).len() * BAR + GAP).sum();
    let height = TOP + bars;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">CPU seconds of the server by GB (* by million requests); shorter is better</text>\n\
         <text x=\"10\" y=\"36\" fill=\"#555\">{} · {}</text>\n",
        escaped(&report.commit),
        escaped(&report.machine.processor)
    );
    for (at, subject) in Subject::ALL.into_iter().enumerate() {
        let x = 10 + at * 170;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"44\" width=\"10\" height=\"10\" fill=\"{}\"/><text x=\"{}\" y=\"53\">{}</text>",
            colour(subject),
            x + 14,
            subject.name()
        );
    }
    let mut y = TOP;
    for workload in &report.workloads {
        group(&mut out, workload, &mut y);
    }
    out + "</svg>\n"
}

fn shown(workload: &Compared) -> Vec<(Subject, f64)> {
    let cost = |subject| Some((subject, workload.cost(subject)?.median));
    Subject::ALL.into_iter().filter_map(cost).collect()
}

fn group(out: &mut String, workload: &Compared, y: &mut usize) {
    let bars = shown(workload);
    let most = bars.iter().map(|(_, cost)| *cost).fold(f64::MIN_POSITIVE, f64::max);
    let mark = if workload.by_request { " *" } else { "" };
    let _ = writeln!(out, "<text x=\"10\" y=\"{}\">{}{mark}</text>", *y + BAR - 3, escaped(&workload.name));
    for (subject, cost) in bars {
        let width = (cost / most * BARS as f64).max(1.0);
        let _ = writeln!(
            out,
            "<rect x=\"{NAMES}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{cost:.2}</text>",
            BAR - 2,
            colour(subject),
            NAMES as f64 + width + 4.0,
            *y + BAR - 3
        );
        *y += BAR;
    }
    *y += GAP;
}

fn colour(subject: Subject) -> &'static str {
    match subject {
        Subject::Klamm => "#1b7f5c",
        Subject::Kafka => "#c0632b",
        Subject::KafkaFlush => "#e5b28f",
        Subject::Floor => "#8a8f98",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
