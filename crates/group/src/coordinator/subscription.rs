//! The topics in a consumer's subscription: the part of `ConsumerProtocolSubscription` that all its versions begin with
//! (version: i16, topics: array of string). Never trusted: anything malformed gives None.

use std::collections::BTreeSet;

fn number<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

/// Adds the topics of one member's metadata.
pub(crate) fn add_topics(mut metadata: &[u8], topics: &mut BTreeSet<String>) -> Option<()> {
    let bytes = &mut metadata;
    if i16::from_be_bytes(number(bytes)?) < 0 {
        return None;
    }
    for _ in 0..i32::from_be_bytes(number(bytes)?) {
        let length = usize::try_from(i16::from_be_bytes(number(bytes)?)).ok()?;
        let (name, rest) = bytes.split_at_checked(length)?;
        topics.insert(str::from_utf8(name).ok()?.to_owned());
        *bytes = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_a_subscription() {
        let good = b"\0\x01\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff";
        let mut topics = BTreeSet::new();
        assert_eq!(add_topics(good, &mut topics), Some(()));
        assert_eq!(topics, ["a", "bc"].map(String::from).into());
        for end in 0..13 {
            assert_eq!(add_topics(&good[..end], &mut BTreeSet::new()), None, "cut at {end}");
        }
        assert_eq!(add_topics(b"\0\0\0\0\0\x01\xff\xff", &mut BTreeSet::new()), None);
    }
}
