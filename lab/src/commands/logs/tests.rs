use pretty_assertions::assert_eq;

use super::*;

fn last(text: &str, lines: u64) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut log = Log::open(file.path()).unwrap();
    log.skip_to_last(lines).unwrap();
    text[usize::try_from(log.at).unwrap()..].to_owned()
}

#[test]
fn a_tail_is_the_last_lines_and_no_more_than_there_are() {
    for (lines, expected) in [(0, ""), (1, "c\n"), (2, "b\nc\n"), (3, "a\nb\nc\n"), (9, "a\nb\nc\n")] {
        assert_eq!(last("a\nb\nc\n", lines), expected, "{lines}");
    }
    assert_eq!(last("a\nb", 1), "b", "a line that is not ended yet is one");
    assert_eq!((last("", 5).as_str(), last("\n\n", 1).as_str()), ("", "\n"));
    let long = "x".repeat(CHUNK) + "\nlast\n";
    assert_eq!(last(&long, 1), "last\n");
    assert_eq!(last(&long, 2).len(), long.len());
}
