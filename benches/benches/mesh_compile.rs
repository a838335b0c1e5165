//! From the manifests of 100, 1,000 and 10,000 services, with two pods each, to the files of one sidecar, step by step: ten times the
//! services should take ten times as long.

use std::hint::black_box;

use benches::{
    clock::ThreadTime,
    services::{compile_client, manifests, read, resolve_mesh},
};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const SERVICES: [usize; 3] = [100, 1000, 10_000];

fn mesh_compile(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("mesh compile");
    // Of 10,000 services one takes seconds.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for services in SERVICES {
        group.throughput(Throughput::Elements(services as u64));
        let text = manifests(services, 2);
        let id = |step| BenchmarkId::new(step, services);
        group.bench_function(id("parse"), |b| b.iter_with_large_drop(|| read(black_box(&text))));
        let manifests = read(&text);
        group.bench_function(id("resolve"), |b| b.iter_with_large_drop(|| resolve_mesh(black_box(&manifests))));
        let mesh = resolve_mesh(&manifests);
        group
            .bench_function(id("compile one sidecar"), |b| b.iter_with_large_drop(|| compile_client(black_box(&mesh))));
        let config = compile_client(&mesh);
        group.bench_function(id("write its files"), |b| b.iter_with_large_drop(|| black_box(&config).files(&[])));
    }
    group.finish();
}

criterion_group! { name = benches; config = benches::criterion(); targets = mesh_compile }
criterion_main!(benches);
