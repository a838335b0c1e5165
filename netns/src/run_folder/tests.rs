use std::os::unix::fs::symlink;

use super::*;

fn folder_at(path: PathBuf, is_named: bool) -> RunFolder {
    RunFolder { path, is_named, mode: 0o700 }
}

#[test]
fn a_folder_that_another_user_could_have_planted_is_refused_and_left_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let (elsewhere, link) = (place.path().join("elsewhere"), place.path().join("link"));
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &link).unwrap();
    let planted = folder_at(link.clone(), false);
    planted.make().unwrap();
    let error = planted.open().unwrap_err().to_string();
    assert!(error.contains("it is not a folder, or a symbolic link") && error.contains(VARIABLE), "{error}");
    assert!(folder_at(link, true).open().unwrap().is_some(), "a link that the user names is followed");

    let open_to_others = place.path().join("open");
    fs::create_dir(&open_to_others).unwrap();
    files::set_mode(&open_to_others, 0o777).unwrap();
    let error = folder_at(open_to_others.clone(), false).open().unwrap_err().to_string();
    assert!(error.contains("other users may write to it (mode 0777)"), "{error}");

    if nix::unistd::geteuid().is_root() {
        files::set_mode(&open_to_others, 0o700).unwrap();
        std::os::unix::fs::chown(&open_to_others, Some(65534), None).unwrap();
        let error = folder_at(open_to_others, false).open().unwrap_err().to_string();
        assert!(error.contains("it belongs to another user"), "{error}");
    }
}

#[test]
fn an_existing_folder_keeps_its_mode_and_a_new_one_is_private() {
    let place = tempfile::tempdir().unwrap();
    files::set_mode(place.path(), 0o1777).unwrap();
    folder_at(place.path().to_owned(), true).make().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(place.path()), 0o1777);
    let own = folder_at(place.path().join("own"), false);
    assert!(own.open().unwrap().is_none());
    own.make().unwrap();
    assert_eq!(mode(&own.path), 0o700);
    assert!(own.open().unwrap().is_some());
}
