use std::os::unix::fs::symlink;

use pretty_assertions::assert_eq;

use super::*;
use crate::NodeSpec;

fn first_line() -> Entry {
    Entry::Lab { name: None, creator: 1, stays_up: false, node: NodeSpec::default() }
}

/// What a folder of this name that contains these files is recognized as.
fn taken_for(name: &str, files: &[(&str, &str)]) -> Result<LabState, &'static str> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join(name);
    fs::create_dir(&path).unwrap();
    for (file, text) in files {
        fs::write(path.join(file), text).unwrap();
    }
    LabFolder::recognize(&path, name).map(|lab| lab.state())
}

#[test]
fn only_a_folder_with_a_labs_name_and_state_file_is_a_lab() {
    let journal = serde_json::to_string(&first_line()).unwrap() + "\n";
    let state = (Journal::FILE, journal.as_str());
    assert_eq!(taken_for("sl-0a1f", &[state]), Ok(LabState::Stale));
    assert_eq!(
        taken_for("sl-0a1f", &[(Journal::FILE, &(journal.clone() + "damaged\n")), ("more", "")]),
        Ok(LabState::Stale)
    );
    for name in ["data", "sl-0A1F", "sl-12345", "sl-12g4", "sl-123", "xsl-1234"] {
        assert_eq!(taken_for(name, &[state]), Err("its name is not sl- and four hexadecimal digits"), "{name}");
    }
    for foreign in [("notes.txt", "mine"), (Journal::FILE, "{\"mine\": 1}\n"), (Journal::FILE, "{\"lab\":")] {
        assert_eq!(taken_for("sl-0a1f", &[foreign]), Err("it has no lab's state file"), "{foreign:?}");
    }
}

#[test]
fn what_a_kill_during_creation_or_removal_leaves_is_still_a_lab() {
    assert_eq!(taken_for("sl-0a1f", &[]), Ok(LabState::Stale));
    assert_eq!(taken_for("sl-0a1f", &[(LOCK, ""), (Journal::FILE, "")]), Ok(LabState::Stale));
    assert_eq!(taken_for("sl-0a1f", &[(LOCK, "something")]), Err("it has no lab's state file"));
}

#[test]
fn a_symbolic_link_to_a_lab_is_not_a_lab() {
    let place = tempfile::tempdir().unwrap();
    let (lab, link) = (place.path().join("sl-0001"), place.path().join("sl-0002"));
    fs::create_dir(&lab).unwrap();
    symlink(&lab, &link).unwrap();
    assert!(LabFolder::recognize(&lab, "sl-0001").is_ok());
    assert_eq!(LabFolder::recognize(&link, "sl-0002").err(), Some("it is not a folder"));
    fs::write(place.path().join("state"), serde_json::to_string(&first_line()).unwrap() + "\n").unwrap();
    symlink(place.path().join("state"), lab.join(Journal::FILE)).unwrap();
    assert_eq!(LabFolder::recognize(&lab, "sl-0001").err(), Some("it has no lab's state file"));
}

#[test]
fn a_malformed_id_is_refused_before_a_path_is_made_of_it() {
    for id in ["..", ".", "", "a/b", "/etc", "sl-1234/..", "sl-1234/", "../sl-1234"] {
        assert!(matches!(find(id), Err(Error::BadLabId { .. })), "{id}");
        assert!(matches!(sweep(id), Err(Error::BadLabId { .. })), "{id}");
    }
}
