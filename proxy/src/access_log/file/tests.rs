use super::*;

#[test]
fn after_a_flush_every_line_is_in_its_file_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let files = LogFiles::start(&Stats::default()).unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let logs = [&one, &one, &two].map(|path| files.open(path).unwrap());
    for i in 0..1000 {
        logs[i % 3].append(&format!("{i}\n"));
        if i == 500 {
            files.flush(Duration::from_secs(10)); // while the writer pauses
        }
    }
    files.flush(Duration::from_secs(10));
    let lines = |path: &Path| -> Vec<usize> {
        std::fs::read_to_string(path).unwrap().lines().map(|line| line.parse().unwrap()).collect()
    };
    assert_eq!(lines(&one), (0..1000).filter(|i| i % 3 < 2).collect::<Vec<_>>());
    assert_eq!(lines(&two), (0..1000).filter(|i| i % 3 == 2).collect::<Vec<_>>());
}

#[test]
fn a_line_is_written_without_a_flush() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let files = LogFiles::start(&Stats::default()).unwrap();
    let log = files.open(file.path()).unwrap();
    for line in ["one\n", "two\n"] {
        log.append(line);
        while !std::fs::read_to_string(file.path()).unwrap().ends_with(line) {
            thread::yield_now();
        }
    }
}

#[test]
fn lines_that_do_not_fit_on_the_disk_are_counted_and_do_not_affect_other_files() {
    let (file, stats) = (tempfile::NamedTempFile::new().unwrap(), Stats::default());
    let files = LogFiles::start(&stats).unwrap();
    let (full, good) = (files.open(Path::new("/dev/full")).unwrap(), files.open(file.path()).unwrap());
    for _ in 0..3 {
        full.append("lost\n");
        good.append("kept\n");
        files.flush(Duration::from_secs(10));
    }
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "kept\n".repeat(3));
    let counters = ["filesystem.write_failed", "filesystem.write_completed", "sidelab.access_log_lines_lost"];
    assert_eq!(counters.map(|name| stats.get(name)), [Some(3); 3]);
}

/// A writer that accepts a limited number of bytes.
struct Room(Vec<u8>, usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.1);
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(&bytes[..count]);
        self.1 -= count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_incomplete_line_does_not_affect_others() {
    let (mut disk, mut torn) = (Room(Vec::new(), 6), false);
    let lost = Lines::new(b"one\ntwo\nthree\n", &mut torn).write(&mut disk).unwrap_err();
    assert_eq!((lost.lines, torn), (2, true), "an incomplete line is lost, too");
    let lost = Lines::new(b"four\n", &mut torn).write(&mut disk).unwrap_err();
    assert_eq!((lost.lines, torn), (1, true));
    disk.1 = 100;
    Lines::new(b"five\n", &mut torn).write(&mut disk).unwrap();
    assert_eq!(disk.0, b"one\ntw\nfive\n");
}
