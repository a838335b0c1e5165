use super::*;

const RUNNING: State = State::Running { started: 5 };

fn ended(code: impl Into<Option<i32>>) -> State {
    State::Ended { started: 7, finished: Some(9), code: code.into() }
}

fn pod(states: &[State]) -> PodStatus {
    let container = |state: &State| ContainerStatus {
        name: "app".into(),
        image: "image".into(),
        state: *state,
        pid: None,
        is_ready: state.is_running(),
        restarts: 0,
    };
    PodStatus { containers: states.iter().map(container).collect() }
}

/// READY, STATUS and the phase.
fn shown(states: &[State]) -> (String, &'static str, &'static str) {
    let pod = pod(states);
    let (ready, all) = pod.ready();
    (format!("{ready}/{all}"), pod.text(), pod.phase())
}

#[test]
fn a_pod_whose_containers_run_is_running() {
    assert_eq!(shown(&[RUNNING, RUNNING]), ("2/2".into(), "Running", "Running"));
}

#[test]
fn a_container_that_failed_shows_as_error_beside_one_that_runs() {
    assert_eq!(shown(&[RUNNING, ended(137)]), ("1/2".into(), "Error", "Running"));
    assert_eq!(shown(&[ended(1), RUNNING]), ("1/2".into(), "Error", "Running"));
    assert_eq!(shown(&[ended(1), ended(0)]), ("0/2".into(), "Error", "Failed"));
}

#[test]
fn a_container_that_completed_makes_a_pod_not_ready_while_others_run() {
    assert_eq!(shown(&[ended(0), RUNNING]), ("1/2".into(), "NotReady", "Running"));
    assert_eq!(shown(&[ended(0), ended(0)]), ("0/2".into(), "Completed", "Succeeded"));
    assert_eq!(shown(&[ended(0), ended(2)]), ("0/2".into(), "Completed", "Failed"), "the first container's reason");
}

#[test]
fn an_end_that_nobody_saw_is_not_called_a_success() {
    assert_eq!(shown(&[ended(None)]), ("0/1".into(), "ContainerStatusUnknown", "Failed"));
    assert!(pod(&[RUNNING, ended(None)]).has_unknown_end() && !pod(&[RUNNING, ended(0)]).has_unknown_end());
}

#[test]
fn a_pod_is_as_old_as_its_first_program() {
    assert_eq!(pod(&[ended(0), RUNNING]).started(), Some(5));
    assert_eq!((shown(&[State::Missing]).1, pod(&[State::Missing]).started()), ("ContainerCreating", None));
}

#[test]
fn a_process_started_as_long_after_the_boot_as_its_ticks_say() {
    let process = ProcessRecord { pod: String::new(), name: String::new(), pid: u32::MAX, start_time: 12_345 };
    let clock = Clock { now: 1_000_000, since_boot: 1_000 };
    assert_eq!(clock.started(&process), 999_123);
    let exits = [ExitRecord { pid: u32::MAX, start_time: 12_345, code: 143, at: 999_200 }];
    let ended = State::Ended { started: 999_123, finished: Some(999_200), code: Some(143) };
    assert_eq!(state(&process, &exits, clock), ended);
    let of_another = [ExitRecord { start_time: 12_346, ..exits[0].clone() }];
    assert!(matches!(state(&process, &of_another, clock), State::Ended { code: None, .. }));
}
