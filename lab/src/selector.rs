//! Label selectors, as kubectl's `-l` has them (kubernetes: `staging/src/k8s.io/apimachinery/pkg/labels/selector.go`).

use std::str::FromStr;

use serde_json::Value;

#[cfg(test)]
mod tests;

/// Requirements on labels, all of which have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    /// Holds for objects without the label, too.
    NotIn(String, Vec<String>),
}

impl Selector {
    /// Whether labels, an object of strings, meet all requirements.
    pub(crate) fn matches(&self, labels: &Value) -> bool {
        let label = |key: &String| labels.get(key).and_then(Value::as_str);
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Missing(key) => label(key).is_none(),
            Requirement::In(key, values) => label(key).is_some_and(|label| values.iter().any(|value| value == label)),
            Requirement::NotIn(key, values) => label(key).is_none_or(|label| values.iter().all(|value| value != label)),
        })
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let requirements = parts(text)?.into_iter().map(|part| requirement(part.trim()));
        Ok(Self(requirements.collect::<Result<_, _>>()?))
    }
}

/// The parts between commas that are not within parentheses.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut begin, mut inside) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '(' if !inside => inside = true,
            ')' if inside => inside = false,
            '(' | ')' => return Err(format!("the parentheses in {text:?} do not match")),
            ',' if !inside => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(format!("the parentheses in {text:?} do not match"));
    }
    parts.push(&text[begin..]);
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, String> {
    for (operator, is_not) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(operator) {
            let (key, values) = (word(key, part)?, vec![value_of(value, part)?]);
            return Ok(if is_not { Requirement::NotIn(key, values) } else { Requirement::In(key, values) });
        }
    }
    if let Some((left, values)) = part.split_once('(') {
        let values = values.trim_end().strip_suffix(')').ok_or_else(|| expected(part))?;
        let values: Vec<String> = values.split(',').map(|value| value_of(value, part)).collect::<Result<_, _>>()?;
        let (key, operator) = left.trim().rsplit_once(char::is_whitespace).ok_or_else(|| expected(part))?;
        return match operator {
            "in" => Ok(Requirement::In(word(key, part)?, values)),
            "notin" => Ok(Requirement::NotIn(word(key, part)?, values)),
            _ => Err(expected(part)),
        };
    }
    match part.strip_prefix('!') {
        Some(key) => Ok(Requirement::Missing(word(key, part)?)),
        None => Ok(Requirement::Exists(word(part, part)?)),
    }
}

/// A label's key.
fn word(text: &str, part: &str) -> Result<String, String> {
    let key = value_of(text, part)?;
    if key.is_empty() { Err(expected(part)) } else { Ok(key) }
}

/// A label's value, which can be empty.
fn value_of(text: &str, part: &str) -> Result<String, String> {
    let value = text.trim();
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if value.chars().all(is_allowed) { Ok(value.to_owned()) } else { Err(expected(part)) }
}

fn expected(part: &str) -> String {
    format!("{part:?} is not a requirement such as app=server, app!=server, 'app in (a, b)', app or '!app'")
}
