//! Handshakes, both ends together: the library alone, the proxy's contexts in memory, and the proxy over sockets.

use benches::{
    clock::ThreadTime,
    handshake::{Contexts, Kind},
    sockets,
};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

fn handshake(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("handshake");
    group.sample_size(20);
    for kind in Kind::all() {
        let contexts = Contexts::new(kind);
        for (by, ends) in [("library", contexts.library()), ("proxy", contexts.ends())] {
            ends.shake(); // what can be resumed, can be from now on
            group.bench_function(BenchmarkId::new(kind.to_string(), by), |b| b.iter(|| ends.shake()));
        }
        // The ticket of a session comes after the handshake, when nobody reads here any more.
        if kind.resumed {
            continue;
        }
        let runtime = sockets::runtime();
        group.bench_function(BenchmarkId::new(kind.to_string(), "proxy over sockets"), |b| {
            let connection = || sockets::pair().expect("a connection");
            let shake = |connection| runtime.block_on(sockets::shake(&contexts, connection)).expect("hands are shaken");
            b.iter_batched(connection, shake, BatchSize::PerIteration);
        });
    }
}

criterion_group! { name = benches; config = benches::criterion(); targets = handshake }
criterion_main!(benches);
