//! The table of results and its last line.

use std::fmt;

use crate::{stop::Stop, trial::Counts};

/// How a row went.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Nothing was lost.
    Good,
    /// The machine lacks the means.
    Skipped(String),
    /// A promise was broken.
    Failed(String),
}

impl Verdict {
    pub(crate) fn of(result: Result<(), Stop>) -> Self {
        match result {
            Ok(()) => Self::Good,
            Err(Stop::Missing(what)) => Self::Skipped(what),
            Err(why) => Self::Failed(why.to_string()),
        }
    }
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<(&'static str, Counts, f64, Verdict)>);

impl Report {
    /// The row of a kind of fault.
    pub(crate) fn add(&mut self, name: &'static str, counts: Counts, took_s: f64, verdict: Verdict) {
        self.0.push((name, counts, took_s, verdict));
    }

    /// Whether no promise was broken.
    pub(crate) fn good(&self) -> bool {
        !self.0.iter().any(|(.., verdict)| matches!(verdict, Verdict::Failed(_)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fault          done  acknowledged  read back  back after  took     result")?;
        for (name, counts, took_s, verdict) in &self.0 {
            let Counts { faults, acked, read, resumed } = counts;
            let resumed = resumed.as_secs_f64();
            let result = match verdict {
                Verdict::Good => "ok".to_owned(),
                Verdict::Skipped(what) => format!("skipped: {what}"),
                Verdict::Failed(why) => format!("FAILED: {}", why.lines().next().unwrap_or_default()),
            };
            writeln!(
                f,
                "{name:<12} {faults:>6}  {acked:>12}  {read:>9}  {resumed:>8.1} s  {took_s:>5.0} s  {result}"
            )?;
        }
        for (name, .., verdict) in &self.0 {
            if let Verdict::Failed(why) = verdict {
                writeln!(f, "\n{name}: {why}")?;
            }
        }
        let count =
            |wanted: fn(&Verdict) -> bool| self.0.iter().filter(|(.., verdict)| wanted(verdict)).count();
        let passed = count(|verdict| matches!(verdict, Verdict::Good));
        let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
        let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_promise_fails_and_missing_means_do_not() {
        let mut report = Report::default();
        report.add("kills", Counts::default(), 1.0, Verdict::of(Ok(())));
        report.add("power cuts", Counts::default(), 0.0, Verdict::of(Err(Stop::Missing("no root".into()))));
        assert!(report.good());
        assert!(report.to_string().ends_with("1 passed, 0 failed, 1 skipped"), "{report}");
        assert!(report.to_string().contains("skipped: no root"), "{report}");
        report.add("pauses", Counts::default(), 1.0, Verdict::of(Err(Stop::wrong("lost\nmore"))));
        assert!(!report.good());
        assert!(report.to_string().ends_with("1 passed, 1 failed, 1 skipped"), "{report}");
    }
}
