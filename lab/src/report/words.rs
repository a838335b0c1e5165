//! Words in lines of a terminal.

/// Words in lines of at most `width` columns, of which the first has `column` already; those below are set in by four.
pub(crate) fn wrapped(words: &str, width: usize, mut column: usize) -> String {
    let mut text = String::new();
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if !text.is_empty() && column + 1 + length > width {
            text.push_str("\n    ");
            column = 4;
        } else if !text.is_empty() {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text
}
