use super::*;

fn step(counted_by: &[&str]) -> Step {
    Step { files: Vec::new(), counted_by: counted_by.iter().map(|name| (*name).to_owned()).collect() }
}

const BEFORE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\
    cluster_manager.cds.update_success: 1\n\
    cluster.outbound|80||a:b.update_success: 2\n\
    listener_manager.lds.update_success: 1\n\
    listener_manager.lds.update_rejected: 1\n";

#[test]
fn an_update_counts_once_its_counter_has_grown() {
    let before = parse(BEFORE);
    let both = step(&["cluster_manager.cds", "cluster.outbound|80||a_b"]);
    assert_eq!(judge(&both, &before, &before).unwrap(), both.counted_by);
    let now = parse(&BEFORE.replace("cds.update_success: 1", "cds.update_success: 2"));
    assert_eq!(judge(&both, &before, &now).unwrap(), ["cluster.outbound|80||a_b"]);
    let now = parse(&BEFORE.replace(": 1\n", ": 2\n").replace("b.update_success: 2", "b.update_success: 3"));
    assert_eq!(judge(&both, &before, &now).unwrap(), [""; 0]);
}

#[test]
fn a_rejection_counts_only_if_it_is_new() {
    let before = parse(BEFORE);
    let listeners = step(&["listener_manager.lds"]);
    assert_eq!(judge(&listeners, &before, &before).unwrap(), ["listener_manager.lds"]);
    let now = parse(&BEFORE.replace("rejected: 1", "rejected: 2"));
    assert_eq!(judge(&listeners, &before, &now).unwrap_err(), "listener_manager.lds.update_rejected");
}

#[test]
fn routes_are_found_below_the_connection_manager_that_uses_them() {
    let routes = step(&["rds.8080"]);
    let now = parse("http.outbound_0.0.0.0_8080.rds.8080.update_success: 1\nhttp.x.rds.18080.update_success: 1\n");
    let before = parse("http.outbound_0.0.0.0_8080.rds.8080.update_success: 0\n");
    assert_eq!(judge(&routes, &before, &now).unwrap(), [""; 0]);
    let other = parse("http.outbound_0.0.0.0_8080.rds.8080.update_success: 0\nhttp.x.rds.18080.update_success: 1\n");
    assert_eq!(judge(&routes, &before, &other).unwrap(), ["rds.8080"]);
    assert_eq!(judge(&routes, &Counters::new(), &other).unwrap(), [""; 0], "nothing subscribed to it");
}
