//! JSON values into typed documents, with the path of whatever does not fit.

use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::Value;

use super::fields::{Step, fields_at};

/// A field that does not fit its type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Where, such as `spec.ports[0].port`; empty for the whole document.
    pub(crate) path: String,
    /// What is wrong there.
    pub(crate) message: String,
}

/// Reads a value as a type, and tells which of its fields the type does not know.
///
/// # Errors
/// When a field is missing or not of its type.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<(T, Vec<Misfit>), Misfit> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
    let read = serde_ignored::deserialize(deserializer, |path| unknown.push(steps(&path)));
    match read {
        Ok(typed) => Ok((typed, unknown.into_iter().map(unknown_field::<T>).collect())),
        Err(e) => {
            let path = match track.path().to_string() {
                whole if whole == "." => String::new(),
                path => path,
            };
            Err(Misfit { path, message: e.to_string() })
        }
    }
}

/// The candidate that is most like a word, if any is like it enough to have been meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .map(|c| (strsim::damerau_levenshtein(&lower, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= 2.max(c.len() / 4) && *distance < c.len())
        .min()
        .map(|(_, c)| c)
}

fn unknown_field<T: DeserializeOwned>((path, parent): (String, Vec<Step>)) -> Misfit {
    let (name, parent) = match parent.split_last() {
        Some((Step::Key(name), parent)) => (name.as_str(), parent),
        _ => ("", &[][..]),
    };
    let fields = fields_at::<T>(parent);
    let message = match nearest(name, fields.iter().copied()) {
        Some(meant) => format!("unknown field; did you mean {meant}?"),
        None if fields.is_empty() => "unknown field".to_owned(),
        None => format!("unknown field; known here are {}", fields.join(", ")),
    };
    Misfit { path, message }
}

/// A path as faults write it, and step by step.
fn steps(path: &Path<'_>) -> (String, Vec<Step>) {
    let (mut text, mut list) = match path {
        Path::Root => return (String::new(), Vec::new()),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            return steps(parent);
        }
        Path::Seq { parent, .. } | Path::Map { parent, .. } => steps(parent),
    };
    match path {
        Path::Seq { index, .. } => {
            text.push_str(&format!("[{index}]"));
            list.push(Step::Index);
        }
        Path::Map { key, .. } => {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(key);
            list.push(Step::Key(key.clone()));
        }
        _ => {}
    }
    (text, list)
}
