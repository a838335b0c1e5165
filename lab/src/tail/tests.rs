use std::io::Write;

use super::*;

fn append(path: &Path, text: &str) {
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn only_whole_lines_that_are_new_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    append(&old, "before\n");
    let files = vec![old.clone(), new.clone()];
    let mut tails = Tails::new(move || files.clone());
    assert_eq!(tails.read(), []);
    append(&old, "one\ntw");
    append(&new, "first\n");
    assert_eq!(tails.read(), [(old.clone(), "one\n".to_owned()), (new, "first\n".to_owned())]);
    assert_eq!(tails.read(), [], "a line that is not complete");
    append(&old, "o\n");
    assert_eq!(tails.read(), [(old, "two\n".to_owned())]);
}
