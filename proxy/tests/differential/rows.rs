//! Rows of test data, one per line: `name | bytes`. In bytes, `↵` is CRLF, `\r \n \t \0 \xHH \\` have their usual meaning,
//! `{text*N}` is a text N times (with its index for each `#`), and `{pause}` separates parts that are sent with a pause.

/// A row: its name, and the columns after it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
}

/// Parses rows, ignoring empty lines and those that start with `#`.
pub(crate) fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows: Vec<Row> = lines
        .map(|line| {
            let mut columns = line.split(" | ").map(str::to_owned);
            Row { name: columns.next().unwrap().trim().into(), columns: columns.collect() }
        })
        .collect();
    let mut names: Vec<_> = rows.iter().map(|row| &row.name).collect();
    names.sort_unstable();
    names.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1], "two rows of this name"));
    rows
}

/// The bytes of a column, in the parts that are sent one after the other.
pub(crate) fn parts(column: &str) -> Vec<Vec<u8>> {
    column.split("{pause}").map(bytes).collect()
}

pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '↵' => out.extend(b"\r\n"),
            '\\' => {
                let escape = rest.chars().next().expect("a character follows a backslash");
                rest = &rest[escape.len_utf8()..];
                match escape {
                    'r' => out.push(b'\r'),
                    'n' => out.push(b'\n'),
                    't' => out.push(b'\t'),
                    '0' => out.push(0),
                    'x' => {
                        out.push(u8::from_str_radix(&rest[..2], 16).expect("two hexadecimal digits"));
                        rest = &rest[2..];
                    }
                    other => out.extend(other.to_string().as_bytes()),
                }
            }
            '{' if repeated(rest).is_some() => {
                let (inner, count, after) = repeated(rest).unwrap();
                for i in 0..count {
                    out.extend(bytes(&inner.replace('#', &i.to_string())));
                }
                rest = after;
            }
            c => out.extend(c.to_string().as_bytes()),
        }
    }
    out
}

/// The bytes of hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let pair =
        |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap_or_else(|_| panic!("{digits}: hexadecimal"));
    (0..digits.len()).step_by(2).map(pair).collect()
}

/// Parses `text*N}`, and returns what follows it.
fn repeated(text: &str) -> Option<(&str, usize, &str)> {
    let (inside, after) = text.split_once('}')?;
    let (inner, count) = inside.rsplit_once('*')?;
    Some((inner, count.parse().ok()?, after))
}

#[test]
fn rows_are_parsed_to_their_bytes() {
    let rows = rows("# no row\n\na row | G {ab*2}↵\\x00\\\\{x#,*3}\n");
    assert_eq!(rows[0].name, "a row");
    assert_eq!(bytes(&rows[0].columns[0]), b"G abab\r\n\x00\\x0,x1,x2,");
    assert_eq!(parts("a{pause}b"), [b"a", b"b"]);
}
