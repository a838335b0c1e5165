//! `cp`, `get -l`, `get -w`, `logs --since` and repeated options, as kubectl has them.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    process::{Child, Stdio},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, mkfifo},
};
use pretty_assertions::assert_eq;
use tests::{folder, labs::OwnLabs, may_make_labs, text};

#[test]
fn files_and_folders_are_copied_to_and_from_a_pod_and_stay_in_it() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", "scenarios/strict/manifests.yaml"]);
    let (here, files) = folder(&[("a.txt", "one")]);
    fs::create_dir_all(here.path().join("sent/deep")).unwrap();
    fs::write(here.path().join("sent/a.txt"), "one").unwrap();
    fs::write(here.path().join("sent/deep/b.txt"), "two").unwrap();
    let path = |name: &str| here.path().join(name).to_str().unwrap().to_owned();
    let read = |name: &str| fs::read_to_string(here.path().join(name)).unwrap();
    labs.done(&["cp", files[0].to_str().unwrap(), "client:/tmp/renamed.txt"]);
    labs.done(&["cp", &path("sent"), "default/client:/tmp", "-c", "app"]);
    assert_eq!(labs.done(&["exec", "client", "--", "cat", "/tmp/renamed.txt", "/tmp/sent/deep/b.txt"]), "onetwo");
    labs.done(&["cp", "client:/tmp/sent", &path("received")]);
    assert_eq!((read("received/a.txt").as_str(), read("received/deep/b.txt").as_str()), ("one", "two"));
    fs::create_dir(here.path().join("there")).unwrap();
    labs.done(&["cp", "client:tmp/renamed.txt", &path("there")]);
    assert_eq!(read("there/renamed.txt"), "one");

    labs.done(&["exec", "client", "--", "ln", "-s", "/etc/hostname", "/tmp/sent/link"]);
    labs.done(&["cp", "client:/tmp/sent", &path("followed")]);
    assert!(!fs::symlink_metadata(here.path().join("followed/link")).unwrap().is_symlink());
    let outside = "/tmp/../../../../usr/share/sidelab-escape.txt";
    for (from, to, message) in [
        (path("sent/a.txt"), format!("client:{outside}"), "Read-only file system"),
        ("client:/tmp/missing".to_owned(), path("there/renamed.txt"), "No such file or directory"),
        (path("missing"), "client:/tmp".to_owned(), "can't read"),
        (path("sent"), path("x"), "one of the two has to be of a pod"),
        ("client:/a".to_owned(), "server:/a".to_owned(), "copy from pod to pod in two steps"),
    ] {
        let refused = labs.sidelab(&["cp", &from, &to]);
        assert_eq!(refused.status.code(), Some(2), "{from} {to}: {}", text(&refused));
        assert!(text(&refused).contains(message), "{from} {to}: {}", text(&refused));
    }
    assert_eq!(read("there/renamed.txt"), "one", "what was there is kept");
    assert!(!fs::exists("/usr/share/sidelab-escape.txt").unwrap());
}

#[test]
fn a_copy_that_a_signal_ends_leaves_nothing_behind() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", "scenarios/strict/manifests.yaml"]);
    let here = tempfile::tempdir().unwrap();
    // Pipes whose other ends stay open: copies that are never complete.
    let (up, folder) = (here.path().join("up"), here.path().join("folder"));
    mkfifo(&up, Mode::S_IRWXU).unwrap();
    fs::create_dir(&folder).unwrap();
    labs.done(&["exec", "client", "--", "mkfifo", "/tmp/down"]);
    let is_ended = |mut copy: Child| {
        kill(Pid::from_raw(copy.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_eq!(copy.wait().unwrap().code(), Some(130));
        assert_eq!(labs.done(&["exec", "client", "--", "ls", "-A", "/tmp"]), "down\n");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    };

    let copy = labs.command(&["cp", up.to_str().unwrap(), "client:/tmp/copied"]).spawn().unwrap();
    let mut begun = File::options().write(true).open(&up).unwrap();
    begun.write_all(b"begun").unwrap();
    labs.done(&["exec", "client", "--", "sh", "-c", "until ls -A /tmp | grep -q part; do :; done"]);
    is_ended(copy);

    let copy = labs.command(&["cp", "client:/tmp/down", folder.to_str().unwrap()]).spawn().unwrap();
    let hold = ["exec", "-i", "client", "--", "sh", "-c", "exec 3> /tmp/down; echo begun; read end"];
    let mut feeding = labs.command(&hold).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(feeding.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "begun\n");
    is_ended(copy);
    drop(feeding.stdin.take());
    feeding.wait().unwrap();
}

#[test]
fn objects_are_selected_by_label_and_watched() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", "scenarios/strict/manifests.yaml"]);
    assert_eq!(labs.done(&["get", "pods", "-l", "app=server", "-o", "name"]), "pod/server\n");
    assert_eq!(labs.done(&["get", "pods", "-l", "app!=server", "-o", "name"]), "pod/client\npod/outsider\n");
    let both = labs.sidelab(&["get", "pod", "server", "-l", "app=server"]);
    assert_eq!(both.status.code(), Some(2));
    assert!(text(&both).contains("name cannot be provided when a selector is specified"), "{}", text(&both));
    let mut watch = labs.command(&["get", "pods", "-w"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let shown: Vec<String> = lines.by_ref().take(4).collect();
    assert!(shown[0].starts_with("NAME") && shown[3].starts_with("server     2/2"), "{shown:?}");
    labs.done(&["fault", "stop", "server"]);
    assert!(lines.next().unwrap().starts_with("server     1/2     Running"));
    labs.done(&["down"]);
    assert!(watch.wait().unwrap().success(), "it ends with the lab");
}

#[test]
fn logs_can_be_limited_to_the_newest_seconds() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", "scenarios/strict/manifests.yaml"]);
    let call = |path: &str| labs.done(&["exec", "client", "--", "curl", "-s", &format!("http://server:8080/{path}")]);
    call("early");
    let log = labs.path().join(&id).join("pods/client.default/log/access.log");
    let noted = || {
        let notes = fs::read_to_string(labs.path().join(&id).join("log-times/pods%client.default%log%access.log"));
        let length = fs::metadata(&log).map_or(0, |file| file.len());
        length > 0 && notes.is_ok_and(|notes| notes.trim_end().ends_with(&format!(" {length}")))
    };
    while !noted() {
        std::thread::yield_now();
    }
    let logs = |since: &str| labs.done(&["logs", "client", "-c", "istio-proxy", "--since", since]);
    assert!(logs("1h").contains("/early"));
    // Until the call is older than what is asked for.
    while logs("1s").contains("/early") {
        std::thread::yield_now();
    }
    assert!(logs("1h").contains("/early"));
}

#[test]
fn of_an_option_that_is_given_twice_the_last_value_counts() {
    let labs = OwnLabs::new();
    let explain = ["explain", "-f", "scenarios/strict/manifests.yaml", "--from", "client", "--to", "server:8080"];
    let twice = [&explain[..], &["--app", "tcp", "--app", "http", "-o", "table", "-o", "json"]].concat();
    let account: serde_json::Value = serde_json::from_str(&labs.done(&twice)).unwrap();
    assert_eq!(account["app_sends"], "http");
}
