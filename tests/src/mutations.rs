//! Objects with one thing wrong: each field of valid objects removed, doubled, or given values of other kinds.

use std::fs;

use serde_json::{Map, Value, json};

use crate::checkout;

/// The valid objects.
const OBJECTS: &str = "tests/src/mutations/objects.yaml";

/// An object that differs from a valid one in one place.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// Such as `Pod/server spec.containers[0].image = ""`.
    pub name: String,
    pub object: Value,
}

impl Mutation {
    /// The object as a manifest.
    pub fn yaml(&self) -> String {
        self.object.to_string()
    }
}

/// The valid objects, and all objects that differ from one of them in one place.
pub fn all() -> Vec<Mutation> {
    valid().into_iter().flat_map(|object| of(&object)).collect()
}

fn valid() -> Vec<Value> {
    let text = fs::read(checkout().join(OBJECTS)).expect("the objects are in the checkout");
    let objects = serde_saphyr::read::<_, Value>(&mut text.as_slice()).collect::<Result<Vec<_>, _>>();
    objects.expect("the objects are YAML")
}

/// The object itself, and all that differ from it in one place.
fn of(object: &Value) -> Vec<Mutation> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let kind = &format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap_or_default());
    let mut all = vec![Mutation { name: format!("{kind} as it is"), object: object.clone() }];
    for place in places(object) {
        let at = Place::pointer(&place);
        let Some(value) = object.pointer(&at) else { continue };
        let name = Place::name(&place);
        for other in others(value) {
            let mut changed = object.clone();
            if let Some(target) = changed.pointer_mut(&at) {
                *target = other.clone();
            }
            all.push(Mutation { name: format!("{kind} {name} = {}", short(&other)), object: changed });
        }
        if let Some((last, parent)) = place.split_last() {
            let mut changed = object.clone();
            let parent = changed.pointer_mut(&Place::pointer(parent));
            match (last, parent) {
                (Place::Field(field), Some(Value::Object(fields))) => _ = fields.shift_remove(field),
                (Place::Item(0), Some(Value::Array(items))) => items.push(value.clone()),
                _ => continue,
            }
            let what = if matches!(last, Place::Field(_)) { "removed" } else { "twice" };
            all.push(Mutation { name: format!("{kind} {name} {what}"), object: changed });
        }
    }
    all
}

/// A step into an object.
#[derive(Clone, Debug)]
enum Place {
    Field(String),
    Item(usize),
}

impl Place {
    /// As a JSON pointer (RFC 6901).
    fn pointer(places: &[Self]) -> String {
        let part = |place: &Self| match place {
            Self::Field(name) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Item(index) => format!("/{index}"),
        };
        places.iter().map(part).collect()
    }

    /// As the API server writes it.
    fn name(places: &[Self]) -> String {
        let part = |place: &Self| match place {
            Self::Field(name) if name.contains(['.', '/']) => format!("[{name}]"),
            Self::Field(name) => format!(".{name}"),
            Self::Item(index) => format!("[{index}]"),
        };
        places.iter().map(part).collect::<String>().trim_start_matches('.').to_owned()
    }
}

/// All places in an object but those that say what it is, each before the places in it.
fn places(object: &Value) -> Vec<Vec<Place>> {
    let mut all = vec![];
    walk(object, &mut vec![], &mut all);
    let says_what_it_is = |place: &Vec<Place>| matches!(&place[..], [Place::Field(field)] if matches!(field.as_str(), "apiVersion" | "kind"));
    all.retain(|place| !says_what_it_is(place));
    all
}

fn walk(value: &Value, at: &mut Vec<Place>, all: &mut Vec<Vec<Place>>) {
    let steps: Vec<(Place, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (Place::Field(name.clone()), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, value)| (Place::Item(i), value)).collect(),
        _ => vec![],
    };
    for (step, value) in steps {
        at.push(step);
        all.push(at.clone());
        walk(value, at, all);
        at.pop();
    }
}

/// Values that could stand in the place of this one by mistake.
fn others(value: &Value) -> Vec<Value> {
    let others = match value {
        Value::String(text) => vec![
            json!(""),
            json!("Other"),
            json!("a b"),
            json!(format!("{text}-")),
            json!("x".repeat(300)),
            json!(7),
            json!([text]),
        ],
        Value::Number(_) => {
            vec![json!(-1), json!(0), json!(70_000), json!(99_999_999_999_i64), json!(1.5), json!("text"), json!(true)]
        }
        Value::Bool(flag) => vec![json!(!flag), json!("yes"), json!(1)],
        Value::Array(_) => vec![json!([]), json!("text"), json!({})],
        Value::Object(fields) => {
            let mut more: Map<String, Value> = fields.clone();
            more.insert("unknownField".into(), json!("x"));
            vec![json!({}), json!("text"), json!([]), Value::Object(more)]
        }
        Value::Null => vec![],
    };
    others.into_iter().filter(|other| other != value).collect()
}

/// A value in a name.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Object(fields) if fields.contains_key("unknownField") => return "with unknownField".into(),
        value => value.to_string(),
    };
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}... ({} characters)", &text[..end], text.chars().count()),
        None => text,
    }
}
