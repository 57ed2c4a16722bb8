//! The set of visited states: fingerprints in order of their visit, each with its predecessor, and a table over
//! them with open addressing. About 20 bytes for each state.

/// The states visited so far. States are numbered from 0 in the order of their first visit.
#[derive(Debug)]
pub(crate) struct Visited {
    prints: Vec<u64>,
    parents: Vec<u32>,
    /// State number + 1, or 0 where the place is free. The length is a power of two, at most 3/4 full.
    table: Vec<u32>,
}

impl Default for Visited {
    fn default() -> Visited {
        Visited { prints: Vec::new(), parents: Vec::new(), table: vec![0; 1 << 12] }
    }
}

impl Visited {
    /// How many states were visited.
    pub(crate) fn len(&self) -> usize {
        self.prints.len()
    }

    /// Notes a visit from the state numbered `parent`; true if it is the first. The initial state is its own
    /// parent.
    pub(crate) fn insert(&mut self, print: u64, parent: Option<usize>) -> bool {
        let place = self.place(print);
        if self.table[place] != 0 {
            return false;
        }
        let number = |at: usize| u32::try_from(at).expect("fewer than 2^32 states");
        self.parents.push(number(parent.unwrap_or(0)));
        self.prints.push(print);
        self.table[place] = number(self.prints.len());
        if self.prints.len() * 4 > self.table.len() * 3 {
            self.grow();
        }
        true
    }

    /// The fingerprints from the initial state to the state numbered `at`.
    pub(crate) fn path_to(&self, mut at: usize) -> Vec<u64> {
        let mut path = vec![self.prints[at]];
        while at != 0 {
            at = self.parents[at] as usize;
            path.push(self.prints[at]);
        }
        path.reverse();
        path
    }

    /// Where `print` is, or where it would go.
    fn place(&self, print: u64) -> usize {
        let mask = self.table.len() - 1;
        let mut place = (print >> 20) as usize & mask;
        while self.table[place] != 0 && self.prints[self.table[place] as usize - 1] != print {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let len = self.table.len() * 2;
        self.table = Vec::new();
        self.table.resize(len, 0);
        for at in 0..self.prints.len() {
            let place = self.place(self.prints[at]);
            self.table[place] = u32::try_from(at + 1).expect("fewer than 2^32 states");
        }
    }
}

/// A hash of 64 bits: each word is folded in by a full multiplication.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product >> 64) as u64 ^ product as u64
    };
    let mut hash = SEED ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = fold(hash ^ u64::from_le_bytes(word), 0xd6e8_feb8_6659_fd93).rotate_left(23) ^ SEED;
    }
    fold(hash, 0xa076_1d64_78bd_642f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_states_and_paths_over_growth() {
        let mut visited = Visited::default();
        let print = |n: u32| fingerprint(&n.to_le_bytes());
        assert!(visited.insert(print(0), None));
        for n in 1..20_000 {
            assert!(visited.insert(print(n), Some(n as usize / 2)), "{n}");
        }
        assert!((0..20_000).all(|n| !visited.insert(print(n), Some(0))));
        assert_eq!(visited.path_to(11), [0, 1, 2, 5, 11].map(print));
    }
}
