//! Normalizing paths like Envoy's URL library (`source/common/http/path_utility.cc`, `PathUtil::canonicalPath`).

#[cfg(test)]
mod tests;

/// Normalizes a path with its query: resolves `.` and `..`, replaces `\` by `/`, and percent-encodes what has to be, and nothing
/// else. `None` for an invalid path.
pub fn normalized(path_and_query: &str) -> Option<String> {
    if path_and_query.contains('#') {
        return None;
    }
    let (path, query) = path_and_query.split_at(path_and_query.find('?').unwrap_or(path_and_query.len()));
    let mut segments: Vec<String> = Vec::new();
    let mut ends_in_dots = false;
    for raw in path.strip_prefix('/')?.split(['/', '\\']) {
        let segment = decoded(without_parameters(raw))?;
        ends_in_dots = matches!(&*segment, "." | "..");
        match &*segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    if ends_in_dots {
        segments.push(String::new());
    }
    Some(format!("/{}{query}", segments.join("/")))
}

/// A dot segment without its parameters, which some apps remove, too (`/..;/`); other segments are unchanged.
fn without_parameters(segment: &str) -> &str {
    match segment.split_once(';') {
        Some((dots @ ("." | ".."), _)) => dots,
        _ => segment,
    }
}

/// Decodes unreserved characters of a segment (RFC 3986, section 2.3), and encodes invalid ones. `None` if it contains an
/// encoded NUL.
fn decoded(segment: &str) -> Option<String> {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        let encoded = match (byte, after) {
            (b'%', [high, low, after @ ..]) => hex(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        match encoded {
            Some((0, _)) => return None,
            Some((byte, after)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(byte.into());
                rest = after;
            }
            _ if byte.is_ascii_graphic() && !b"\"<>^`{|}".contains(byte) => out.push((*byte).into()),
            _ => {
                let _ = write!(out, "%{byte:02X}"); // writing to a String cannot fail
            }
        }
    }
    Some(out)
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
