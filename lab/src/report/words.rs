//! Text helpers: wrapping, plurals and suggestions.

/// Wraps words to lines of at most `width` columns; the first starts at `column`, the others are indented by four.
pub(crate) fn wrapped(words: &str, width: usize, column: usize) -> String {
    wrapped_below(words, width, column, 4)
}

/// [`wrapped`], with another indentation. Colours have no width.
pub(crate) fn wrapped_below(words: &str, width: usize, mut column: usize, indentation: usize) -> String {
    let mut text = String::new();
    for word in words.split_whitespace() {
        let length = anstream::adapter::strip_str(word).to_string().chars().count();
        if !text.is_empty() && column + 1 + length > width {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indentation));
            column = indentation;
        } else if !text.is_empty() {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text
}

/// `1 lab`, `2 labs`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// ` (did you mean strict?)`, if one of the names is similar to the word.
pub(crate) fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    mesh::nearest(word, names.into_iter()).map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"))
}

/// How many names a long list shows.
const LISTED: usize = 30;

/// `a, b, c`; a long list shows the first ones, and how many more there are.
pub(crate) fn listed(names: &[String]) -> String {
    match names.len().saturating_sub(LISTED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..LISTED].join(", ")),
    }
}
