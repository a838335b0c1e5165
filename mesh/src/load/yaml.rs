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
        let content = content.map_err(|e| not_yaml(&e));
        let broken = content.is_err();
        documents.push(Document { number: documents.len() + 1, content });
        if broken {
            break;
        }
    }
    documents
}

fn not_yaml(error: &serde_saphyr::Error) -> String {
    let reason = error.without_snippet().to_string();
    let reason = reason.lines().next().unwrap_or_default();
    format!("not YAML: {reason}")
}
