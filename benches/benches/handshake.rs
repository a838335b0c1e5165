//! Handshakes, both ends together: with rustls alone, with the proxy's contexts in memory, and with the proxy over sockets.

use benches::{
    clock::ThreadTime,
    handshake::{Kind, contexts::Contexts},
    sockets,
};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

fn handshake(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("handshake");
    group.sample_size(20);
    for kind in Kind::all() {
        let contexts = Contexts::new(kind);
        for (by, ends) in [("library", contexts.library()), ("proxy", contexts.ends())] {
            ends.shake(); // stores a session to resume
            group.bench_function(BenchmarkId::new(kind.to_string(), by), |b| b.iter(|| ends.shake()));
        }
        // Over sockets the session ticket arrives after the handshake, when it is no longer read.
        if kind.resumed {
            continue;
        }
        let runtime = sockets::runtime();
        group.bench_function(BenchmarkId::new(kind.to_string(), "proxy over sockets"), |b| {
            let connection = || sockets::pair().expect("a connection");
            let shake =
                |connection| runtime.block_on(sockets::shake(&contexts, connection)).expect("the handshake succeeds");
            b.iter_batched(connection, shake, BatchSize::PerIteration);
        });
    }
}

criterion_group! { name = benches; config = benches::criterion(); targets = handshake }
criterion_main!(benches);
