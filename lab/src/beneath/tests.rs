use std::{
    fs,
    io::Read as _,
    os::unix::fs::{MetadataExt, symlink},
};

use pretty_assertions::assert_eq;

use super::*;

/// Every file and folder below a folder.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(all(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let place = tempfile::tempdir().unwrap();
    let pod = place.path().join("pod");
    fs::create_dir(&pod).unwrap();
    symlink("..", pod.join("up")).unwrap();
    symlink(place.path().join("target"), pod.join("link")).unwrap();
    let before = all(place.path());
    let beneath = Beneath::open(&pod).unwrap();
    let absolute = place.path().join("absolute");
    for name in ["..", ".", "/", "../x", "../../x", "a/../../x", "up/x", "link", "link/x", "..//x", "./../x"] {
        assert!(beneath.write(Path::new(name), b"x", None).is_err(), "{name}");
    }
    assert!(beneath.write(&absolute, b"x", None).unwrap_err().to_string().contains("leads out of that folder"));
    assert!(beneath.folder(Path::new("../x"), None).is_err());
    // A folder on the way may have been made, inside.
    let after: Vec<_> = all(place.path()).into_iter().filter(|path| !path.ends_with("pod/a")).collect();
    assert_eq!(after, before);
}

#[test]
fn files_and_folders_are_readable_by_their_owner_only() {
    let place = tempfile::tempdir().unwrap();
    let owner = nix::unistd::geteuid().is_root().then_some(User { uid: 1234, gid: 1235 });
    let mount = Beneath::open(place.path()).unwrap().folder(Path::new("containers/app"), owner).unwrap();
    mount.write(Path::new("tls/tls.key"), b"secret", owner).unwrap();
    mount.write(Path::new("tls/tls.key"), b"newer", owner).unwrap();
    assert_eq!(fs::read(place.path().join("containers/app/tls/tls.key")).unwrap(), b"newer");
    for (path, mode) in [("containers", 0o700), ("containers/app/tls", 0o700), ("containers/app/tls/tls.key", 0o600)] {
        let found = fs::metadata(place.path().join(path)).unwrap();
        assert_eq!(found.mode() & 0o777, mode, "{path}");
        if let Some(User { uid, gid }) = owner {
            assert_eq!((found.uid(), found.gid()), (uid, gid), "{path}");
        }
    }
}

#[test]
fn a_file_is_replaced_whole() {
    let place = tempfile::tempdir().unwrap();
    let folder = Beneath::open(place.path()).unwrap();
    folder.write(Path::new("a"), b"earlier", None).unwrap();
    let mut open = File::open(place.path().join("a")).unwrap();
    folder.write(Path::new("a"), b"new", None).unwrap();
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "earlier", "it is still there for a program that has it open");
    assert_eq!(fs::read(place.path().join("a")).unwrap(), b"new");
    assert_eq!(all(place.path()).len(), 1, "nothing is left beside it");
}
