//! Dates and times in, milliseconds out, and back. Pure; without a zone it is UTC.

/// Reads `2026-11-21`, `2026-11-21T10:15`, `2026-11-21 10:15:30.250`, each with an optional `Z` or `+02:00`.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (date, time) = match text.trim().split_once(['T', ' ']) {
        Some((date, time)) => (date, time),
        None => (text.trim(), "00:00"),
    };
    let mut parts = date.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let in_range = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if parts.next().is_some() || !in_range {
        return None;
    }
    let (time, zone) = zone(time)?;
    let mut parts = time.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let millis = parts.next().map_or(Some(0), seconds)?;
    let in_range = hour < 24 && minute < 60;
    in_range.then(|| (days(year, month, day) * 1440 + hour * 60 + minute - zone) * 60_000 + millis)
}

fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// The time, and the minutes that its zone is ahead.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (hours, minutes) = time[at + 1..].split_once(':').unwrap_or((&time[at + 1..], "00"));
    let minutes = number(hours)? * 60 + number(minutes)?;
    Some((&time[..at], if time[at..].starts_with('-') { -minutes } else { minutes }))
}

/// Seconds with up to three decimals, in milliseconds.
fn seconds(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if decimals.is_empty() || decimals.len() > 3 {
        return None;
    }
    let seconds = number(whole).filter(|seconds| *seconds < 60)?;
    Some(seconds * 1000 + number(&format!("{decimals:0<3}"))?)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(parse(text), expected, "{text}");
        check("1970-01-01", Some(0));
        check("2000-02-29T12:00", Some(951_825_600_000));
        check("2026-11-21T10:15:30.25Z", Some(1_795_256_130_250));
        check("2026-11-21 12:15:30.250+02:00", Some(1_795_256_130_250));
        check("2026-11-21T04:45:30.250-05:30", Some(1_795_256_130_250));
        check("1969-12-31T23:59:59", Some(-1000));
        for bad in
            ["", "now", "2026-13-01", "2025-02-29", "2026-11-21T25:00", "2026-11-21T1", "2026-11-21T10:00:61"]
        {
            check(bad, None);
        }
    }
}
