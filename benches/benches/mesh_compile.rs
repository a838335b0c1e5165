//! From the manifests of a thousand services to the files of one sidecar, step by step.

use std::hint::black_box;

use benches::{
    clock::ThreadTime,
    services::{compile_client, manifests, read, settle},
};
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};

fn mesh_compile(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("mesh compile");
    // One iteration takes a large part of a second.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let text = manifests(1000);
    group.bench_function("parse", |b| b.iter_with_large_drop(|| read(black_box(&text))));
    let manifests = read(&text);
    group.bench_function("resolve", |b| b.iter_with_large_drop(|| settle(black_box(&manifests))));
    let mesh = settle(&manifests);
    group.bench_function("compile one sidecar", |b| b.iter_with_large_drop(|| compile_client(black_box(&mesh))));
    let config = compile_client(&mesh);
    group.bench_function("write its files", |b| b.iter_with_large_drop(|| black_box(&config).files(&[])));
}

criterion_group! { name = benches; config = benches::criterion(); targets = mesh_compile }
criterion_main!(benches);
