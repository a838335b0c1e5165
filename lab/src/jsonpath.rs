//! Templates of kubectl's `-o jsonpath=` (kubernetes: `staging/src/k8s.io/client-go/util/jsonpath`): text, and in braces fields (`.a.b`,
//! `['a.b']`, `..a`), elements (`[0]`, `[-1]`, `[*]`), `{range ...}` to `{end}`, and quoted text. Filters, slices and unions are not
//! supported.

use std::str::FromStr;

use serde_json::Value;

#[cfg(test)]
mod tests;

/// A template that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The values at the end of a path, separated by spaces.
    Values(Vec<Step>),
    /// The parts for each value.
    Range(Vec<Step>, Vec<Part>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    /// An element of a list; negative numbers count from the end.
    Element(i64),
    All,
    /// A field of this name, however deep.
    Anywhere(String),
}

impl JsonPath {
    /// What the template makes of an object. What is not there is left out.
    pub(crate) fn render(&self, object: &Value) -> String {
        let mut text = String::new();
        render(&self.0, object, &mut text);
        text
    }
}

fn render(parts: &[Part], object: &Value, text: &mut String) {
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Values(path) => {
                let values: Vec<String> = values(path, object).into_iter().map(printed).collect();
                text.push_str(&values.join(" "));
            }
            Part::Range(path, inner) => values(path, object).into_iter().for_each(|value| render(inner, value, text)),
        }
    }
}

fn printed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn values<'a>(path: &[Step], object: &'a Value) -> Vec<&'a Value> {
    path.iter().fold(vec![object], |at, step| at.into_iter().flat_map(|value| next(step, value)).collect())
}

fn next<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Element(index) => value.as_array().and_then(|list| element(list, *index)).into_iter().collect(),
        Step::All => children(value).collect(),
        Step::Anywhere(name) => {
            let below = children(value).flat_map(|child| next(step, child));
            value.get(name).into_iter().chain(below).collect()
        }
    }
}

fn element(list: &[Value], index: i64) -> Option<&Value> {
    let from_end = || list.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?);
    list.get(usize::try_from(index).ok().or_else(from_end)?)
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(list) => Box::new(list.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => Box::new(std::iter::empty()),
    }
}

impl FromStr for JsonPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let parts = parts(&mut rest, false)?;
        Ok(Self(parts))
    }
}

/// Reads to the end of the template, or of the range.
fn parts(rest: &mut &str, in_range: bool) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    loop {
        let Some((literal, after)) = rest.split_once('{') else {
            if in_range {
                return Err("{range} has no {end}".to_owned());
            }
            parts.extend((!rest.is_empty()).then(|| Part::Text((*rest).to_owned())));
            return Ok(parts);
        };
        parts.extend((!literal.is_empty()).then(|| Part::Text(literal.to_owned())));
        let end = end_of_braces(after).ok_or_else(|| format!("{{{after}: a brace is not closed"))?;
        let inside = after[..end].trim();
        *rest = &after[end + 1..];
        match inside.strip_prefix("range ") {
            Some(of) => {
                let of = path(of.trim())?;
                parts.push(Part::Range(of, self::parts(rest, true)?));
            }
            None if inside == "end" && in_range => return Ok(parts),
            None if inside == "end" => return Err("{end} without {range}".to_owned()),
            None => parts.push(match quoted(inside) {
                Some(text) => Part::Text(text),
                None => Part::Values(path(inside)?),
            }),
        }
    }
}

/// Where the brace is closed that was opened before `text`.
fn end_of_braces(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, letter)| {
        match quote {
            Some(open) if open == letter => quote = None,
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            _ => {}
        }
        (quote.is_none() && letter == '}').then_some(at)
    })
}

/// Text in quotes, with `\n` and `\t` for control characters.
fn quoted(text: &str) -> Option<String> {
    let inside = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))?;
    Some(inside.replace("\\n", "\n").replace("\\t", "\t"))
}

fn path(text: &str) -> Result<Vec<Step>, String> {
    let wrong = |what: &str| format!("{{{text}}}: {what}; expected a path such as .items[0].metadata.name");
    let mut rest = text.strip_prefix(['$', '@']).unwrap_or(text);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']').ok_or_else(|| wrong("a bracket is not closed"))?;
            let name = || Some(Step::Field(quoted(inside)?));
            let number = || inside.parse().ok().map(Step::Element);
            let all = || (inside == "*").then_some(Step::All);
            let step = all().or_else(number).or_else(name);
            steps.push(step.ok_or_else(|| wrong(&format!("[{inside}] is not supported")))?);
            rest = after;
            continue;
        }
        let (is_anywhere, after) = match (rest.strip_prefix(".."), rest.strip_prefix('.')) {
            (Some(after), _) => (true, after),
            (None, Some(after)) => (false, after),
            (None, None) => return Err(wrong("a field begins with a dot")),
        };
        let (name, after) = field(after);
        rest = after;
        match name.as_str() {
            // The object itself, as in {.}.
            "" if !is_anywhere && (rest.is_empty() || rest.starts_with('[')) => {}
            "" => return Err(wrong("a field has no name")),
            "*" => steps.push(Step::All),
            _ if is_anywhere => steps.push(Step::Anywhere(name)),
            _ => steps.push(Step::Field(name)),
        }
    }
    Ok(steps)
}

/// Splits off a field's name, in which a backslash takes the meaning from a dot.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '.' | '[' => return (name, &text[at..]),
            '\\' => name.extend(letters.next().map(|(_, letter)| letter)),
            _ => name.push(letter),
        }
    }
    (name, "")
}
