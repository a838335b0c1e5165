use std::os::unix::fs::symlink;

use pretty_assertions::assert_eq;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn an_existing_file_is_untouched_until_the_new_one_is_complete() {
    let folder = folder();
    let path = folder.path().join("report.json");
    fs::write(&path, "earlier").unwrap();
    check([&path]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
    let failed = write_secret(&path, |file| {
        file.write_all(&[b'x'; 100_000])?;
        assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
        Err(io::ErrorKind::StorageFull.into())
    });
    let error = failed.unwrap_err().to_string();
    assert!(error.starts_with(&format!("can't write {}: ", path.display())), "{error}");
    assert!(error.ends_with("free some space there, or name another place"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
    write(&path, "new").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(names(folder.path()), ["report.json"], "nothing else is left");
}

#[test]
fn a_file_keeps_its_mode_its_owner_and_its_link() {
    let folder = folder();
    let (path, link) = (folder.path().join("report"), folder.path().join("latest"));
    fs::write(&path, "earlier").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    symlink("report", &link).unwrap();
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(&path, Some(1337), Some(1337)).unwrap();
    }
    write(&link, "new").unwrap();
    assert!(link.is_symlink());
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o640));
    assert!(!is_root || fs::metadata(&path).unwrap().uid() == 1337);
}

#[test]
fn keys_are_readable_by_their_owner_only_even_in_place_of_a_readable_file() {
    let folder = folder();
    let path = folder.path().join("captures/a.pcapng");
    check_secret_folder(&folder.path().join("captures")).unwrap();
    assert_eq!(mode(&folder.path().join("captures")), 0o700);
    fs::write(&path, "earlier").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    write_secret(&path, |file| file.write_all(b"keys")).unwrap();
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("keys", 0o600));
}

#[test]
fn an_unwritable_place_is_detected_before_the_work() {
    let folder = folder();
    let dangling = folder.path().join("dangling");
    symlink("nowhere", &dangling).unwrap();
    for (path, why) in [
        (folder.path().to_owned(), "is a directory"),
        (folder.path().join("none/report"), "create its folder first"),
        (dangling, "dangling symbolic link"),
        (PathBuf::from("/proc/version"), "Permission denied"),
    ] {
        match check([&path]) {
            Err(error) => assert!(error.to_string().contains(why), "{error}"),
            // Root may write anywhere where the kernel lets it.
            Ok(()) => assert_eq!(why, "Permission denied"),
        }
    }
}

#[test]
fn a_pipe_and_a_device_are_written_to_directly() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    check([&pipe, &PathBuf::from("/dev/null")]).unwrap();
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    write(&pipe, "a report").unwrap();
    assert_eq!(reader.join().unwrap(), "a report");
    write(Path::new("/dev/null"), "a report").unwrap();
    let error = write(Path::new("/dev/full"), "a report").unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
}
