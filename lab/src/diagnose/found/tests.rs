use pretty_assertions::assert_eq;

use super::{super::causes, *};
use crate::{
    faults::Between,
    look::status::{ContainerStatus, State},
};

fn container(name: &str, state: State, is_ready: bool) -> ContainerStatus {
    ContainerStatus { name: name.into(), image: String::new(), state, pid: None, is_ready, restarts: 0 }
}

#[test]
fn a_program_that_has_ended_is_found_and_one_that_runs_is_not() {
    let ended = State::Ended { started: 0, finished: Some(90), code: Some(137) };
    let status = PodStatus {
        containers: vec![
            container("app", ended, false),
            container("helper", State::Running { started: 0 }, true),
            container(crate::sidecar::CONTAINER, State::Running { started: 0 }, false),
        ],
    };
    let found = Found::programs("server.default", &status, false, 100);
    let said: Vec<&str> = found.iter().map(|found| found.what.as_str()).collect();
    assert_eq!(said, ["app has ended with exit code 137, 10s ago", "istio-proxy is stopped"]);
    let of_caller = Found::programs("client.default", &status, true, 100);
    assert_eq!(of_caller[1].causes, ["sidecar-not-ready"]);
}

#[test]
fn an_app_that_listens_on_loopback_alone_is_another_cause_than_one_that_does_not_listen() {
    let cause = |listeners: &[&str]| {
        let listeners: Vec<SocketAddr> = listeners.iter().map(|one| one.parse().unwrap()).collect();
        Found::listeners("server.default", 8080, &listeners).map(|found| found.causes)
    };
    assert_eq!(cause(&["127.0.0.1:8080", "0.0.0.0:15006"]), Some(vec!["app-on-loopback"]));
    assert_eq!(cause(&["[::1]:8080"]), Some(vec!["app-on-loopback"]));
    assert_eq!(cause(&["0.0.0.0:15006"]), Some(vec!["nothing-listens"]));
    assert_eq!(cause(&["127.0.0.1:8080", "[::]:8080"]), None);
    assert_eq!(cause(&["10.244.0.4:8080"]), None);
}

#[test]
fn a_fault_in_force_is_a_fact_without_a_pod_and_a_cause_of_its_own() {
    let pods = ["client.default".to_owned(), "server.default".to_owned()];
    let found = Found::fault(&LabFault::Partition(Between { pods, port: None }));
    assert_eq!((found.pod, found.causes), (None, vec!["fault-in-force", "connect-timeout", "timeout"]));
    assert_eq!(Found::fault(&LabFault::Istiod).causes, [""; 0], "sidecars keep what they have");
}

#[test]
fn every_cause_that_is_pointed_to_is_in_the_table() {
    let all: Vec<&str> = causes::all().map(|cause| cause.id).collect();
    let pods = ["a".to_owned(), "b".to_owned()];
    let between = Between { pods, port: None };
    let of_pod = || crate::faults::OfPod { pod: "a".into(), container: "app".into() };
    let faults = [
        LabFault::Partition(between.clone()),
        LabFault::Reset(between),
        LabFault::Stop(of_pod()),
        LabFault::Kill(of_pod()),
    ];
    let missing = PodStatus { containers: vec![container("app", State::Missing, false)] };
    let found = faults.iter().map(Found::fault).chain(Found::programs("a", &missing, false, 0));
    for id in found.flat_map(|found| found.causes) {
        assert!(all.contains(&id), "{id}");
    }
}
