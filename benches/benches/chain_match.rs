//! Finding the filter chain of a connection.

use std::hint::black_box;

use benches::{
    chains::{Case, Lookup},
    clock::ThreadTime,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn chain_match(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("chain match");
    for case in Case::ALL {
        for chains in [10, 100, 1000] {
            let lookup = Lookup::new(case, chains);
            group.bench_function(BenchmarkId::new(case.name(), chains), |b| b.iter(|| black_box(&lookup).find()));
        }
    }
}

criterion_group! { name = benches; config = benches::criterion(); targets = chain_match }
criterion_main!(benches);
