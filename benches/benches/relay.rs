//! Bulk transfer through a relay: one connection, one direction, over loopback.

use benches::{
    clock::ThreadTime,
    relay::{Path, Rig},
};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

/// Enough to make the costs of opening and closing a connection negligible.
const BYTES: u64 = 32 << 20;

fn relay(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("relay");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Bytes(BYTES));
    let rig = Rig::default();
    for path in Path::ALL {
        for by in path.means() {
            group.bench_function(BenchmarkId::new(path.name(), by.name()), |b| {
                b.iter_custom(|times| rig.run(path, *by, times * BYTES).expect("it is relayed"));
            });
        }
    }
}

criterion_group! { name = benches; config = benches::criterion(); targets = relay }
criterion_main!(benches);
