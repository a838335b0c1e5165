use super::*;

#[test]
fn every_line_is_in_its_file_and_in_its_order_after_a_flush() {
    let folder = tempfile::tempdir().unwrap();
    let files = LogFiles::start().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let logs = [&one, &one, &two].map(|path| files.open(path).unwrap());
    for i in 0..1000 {
        logs[i % 3].append(&format!("{i}\n"));
        if i == 500 {
            files.flush(); // while the writer rests
        }
    }
    files.flush();
    let lines = |path: &Path| -> Vec<usize> {
        std::fs::read_to_string(path).unwrap().lines().map(|line| line.parse().unwrap()).collect()
    };
    assert_eq!(lines(&one), (0..1000).filter(|i| i % 3 < 2).collect::<Vec<_>>());
    assert_eq!(lines(&two), (0..1000).filter(|i| i % 3 == 2).collect::<Vec<_>>());
}

#[test]
fn a_line_is_written_without_being_asked_for() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let files = LogFiles::start().unwrap();
    let log = files.open(file.path()).unwrap();
    for line in ["one\n", "two\n"] {
        log.append(line);
        while !std::fs::read_to_string(file.path()).unwrap().ends_with(line) {
            thread::yield_now();
        }
    }
}
