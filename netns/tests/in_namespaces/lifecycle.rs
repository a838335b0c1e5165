//! Labs are created and removed in parallel, and leave nothing behind.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use netns::{Error, Lab, LabSpec, LabState, Program, Start, labs, sweep, sweep_stale};
use pretty_assertions::assert_eq;

use crate::common::{call, lab, lab_of, pod, serve_once, v4, v6};

/// Visible remains of a lab.
fn traces(id: &str) -> Vec<String> {
    let mut traces = Vec::new();
    if Path::new("/run/sidelab").join(id).exists() {
        traces.push("its folder".to_owned());
    }
    for entry in fs::read_dir("/run/netns").into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        traces.extend(name.starts_with(id).then_some(name));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    traces.extend(mounts.lines().filter(|line| line.contains(id)).map(str::to_owned));
    traces
}

fn state_of(id: &str) -> Option<LabState> {
    labs().unwrap().labs.into_iter().find(|lab| lab.id == id).map(|lab| lab.state)
}

#[test]
fn a_dropped_lab_leaves_nothing() {
    let Some(lab) = lab() else { return };
    let id = lab.id().to_owned();
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    // The child in the background belongs to no process of the lab; it can only be found by its namespace.
    let process =
        pod.start(&Program::new("app", "sh", ["-c", "setsid sleep 1000 & exec sleep 1000"]), &Start::default());
    let process = process.unwrap();
    assert!(!traces(&id).is_empty());
    drop(lab);
    assert_eq!(traces(&id), Vec::<String>::new());
    assert!(process.wait(crate::common::PATIENCE).unwrap().is_some());
    assert!(pod.enter(|| ()).is_err(), "a handle does not keep it up");
}

#[test]
fn ten_labs_with_the_same_addresses_do_not_collide() {
    if lab().is_none() {
        return;
    }
    thread::scope(|scope| {
        for n in 0..10 {
            scope.spawn(move || {
                let lab = lab().unwrap();
                let server = format!("server-{n}");
                let pods = lab.add_pods([pod("client", 2), pod(&server, 3)]).unwrap();
                for address in [v4(3).into(), v6(3).into()] {
                    let (address, served) = serve_once(&pods[1], address);
                    assert_eq!(call(&pods[0], address).unwrap(), server);
                    served.join().unwrap();
                }
                let id = lab.id().to_owned();
                lab.remove().unwrap();
                assert_eq!(traces(&id), Vec::<String>::new());
            });
        }
    });
}

#[test]
fn two_pods_share_neither_a_name_nor_an_address() {
    let Some(lab) = lab() else { return };
    lab.add_pod(pod("client", 2)).unwrap();
    let error = lab.add_pod(pod("client", 3)).unwrap_err();
    assert_eq!(error.to_string(), "pod `client`: the lab has a pod of that name");
    let error = lab.add_pod(pod("server", 2)).unwrap_err();
    assert_eq!(error.to_string(), "pod `server`: pod `client` has the address 10.244.0.2");
    let error = lab.add_pods([pod("one", 4), pod("two", 1)]).unwrap_err();
    assert_eq!(error.to_string(), "pod `two`: the node has the address 10.244.0.1");
    assert_eq!(lab.pods().len(), 1);
}

#[test]
fn a_lab_that_is_left_up_can_be_opened_by_others() {
    let Some(lab) = lab_of(LabSpec { stays_up: true, ..LabSpec::default() }) else { return };
    let id = lab.id().to_owned();
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    let process = pod.start(&Program::new("app", "sleep", ["1000"]), &Start::default()).unwrap();
    lab.leave_up().unwrap();
    let pid = process.pid();
    drop(process);

    assert_eq!(state_of(&id), Some(LabState::LeftUp));
    let opened = Lab::open(&id).unwrap();
    assert_eq!(opened.pod("client").unwrap().spec(), pod.spec());
    assert!(matches!(opened.pod("server"), Err(Error::NoPod { .. })));
    let summary = labs().unwrap().labs.into_iter().find(|lab| lab.id == id).unwrap();
    assert_eq!(summary.processes.iter().map(|process| process.pid).collect::<Vec<_>>(), [pid]);
    drop(opened);
    assert!(!sweep_stale().unwrap().removed.contains(&id));
    assert_eq!(state_of(&id), Some(LabState::LeftUp));

    sweep(&id).unwrap();
    assert_eq!(traces(&id), Vec::<String>::new());
    assert!(matches!(sweep(&id), Err(Error::NoLab { .. })));
}

#[test]
fn ip_netns_enters_a_pod_by_its_name() {
    let Some(lab) = lab() else { return };
    let pod = lab.add_pod(pod("client", 2)).unwrap();
    match Command::new("ip").args(["netns", "exec", pod.namespace(), "cat", "/proc/net/if_inet6"]).output() {
        Ok(output) => assert!(String::from_utf8_lossy(&output.stdout).contains("eth0"), "{output:?}"),
        Err(error) => eprintln!("skipped: cannot run `ip`: {error}"),
    }
}

#[test]
fn sweeping_by_id_removes_a_lab_in_use() {
    let Some(lab) = lab() else { return };
    lab.add_pod(pod("client", 2)).unwrap();
    sweep(lab.id()).unwrap();
    assert_eq!(traces(lab.id()), Vec::<String>::new());
    lab.remove().unwrap();
}

#[test]
fn several_processes_can_remove_a_lab_at_the_same_time() {
    let Some(lab) = lab() else { return };
    let id = lab.id().to_owned();
    lab.add_pods((2..10).map(|n| pod(&format!("pod-{n}"), n))).unwrap();
    let removals: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| sweep(&id))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // A removal that starts after the others are done finds no lab.
    let failed = removals.into_iter().filter_map(Result::err).filter(|error| !matches!(error, Error::NoLab { .. }));
    assert_eq!(failed.map(|error| error.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(traces(&id), Vec::<String>::new());
    lab.remove().unwrap();
}

#[test]
fn a_lab_without_stays_up_cannot_be_left_up() {
    let Some(lab) = lab() else { return };
    let id = lab.id().to_owned();
    assert!(lab.leave_up().is_err());
    assert_eq!(traces(&id), Vec::<String>::new());
}

#[test]
fn exec_becomes_the_program_and_passes_its_status_on() {
    let Some(lab) = lab() else { return };
    lab.add_pod(pod("client", 2)).unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "lifecycle::becomes_a_program", "--ignored", "--nocapture"])
        .env("LAB", lab.id())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("10.244.0.2 client"), "{stdout}");
    assert_eq!(output.status.code(), Some(7));
}

#[test]
#[ignore = "run by exec_becomes_the_program_and_passes_its_status_on"]
fn becomes_a_program() {
    let lab = Lab::open(&env::var("LAB").unwrap()).unwrap();
    let program = Program::new("shell", "sh", ["-c", "cat /etc/hosts; exit 7"]);
    panic!("{}", lab.pod("client").unwrap().exec(&program));
}

#[test]
fn a_lab_whose_creator_was_killed_is_swept() {
    let Some(own) = lab() else { return };
    let mut creator = Command::new(env::current_exe().unwrap())
        .args(["--exact", "lifecycle::makes_a_lab_and_hangs", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(creator.stdout.take().unwrap()).lines();
    let (id, pid) = stdout
        .map(Result::unwrap)
        .find_map(|line| line.split_once("a lab: ")?.1.split_once(' ').map(|(id, pid)| (id.to_owned(), pid.to_owned())))
        .unwrap();
    assert_eq!(state_of(&id), Some(LabState::InUse));
    creator.kill().unwrap();
    creator.wait().unwrap();

    assert_eq!(state_of(&id), Some(LabState::Stale));
    // Other tests sweep, too, and one of them may remove it first.
    sweep_stale().unwrap();
    assert_eq!(traces(&id), Vec::<String>::new());
    assert!(!netns_of_any_process(&pid), "its programs are gone");
    assert_eq!(state_of(own.id()), Some(LabState::InUse), "a lab in use is left alone");
}

fn netns_of_any_process(pid: &str) -> bool {
    fs::metadata(format!("/proc/{pid}/ns/net")).is_ok()
}

#[test]
#[ignore = "run by a_lab_whose_creator_was_killed_is_swept, which kills it"]
fn makes_a_lab_and_hangs() {
    let lab = lab().unwrap();
    let pods = lab.add_pods([pod("client", 2), pod("server", 3)]).unwrap();
    let process = pods[0].start(&Program::new("app", "sleep", ["1000"]), &Start::default()).unwrap();
    println!("\na lab: {} {}", lab.id(), process.pid());
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().lines().next();
}

#[test]
fn a_removed_pod_can_come_back_with_its_name_and_addresses_in_another_process() {
    let Some(lab) = lab() else { return };
    let (client, server) = (lab.add_pod(pod("client", 2)).unwrap(), lab.add_pod(pod("server", 3)).unwrap());
    let running = server.start(&Program::new("app", "sleep", ["1000"]), &Start::default()).unwrap();
    // As a later `sidelab apply` does.
    let opened = Lab::open(lab.id()).unwrap();
    opened.remove_pod("server").unwrap();
    assert!(running.wait(crate::common::PATIENCE).unwrap().is_some(), "its processes have ended");
    assert!(server.enter(|| ()).is_err(), "its namespace is gone");
    assert!(!server.dir().exists());
    assert_eq!(labs().unwrap().labs.iter().find(|one| one.id == lab.id()).unwrap().pods, ["client"]);
    let again = opened.add_pod(pod("server", 3)).unwrap();
    opened.add_pod(pod("another", 4)).unwrap();
    let (address, served) = serve_once(&again, v4(3).into());
    assert_eq!(call(&client, address).unwrap(), "server");
    served.join().unwrap();
    assert_eq!(Lab::open(lab.id()).unwrap().pods().len(), 3);
}
