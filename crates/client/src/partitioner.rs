//! Which partition a record goes to. As Java's default: murmur2 of the key; without a key one partition is filled
//! for a batch, then another (KIP-480). Pure: randomness comes in as an argument.

/// murmur2, as `org.apache.kafka.common.utils.Utils.murmur2` computes it.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition of a key, of `count` partitions.
pub fn of_key(key: &[u8], count: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % count.max(1)
}

/// Sends records without a key to one partition until it is told to move on.
#[derive(Debug, Clone, Default)]
pub struct Sticky(Option<usize>);

impl Sticky {
    /// The partition, of `count`.
    pub fn partition(&mut self, count: usize, random: u64) -> usize {
        *self.0.get_or_insert((random % count.max(1) as u64) as usize) % count.max(1)
    }

    /// A batch is full: on to another partition.
    pub fn move_on(&mut self, count: usize, random: u64) {
        if let Some(current) = self.0
            && count > 1
        {
            self.0 = Some((current + 1 + (random % (count as u64 - 1)) as usize) % count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_is_javas() {
        let check = |text: &str, hash: i32| assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        check("21", -973_932_308);
        check("foobar", -790_332_482);
        check("a-little-bit-long-string", -985_981_536);
        check("a-little-bit-longer-string", -1_486_304_829);
        check("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971);
        check("abc", 479_470_107);
    }

    #[test]
    fn keys_stay() {
        assert_eq!(of_key(b"foobar", 6), ((-790_332_482i32) & 0x7fff_ffff) as usize % 6);
        assert_eq!(of_key(b"any", 1), 0);
    }

    #[test]
    fn sticky_moves_to_another() {
        let mut sticky = Sticky::default();
        let mut seen = vec![sticky.partition(3, 7)];
        for random in 0..20 {
            assert_eq!(sticky.partition(3, random), *seen.last().unwrap());
            sticky.move_on(3, random / 2);
            let next = sticky.partition(3, 0);
            assert_ne!(next, *seen.last().unwrap());
            seen.push(next);
        }
        assert!((0..3).all(|partition| seen.contains(&partition)));
        sticky.move_on(1, 5);
        assert_eq!(Sticky::default().partition(1, 9), 0);
    }
}
