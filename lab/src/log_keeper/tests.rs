use std::io::Write;

use super::*;

/// A log that `bytes` were appended to, in numbered lines.
fn log_of(bytes: u64) -> (tempfile::NamedTempFile, File) {
    let place = tempfile::NamedTempFile::new().unwrap();
    let mut appending = OpenOptions::new().append(true).open(place.path()).unwrap();
    let mut text = String::new();
    let mut number = 0;
    while (text.len() as u64) < bytes {
        text.push_str(&format!("line {number:08}\n"));
        number += 1;
    }
    appending.write_all(text.as_bytes()).unwrap();
    (place, appending)
}

fn lines(path: &Path) -> String {
    let file = File::open(path).unwrap();
    let from = beginning(&file).unwrap();
    let mut bytes = vec![0; (file.metadata().unwrap().len() - from) as usize];
    file.read_exact_at(&mut bytes, from).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_long_log_keeps_its_newest_lines_and_reports_the_cut() {
    let (log, mut appending) = log_of(MOST + 1);
    let last = lines(log.path()).lines().last().unwrap().to_owned();
    shorten(log.path()).unwrap();
    writeln!(appending, "one more").unwrap();

    assert!(fs::metadata(log.path()).unwrap().blocks() * 512 <= KEPT + 2 * BLOCK, "the rest was returned");
    let kept = lines(log.path());
    let mut lines_kept = kept.lines();
    assert_eq!(lines_kept.next(), Some(""));
    let word = lines_kept.next().unwrap();
    assert!(word.starts_with("# sidelab: ") && word.ends_with("a log keeps its newest 8 MiB"), "{word}");
    let whole = |line: &str| line.len() == "line 00000000".len() && line.starts_with("line ");
    assert!(lines_kept.next().is_some_and(whole), "a line is kept whole or not at all");
    assert_eq!(kept.lines().rev().take(2).collect::<Vec<_>>(), ["one more", &last]);
    assert!(!kept.contains('\0'));
}

#[test]
fn a_short_log_is_left_alone() {
    let (log, _appending) = log_of(MOST - BLOCK);
    let before = lines(log.path());
    shorten(log.path()).unwrap();
    assert!(lines(log.path()) == before);
    shorten(Path::new("/no/such/log")).unwrap();
}

#[test]
fn it_is_shortened_again_when_it_has_grown_again() {
    let (log, mut appending) = log_of(MOST + 1);
    shorten(log.path()).unwrap();
    let once = fs::metadata(log.path()).unwrap().blocks();
    appending.write_all(&b"another line\n".repeat((KEPT / 13 + 8192) as usize)).unwrap();
    shorten(log.path()).unwrap();
    assert!(fs::metadata(log.path()).unwrap().blocks() <= once + 8);
    assert!(lines(log.path()).ends_with("another line\n"));
}

#[test]
fn an_empty_log_has_no_lines() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(lines(empty.path()), "");
}
