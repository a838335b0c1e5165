//! YAML text into JSON values, document by document.

use serde_json::Value;

/// One document of a file.
pub(super) struct Document {
    /// Its number in the file, from 1. Documents without content count for nothing, as they do for kubectl.
    pub(super) number: usize,
    /// What it holds, or why it could not be read.
    pub(super) content: Result<Value, String>,
}

/// All documents up to the first that is not YAML: after that nothing can be told.
pub(super) fn documents(text: &str) -> Vec<Document> {
    let mut bytes = text.as_bytes();
    let mut documents = Vec::new();
    for content in serde_saphyr::read::<_, Value>(&mut bytes) {
        if matches!(content, Ok(Value::Null)) {
            continue;
        }
        match content {
            Ok(value) => {
                for value in items(value) {
                    documents.push(Document { number: documents.len() + 1, content: Ok(value) });
                }
            }
            Err(e) => {
                documents.push(Document { number: documents.len() + 1, content: Err(not_yaml(&e)) });
                break;
            }
        }
    }
    documents
}

/// The items of a List, which is how `kubectl get` prints several objects; each counts as a document.
fn items(mut value: Value) -> Vec<Value> {
    let is_list = value.get("kind").and_then(Value::as_str) == Some("List");
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items,
        Some(other) => {
            value["items"] = other;
            vec![value]
        }
        None => vec![value],
    }
}

fn not_yaml(error: &serde_saphyr::Error) -> String {
    let reason = error.without_snippet().to_string();
    let reason = reason.lines().next().unwrap_or_default();
    format!("not YAML: {reason}")
}
