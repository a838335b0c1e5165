use pretty_assertions::assert_eq;

use super::*;

fn program(name: &str) -> Entry {
    Entry::Program { pod: "client.default".to_owned(), name: name.to_owned() }
}

#[test]
fn what_is_recorded_is_read_back_by_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let entries = [
        Entry::Lab { name: None, creator: 7, stays_up: true, node: NodeSpec::default() },
        program("app"),
        Entry::LeftUp,
    ];
    let journal = Journal::create(folder.path()).unwrap();
    for entry in &entries {
        journal.record(entry).unwrap();
    }
    assert_eq!(Journal::read(folder.path()).unwrap(), entries);
}

#[test]
fn an_incomplete_last_line_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    Journal::create(folder.path()).unwrap().record(&program("app")).unwrap();
    let path = Journal::path(folder.path());
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str(r#"{"program":{"pod":"cli"#);
    fs::write(&path, text).unwrap();
    assert_eq!(Journal::read(folder.path()).unwrap(), [program("app")]);
}

#[test]
fn a_line_that_is_not_an_entry_is_named() {
    let folder = tempfile::tempdir().unwrap();
    Journal::create(folder.path()).unwrap().record(&program("app")).unwrap();
    let path = Journal::path(folder.path());
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"frob\":1}\n");
    fs::write(&path, text).unwrap();
    let error = Journal::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("state.jsonl:2: not an entry"), "{error}");
}

#[test]
fn a_reused_pid_is_another_process() {
    let pid = std::process::id();
    let own = ProcessRecord { pod: String::new(), name: String::new(), pid, start_time: start_time(pid).unwrap() };
    assert!(own.is_running());
    let earlier = ProcessRecord { start_time: own.start_time - 1, ..own };
    assert!(!earlier.is_running());
}
