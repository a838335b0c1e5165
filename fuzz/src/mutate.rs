//! Mutations of inputs with a fixed seed, for machines without libFuzzer.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Mutations of these inputs, in an order that depends on nothing but `seed`.
pub struct Mutations {
    inputs: Vec<Vec<u8>>,
    random: StdRng,
}

impl Mutations {
    pub fn new(inputs: Vec<Vec<u8>>, seed: u64) -> Self {
        Self { inputs, random: StdRng::seed_from_u64(seed) }
    }
}

impl Iterator for Mutations {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let index = self.random.random_range(0..self.inputs.len().max(1));
        let mut bytes = self.inputs.get(index)?.clone();
        for _ in 0..self.random.random_range(1..=4) {
            self.change(&mut bytes);
        }
        Some(bytes)
    }
}

impl Mutations {
    fn change(&mut self, bytes: &mut Vec<u8>) {
        const BYTES: [u8; 12] = [0, 1, b' ', b'\r', b'\n', b'"', b'%', b':', b'{', 0x7f, 0x80, 0xff];
        let at = self.random.random_range(0..=bytes.len());
        let special = BYTES[self.random.random_range(0..BYTES.len())];
        match self.random.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, special),
            2 if at < bytes.len() => bytes[at] = special,
            3 if at < bytes.len() => bytes[at] ^= 1 << self.random.random_range(0..8),
            4 => {
                let until = bytes.len().min(at + self.random.random_range(1..=16));
                bytes.drain(at..until);
            }
            // A part of another input, or of this one a second time.
            _ => {
                let other = &self.inputs[self.random.random_range(0..self.inputs.len())];
                let from = self.random.random_range(0..=other.len());
                let until = other.len().min(from + self.random.random_range(1..=64));
                bytes.splice(at..at, other[from..until].iter().copied());
            }
        }
    }
}
