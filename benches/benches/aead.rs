//! The cryptography of a full TLS record alone: a lower bound for bulk transfers with TLS.

use std::hint::black_box;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey,
};
use benches::clock::ThreadTime;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Maximum payload of a record, in bytes (RFC 8446, section 5.1).
const RECORD: usize = 16 * 1024;

fn aead(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("aead");
    group.throughput(Throughput::Bytes(RECORD as u64));
    for (name, algorithm) in
        [("AES-128-GCM", &AES_128_GCM), ("AES-256-GCM", &AES_256_GCM), ("ChaCha20-Poly1305", &CHACHA20_POLY1305)]
    {
        let key = key(algorithm);
        let mut record = vec![0; RECORD];
        group.bench_function(BenchmarkId::new(name, "seal"), |b| {
            b.iter(|| seal(&key, black_box(&mut record)));
        });
        let mut sealed = vec![0; RECORD];
        let tag = seal(&key, &mut sealed);
        sealed.extend(tag.as_ref());
        // Opening is in place, so each iteration gets its own copy; small batches stay in the cache.
        group.bench_function(BenchmarkId::new(name, "open"), |b| {
            b.iter_batched_ref(|| sealed.clone(), |sealed| open(&key, sealed), BatchSize::NumIterations(32));
        });
    }
}

fn key(algorithm: &'static Algorithm) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(algorithm, &vec![7; algorithm.key_len()]).expect("a key of that length"))
}

/// A constant nonce: nothing secret is sealed here.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn seal(key: &LessSafeKey, record: &mut [u8]) -> Tag {
    key.seal_in_place_separate_tag(nonce(), Aad::empty(), record).expect("sealing succeeds")
}

fn open(key: &LessSafeKey, sealed: &mut [u8]) -> usize {
    key.open_in_place(nonce(), Aad::empty(), sealed).expect("opening succeeds").len()
}

criterion_group! { name = benches; config = benches::criterion(); targets = aead }
criterion_main!(benches);
