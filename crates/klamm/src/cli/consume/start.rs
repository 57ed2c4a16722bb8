//! Where reading begins (`-o`).

use std::{collections::BTreeMap, str::FromStr};

use klamm_client::{At, Client, Isolation, TopicPartition};

use crate::cli::{Stop, datetime};

/// A place to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The first record there is.
    Beginning,
    /// What comes from now on.
    End,
    /// Where the group has stopped.
    Stored,
    /// An offset.
    Offset(i64),
    /// So many records before the end of each partition.
    Back(i64),
    /// The first record of this time or later, in milliseconds.
    Time(i64),
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "expected beginning, end, stored, an offset, -N for the last N, or s@TIME".to_owned();
        match text {
            "beginning" | "earliest" => return Ok(Self::Beginning),
            "end" | "latest" => return Ok(Self::End),
            "stored" => return Ok(Self::Stored),
            _ => {}
        }
        if let Some(time) = text.strip_prefix("s@") {
            let millis = time.parse().ok().or_else(|| datetime::parse(time));
            let millis = millis.filter(|millis| *millis >= 0);
            let wanted = "expected s@ and milliseconds since 1970, or a time such as s@2026-11-21T10:00";
            return millis.map(Self::Time).ok_or_else(|| wanted.to_owned());
        }
        match text.parse::<i64>().map_err(|_| bad())? {
            back if text.starts_with('-') => back.checked_neg().map(Self::Back).ok_or_else(bad),
            offset => Ok(Self::Offset(offset)),
        }
    }
}

impl Start {
    /// The offsets to begin with.
    pub(super) async fn positions(
        self,
        client: &Client,
        partitions: &[TopicPartition],
        isolation: Isolation,
    ) -> Result<BTreeMap<TopicPartition, i64>, Stop> {
        let committed = isolation == Isolation::ReadCommitted;
        let at = match self {
            Self::Beginning => At::Earliest,
            Self::End => At::Latest,
            Self::Time(ms) => At::Time(ms),
            Self::Stored => return Err(Stop::failed("-o stored needs a group: --group NAME")),
            Self::Back(count) => return Ok(client.tail(partitions, count).await?),
            Self::Offset(offset) => return at_offset(client, partitions, offset).await,
        };
        Ok(client.offsets(partitions, at, committed).await?)
    }
}

async fn at_offset(
    client: &Client,
    partitions: &[TopicPartition],
    offset: i64,
) -> Result<BTreeMap<TopicPartition, i64>, Stop> {
    let begins = client.offsets(partitions, At::Earliest, false).await?;
    let ends = client.offsets(partitions, At::Latest, false).await?;
    for (of, begin) in &begins {
        let end = ends[of];
        if !(*begin..=end).contains(&offset) {
            return Err(Stop::failed(format!(
                "offset {offset} is outside {of}, which goes from {begin} to {end}; -p PARTITION reads one partition"
            )));
        }
    }
    Ok(partitions.iter().map(|of| (of.clone(), offset)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts() {
        let check = |text: &str, expected: Option<Start>| assert_eq!(text.parse().ok(), expected, "{text}");
        check("beginning", Some(Start::Beginning));
        check("latest", Some(Start::End));
        check("stored", Some(Start::Stored));
        check("0", Some(Start::Offset(0)));
        check("-0", Some(Start::Back(0)));
        check("-12", Some(Start::Back(12)));
        check("s@5", Some(Start::Time(5)));
        check("s@1970-01-01T00:00:01", Some(Start::Time(1000)));
        for bad in ["", "x", "-", "1.5", "s@", "s@-1", "-9223372036854775808"] {
            check(bad, None);
        }
    }
}
