//! Templates of paths (`source/extensions/path/uri_template_lib/uri_template_internal.cc`).

#[cfg(test)]
mod tests;

/// Whether a path, without its query, matches a template. `*` stands for one segment that is not empty, `**` for any number
/// of them. Either stands only for the characters that RFC 3986 allows in paths.
pub fn matches(template: &str, path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    segments(&template.split('/').collect::<Vec<_>>(), path)
}

/// Whether segments of a template match the rest of a path.
fn segments(template: &[&str], path: &str) -> bool {
    let Some((first, rest)) = template.split_first() else { return false };
    if *first == "**" {
        return match rest {
            [] => path.chars().all(|c| c == '/' || is_allowed(c)),
            // What follows stands at the end, and is longer than nothing.
            rest => path.match_indices('/').any(|(at, _)| {
                path[..at].chars().all(|c| c == '/' || is_allowed(c)) && segments(rest, &path[at + 1..])
            }),
        };
    }
    let (segment, after) = match path.split_once('/') {
        Some((segment, after)) => (segment, Some(after)),
        None => (path, None),
    };
    let fits = if *first == "*" { !segment.is_empty() && segment.chars().all(is_allowed) } else { segment == *first };
    fits && match after {
        Some(after) => segments(rest, after),
        None => rest.is_empty(),
    }
}

/// The characters of a segment (`kLiteral`).
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~%!$&'()+,;:@=".contains(c)
}
