use super::*;

fn file(kind: Kind, counted_by: &str, written_ms: u64) -> ConfigFile {
    ConfigFile { kind, counted_by: counted_by.into(), written_ms }
}

fn values(all: &[(&str, u64)]) -> Values {
    all.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn a_file_is_synced_once_it_was_taken_after_it_was_written() {
    let files = [file(Kind::Clusters, "cluster_manager.cds", 100)];
    let taken = |time| values(&[("cluster_manager.cds.update_time", time), ("cluster_manager.cds.update_success", 1)]);
    assert_eq!(status(Kind::Clusters, &files, &taken(100)), "SYNCED");
    assert_eq!(status(Kind::Clusters, &files, &taken(99)), "STALE");
    assert_eq!(status(Kind::Routes, &files, &taken(100)), "NOT SENT");
}

#[test]
fn a_file_that_was_only_rejected_was_never_acknowledged() {
    let files = [file(Kind::Routes, "rds.8080", 100)];
    let rejected = [
        ("http.outbound_0.0.0.0_8080.rds.8080.update_rejected", 1),
        ("http.outbound_0.0.0.0_8080.rds.8080.update_success", 0),
    ];
    assert_eq!(status(Kind::Routes, &files, &values(&rejected)), "STALE (Never Acknowledged)");
}

#[test]
fn of_files_of_a_kind_the_worst_counts_and_unused_ones_do_not() {
    let files = [
        file(Kind::Endpoints, "cluster.a", 5),
        file(Kind::Endpoints, "cluster.b", 9),
        file(Kind::Endpoints, "cluster.unused", 99),
    ];
    let all = |b| values(&[("cluster.a.update_time", 6), ("cluster.b.update_time", b)]);
    assert_eq!(status(Kind::Endpoints, &files, &all(9)), "SYNCED");
    assert_eq!(status(Kind::Endpoints, &files, &all(8)), "STALE");
}
