//! The reduction of manifests to the smallest part that still shows a fault.

use serde_json::Value;

/// The documents of manifests.
type Documents = Vec<Value>;

/// The smallest part of documents that is still `bad`: objects are removed, then fields. `bad` judges many candidates at once.
pub fn shrink(documents: Documents, mut bad: impl FnMut(&[Documents]) -> Vec<bool>) -> Documents {
    let mut smallest = documents;
    loop {
        let candidates = smaller(&smallest);
        let found = bad(&candidates).into_iter().position(|bad| bad);
        match found {
            Some(index) => smallest = candidates.into_iter().nth(index).unwrap_or_default(),
            None => return smallest,
        }
    }
}

/// The documents with one object, field or element removed.
fn smaller(documents: &[Value]) -> Vec<Documents> {
    let mut candidates: Vec<Documents> = (0..documents.len())
        .map(|left_out| documents.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, d)| d.clone()).collect())
        .collect();
    for (i, document) in documents.iter().enumerate() {
        for pointer in removable(document, String::new()) {
            let mut without = documents.to_vec();
            remove(&mut without[i], &pointer);
            candidates.push(without);
        }
    }
    candidates
}

#[allow(clippy::needless_pass_by_value, reason = "it grows by a part at each call")]
fn removable(value: &Value, pointer: String) -> Vec<String> {
    let fields: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect(),
        _ => vec![],
    };
    let mut all = vec![];
    for (name, value) in fields {
        let pointer = format!("{pointer}/{name}");
        // Without these there is no object.
        if !["/apiVersion", "/kind", "/metadata", "/metadata/name", "/spec", "/spec/hosts/0"]
            .contains(&pointer.as_str())
        {
            all.push(pointer.clone());
        }
        all.extend(removable(value, pointer));
    }
    all
}

fn remove(value: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    match value.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.shift_remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            if let Ok(index) = name.parse::<usize>() {
                items.remove(index);
            }
        }
        _ => {}
    }
}
