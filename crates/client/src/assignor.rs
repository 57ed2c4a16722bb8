//! Range assignor, as Java's: for each topic the members in order take consecutive partitions, the first ones one
//! more where it does not come out even. Pure.

use std::collections::BTreeMap;

use crate::TopicPartition;

/// A member of the group, as the assignor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its member id.
    pub member: String,
    /// Its instance id: static members come first, in order of these.
    pub instance: Option<String>,
    /// The topics it wants.
    pub topics: Vec<String>,
}

/// The partitions of each member; `counts` has the number of partitions of each topic.
pub fn range(
    subscriptions: &[Subscription],
    counts: &BTreeMap<String, i32>,
) -> BTreeMap<String, Vec<TopicPartition>> {
    let mut members: Vec<_> = subscriptions.iter().collect();
    members.sort_by_key(|m| (m.instance.is_none(), m.instance.clone(), m.member.clone()));
    let mut assigned: BTreeMap<_, Vec<_>> =
        members.iter().map(|member| (member.member.clone(), Vec::new())).collect();
    for (topic, &count) in counts {
        let wanting: Vec<_> = members.iter().filter(|member| member.topics.contains(topic)).collect();
        let Ok(share) = i32::try_from(wanting.len()) else { continue };
        if share == 0 {
            continue;
        }
        let (each, more) = (count / share, count % share);
        let mut next = 0;
        for (place, member) in (0..).zip(wanting) {
            let take = each + i32::from(place < more);
            let theirs = (next..next + take).map(|partition| TopicPartition::new(topic.clone(), partition));
            assigned.entry(member.member.clone()).or_default().extend(theirs);
            next += take;
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(members: &[(&str, &str)], counts: &[(&str, i32)], expected: &str) {
        let subscription = |&(member, topics): &(&str, &str)| Subscription {
            member: member.to_owned(),
            instance: None,
            topics: topics.split_whitespace().map(str::to_owned).collect(),
        };
        let members: Vec<_> = members.iter().map(subscription).collect();
        let counts = counts.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect();
        let show = |(member, partitions): (String, Vec<TopicPartition>)| {
            let partitions: Vec<_> =
                partitions.iter().map(|tp| format!("{}{}", tp.topic, tp.partition)).collect();
            format!("{member}={}", partitions.join(","))
        };
        let got: Vec<_> = range(&members, &counts).into_iter().map(show).collect();
        assert_eq!(got.join(" "), expected);
    }

    #[test]
    fn as_javas() {
        check(&[("x", "a b"), ("y", "a b")], &[("a", 3), ("b", 3)], "x=a0,a1,b0,b1 y=a2,b2");
        check(&[("y", "a"), ("x", "a"), ("z", "a")], &[("a", 2)], "x=a0 y=a1 z=");
        check(&[("x", "a"), ("y", "a b")], &[("a", 1), ("b", 2)], "x=a0 y=b0,b1");
        check(&[("x", "gone")], &[("a", 1)], "x=");
        check(&[], &[("a", 1)], "");
    }

    #[test]
    fn static_members_first() {
        let member = |member: &str, instance: Option<&str>| Subscription {
            member: member.to_owned(),
            instance: instance.map(str::to_owned),
            topics: vec!["a".to_owned()],
        };
        let got = range(
            &[member("x", None), member("y", Some("2")), member("z", Some("1"))],
            &BTreeMap::from([("a".to_owned(), 2)]),
        );
        assert_eq!((got["z"][0].partition, got["y"][0].partition, got["x"].len()), (0, 1, 0));
    }
}
