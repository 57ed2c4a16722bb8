//! How often a request names each thing. What Kafka refuses to do twice, it mostly tells once.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

/// The place of a name among those of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mention {
    /// It is named once.
    Only,
    /// The first of several.
    First,
    /// It was told before.
    Again,
}

/// The names of a request.
pub(crate) struct Mentions<K>(HashMap<K, Count>);

#[derive(Default)]
struct Count {
    times: usize,
    told: bool,
}

impl<K: Eq + Hash> Mentions<K> {
    pub(crate) fn of(names: impl IntoIterator<Item = K>) -> Self {
        let mut counts: HashMap<K, Count> = HashMap::new();
        names.into_iter().for_each(|name| counts.entry(name).or_default().times += 1);
        Self(counts)
    }

    /// Whether it is named more than once.
    pub(crate) fn is_repeated<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.get(name).is_some_and(|count| count.times > 1)
    }

    /// The place of this mention; call it once for each, in order.
    pub(crate) fn next<Q: Eq + Hash + ?Sized>(&mut self, name: &Q) -> Mention
    where
        K: Borrow<Q>,
    {
        match self.0.get_mut(name) {
            Some(count) if count.told => Mention::Again,
            Some(count) => {
                count.told = true;
                if count.times > 1 { Mention::First } else { Mention::Only }
            }
            None => Mention::Only,
        }
    }

    /// Whether it is named at all. What is left of its mentions is then passed over.
    pub(crate) fn pass_over<Q: Eq + Hash + ?Sized>(&mut self, name: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(name).map(|count| count.told = true).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once() {
        let names = ["a", "b", "a", "c", "a"];
        let mut mentions = Mentions::of(names);
        assert!(mentions.pass_over("c") && !mentions.pass_over("d"));
        let told: Vec<_> = names.iter().map(|name| mentions.next(*name)).collect();
        assert_eq!(told, [Mention::First, Mention::Only, Mention::Again, Mention::Again, Mention::Again]);
        assert!(mentions.is_repeated("a") && !mentions.is_repeated("b") && !mentions.is_repeated("d"));
    }
}
