//! Distinguishing a ClientHello from other bytes, and parsing it.

use std::hint::black_box;

use benches::{
    clock::ThreadTime,
    hellos::{First, inspect},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn client_hello(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("client hello");
    for first in First::ALL {
        let bytes = first.bytes();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(first.name(), |b| b.iter(|| inspect(black_box(&bytes))));
    }
}

criterion_group! { name = benches; config = benches::criterion(); targets = client_hello }
criterion_main!(benches);
