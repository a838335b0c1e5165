//! Fields of Kubernetes' kinds that an API server checks by themselves: one of a few words, a number in a range, a name. They are
//! checked in the document, whose types are reduced to what matters here.

mod rules;

use std::fmt;

use serde_json::Value;

use self::rules::{CONTAINER, POD, Rule, Rules, of_kind, pod_at};
use crate::{fault::Faults, manifests::Head};

/// Checks a document of a kind.
pub(crate) fn validate(head: &Head, document: &Value, faults: &mut Faults) {
    let mut report = |field: String, message: String| faults.error(head, field, message);
    check_all(document, None, of_kind(head.kind), &mut report);
    let Some(at) = pod_at(head.kind) else { return };
    let pointer = format!("/{}", at.replace('.', "/"));
    let Some(spec) = document.pointer(&pointer) else { return };
    let parent = Field { parent: None, name: at, index: None };
    check_all(spec, Some(&parent), POD, &mut report);
    for name in ["containers", "initContainers"] {
        for (i, container) in spec.get(name).and_then(Value::as_array).into_iter().flatten().enumerate() {
            check_all(container, Some(&Field { parent: Some(&parent), name, index: Some(i) }), CONTAINER, &mut report);
        }
    }
}

fn check_all(value: &Value, parent: Option<&Field<'_>>, rules: Rules, report: &mut impl FnMut(String, String)) {
    for (path, rules) in rules {
        check(value, path, parent, rules, report);
    }
}

/// A field of a document, which is spelled only where it is reported.
struct Field<'a> {
    parent: Option<&'a Field<'a>>,
    name: &'a str,
    /// Of an item, from 0.
    index: Option<usize>,
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)?;
        self.index.map_or(Ok(()), |index| write!(f, "[{index}]"))
    }
}

/// Applies rules to each value at `path`, such as `ports[].name`, in the value of `parent`.
fn check(
    value: &Value,
    path: &str,
    parent: Option<&Field<'_>>,
    rules: &[Rule],
    report: &mut impl FnMut(String, String),
) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (name, of_items) = first.strip_suffix("[]").map_or((first, false), |name| (name, true));
    // For the API server, null is absent.
    let found = value.get(name).filter(|found| !found.is_null());
    let mut apply = |found: Option<&Value>, field: Field<'_>| match (rest, found) {
        (Some(rest), Some(found)) => check(found, rest, Some(&field), rules, report),
        (Some(rest), None) if rules.iter().any(|rule| matches!(rule, Rule::Needed)) => {
            report(format!("{field}.{rest}"), "is missing".into());
        }
        (Some(_), None) => {}
        (None, found) => {
            let broken = rules.iter().find_map(|rule| fault(found, rule));
            broken.into_iter().for_each(|message| report(field.to_string(), message));
        }
    };
    if of_items {
        for (i, item) in found.and_then(Value::as_array).into_iter().flatten().enumerate() {
            apply(Some(item), Field { parent, name, index: Some(i) });
        }
    } else {
        apply(found, Field { parent, name, index: None });
    }
}

/// What a rule says of a value. A value of another type is reported where the document is read.
fn fault(value: Option<&Value>, rule: &Rule) -> Option<String> {
    match (rule, value) {
        (Rule::Given | Rule::Needed, None) => Some("is missing".into()),
        (Rule::Given | Rule::Needed, Some(Value::String(text))) => text.is_empty().then(|| "is missing".into()),
        (Rule::Given | Rule::Needed, Some(Value::Array(items))) => items.is_empty().then(|| "is missing".into()),
        (Rule::Some(names), Some(Value::Object(fields))) => {
            let is_set =
                |name: &&str| fields.get(*name).and_then(Value::as_array).is_some_and(|items| !items.is_empty());
            (!names.iter().any(is_set)).then(|| format!("needs one of {}", names.join(", ")))
        }
        (Rule::AnyOf(names) | Rule::AtMostOne(names), Some(Value::Object(fields))) => {
            let is_set = |name: &&&str| fields.get(**name).is_some_and(|value| !value.is_null());
            let set: Vec<&str> = names.iter().filter(is_set).copied().collect();
            match set.len() {
                0 if matches!(rule, Rule::AnyOf(_)) => Some(format!("needs one of {}", names.join(", "))),
                0 | 1 => None,
                _ => Some(format!("may have only one of {}; keep one", set.join(", "))),
            }
        }
        (Rule::From(least), Some(Value::Number(number))) => {
            let number = number.as_i64().filter(|number| number < least)?;
            Some(format!("{number} is too small; expected {least} or more"))
        }
        (Rule::Within(least, most), Some(Value::Number(number))) => {
            let number = number.as_i64().filter(|number| !(least..=most).contains(&number))?;
            Some(format!("{number} is out of range; expected a number from {least} to {most}"))
        }
        // Empty is unset.
        (Rule::Words(_) | Rule::Text(..), Some(Value::String(text))) if text.is_empty() => None,
        (Rule::Words(words), Some(Value::String(text))) => {
            (!words.contains(&text.as_str())).then(|| format!("{text:?} is none of {}", words.join(", ")))
        }
        (Rule::Text(is_good, what) | Rule::SetText(is_good, what), Some(Value::String(text))) => {
            (!is_good(text)).then(|| format!("{text:?} is not {what}"))
        }
        (Rule::Share, Some(Value::Number(number))) => {
            number.as_i64().is_some_and(|number| number < 0).then(|| format!("{number} is negative"))
        }
        (Rule::Share, Some(Value::String(text))) => {
            let digits = text.strip_suffix('%').filter(|digits| !digits.is_empty());
            let is_share = digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            (!is_share).then(|| format!("{text:?} is neither a number nor a percentage such as 25%"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
