//! Random bytes of random sizes, the same for the same seed.

use std::str::FromStr;

use bytes::Bytes;

/// Sizes of requests, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    min: usize,
    max: usize,
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes = text.split_once('-').and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
        match sizes {
            Some((min @ 1.., max)) if min <= max && max <= 1 << 30 => Ok(Self { min, max }),
            _ => Err("expected two numbers of bytes, such as 1-10000000, from 1 to 1073741824".to_owned()),
        }
    }
}

/// Distance between the beginnings of the largest requests, so that a piece from another request is noticed.
const STRIDE: usize = 64 * 1024;

/// Requests of random bytes.
pub(super) struct Random {
    sizes: Sizes,
    seed: u64,
    pool: Bytes,
}

impl Random {
    pub(super) fn new(sizes: Sizes, seed: u64) -> Self {
        let length = sizes.max + STRIDE;
        let words = (0..length.div_ceil(8) as u64).flat_map(|i| mixed(seed.wrapping_add(i)).to_le_bytes());
        Self { sizes, seed, pool: words.collect() }
    }

    /// The bytes of a request. The size is as likely to be between 10 and 100 as between 1000 and 10000.
    pub(super) fn bytes(&self, number: u64) -> Bytes {
        let random = mixed(self.seed ^ mixed(number));
        let exponent = (random >> 32) as f64 / f64::from(u32::MAX);
        let (min, max) = (self.sizes.min as f64, self.sizes.max as f64);
        // Truncation is intended; the size stays within the bounds.
        let size = (min * (max / min).powf(exponent)) as usize;
        let size = size.clamp(self.sizes.min, self.sizes.max);
        let begin = (random as u32 as usize) % (self.pool.len() - size + 1);
        self.pool.slice(begin..begin + size)
    }
}

/// SplitMix64's finalizer (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_bad_ones_refused() {
        assert_eq!("1-10".parse(), Ok(Sizes { min: 1, max: 10 }));
        for bad in ["", "5", "0-1", "2-1", "1-", "-1", "1-99999999999", "a-b"] {
            assert!(bad.parse::<Sizes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
        let of = |seed| -> Vec<Bytes> {
            let random = Random::new("1-1000".parse().unwrap(), seed);
            (0..100).map(|number| random.bytes(number)).collect()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn sizes_cover_their_range_and_stay_within_it() {
        let random = Random::new("1-100000".parse().unwrap(), 7);
        let sizes: Vec<usize> = (0..1000).map(|number| random.bytes(number).len()).collect();
        assert!(sizes.iter().all(|size| (1..=100_000).contains(size)));
        for decade in [1, 10, 100, 1000, 10_000] {
            let within = sizes.iter().filter(|size| (decade..decade * 10).contains(*size)).count();
            assert!(within > 100, "{within} of 1000 from {decade}");
        }
    }
}
