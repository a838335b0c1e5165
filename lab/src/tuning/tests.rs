use std::path::PathBuf;

use mesh::{
    compile::{Placement, compile},
    model::Flavor,
    redirect::ProxyIdentity,
};

use super::*;
use crate::manifests;

/// What is compiled for the server's sidecar of the layerings, which has each kind of listener and cluster.
fn compiled() -> PodConfig {
    let manifests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../benches/layerings/manifests.yaml");
    let mesh = manifests::resolve_files(&[manifests], &[Flavor::Istio]).unwrap().remove(0);
    let pod = mesh.pods.iter().position(|pod| pod.name.to_string() == "server.strict").unwrap();
    let placement = Placement {
        config_dir: "/config".into(),
        log_dir: "/log".into(),
        key_log: true,
        redirect: ProxyIdentity::Mark(1337),
    };
    compile(&mesh, pod, &placement)
}

fn files(config: &PodConfig) -> String {
    config.files(&[]).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn a_lab_that_is_not_tuned_has_what_was_compiled() {
    let mut config = compiled();
    let before = files(&config);
    Tuning::default().apply(&mut config);
    assert_eq!(files(&config), before);
    assert!(before.contains("access.log") && before.contains("keys.log"));
}

#[test]
fn without_logs_no_listener_and_no_context_names_a_file_of_one() {
    let mut config = compiled();
    Tuning { access_log: false, key_logs: false, ..Tuning::default() }.apply(&mut config);
    let text = files(&config);
    assert!(!text.contains("access.log") && !text.contains("keys.log"), "{text}");
}

#[test]
fn both_sides_resume_sessions_or_neither() {
    let told = |resumption| {
        let mut config = compiled();
        Tuning { resumption: Some(resumption), ..Tuning::default() }.apply(&mut config);
        let text = files(&config);
        ["\"max_session_keys\": 0", "disable_stateless", "disable_stateful"].map(|field| text.contains(field))
    };
    assert_eq!((told(false), told(true)), ([true; 3], [false; 3]));
}

#[test]
fn a_group_that_is_named_is_the_only_one() {
    let mut config = compiled();
    Tuning { group: Some("X25519".into()), ..Tuning::default() }.apply(&mut config);
    let text = files(&config);
    assert!(text.contains("\"X25519\"") && !text.contains("MLKEM"), "{text}");
}

#[test]
fn programs_that_are_pinned_never_share_a_cpu_with_their_neighbours_where_there_are_two() {
    let seats = [Role::ClientApp, Role::ClientSidecar, Role::ServerSidecar, Role::ServerApp];
    let seated = |concurrency, cpus: &[usize]| {
        let tuning = Tuning { concurrency, pin: true, ..Tuning::default() };
        seats.map(|seat| tuning.seated(seat, cpus))
    };
    assert_eq!(seated(1, &[0, 1]), [vec![0], vec![1], vec![0], vec![1]]);
    assert_eq!(seated(2, &[0, 2, 4, 6, 8, 9]), [vec![0], vec![2, 4], vec![6, 8], vec![9]]);
    assert_eq!(seated(4, &[0, 1])[1], [1, 0]);
    assert!(seated(1, &[])[0].is_empty());
    assert!(Tuning::default().cpus(Role::ServerApp).is_empty());
}

#[test]
fn a_cluster_without_limits_has_all_of_its_circuit_breakers_raised() {
    let mut config = compiled();
    Tuning { unlimited: true, ..Tuning::default() }.apply(&mut config);
    let text = files(&config);
    for limit in ["max_connections", "max_pending_requests", "max_requests"] {
        assert!(text.contains(&format!("circuit_breakers.inbound|9080||.default.{limit}\": 4294967295")), "{text}");
    }
}
