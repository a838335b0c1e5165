use std::{env, fs, path::PathBuf};

use pretty_assertions::assert_eq;

use super::*;

/// The first line of every `scenario.yaml`, which names the schema for editors.
const MODELINE: &str = "# yaml-language-server: $schema=../../docs/schema/scenario.json\n";

fn checkout() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_schemas_in_the_docs_match_the_types() {
    let folder = checkout().join("docs/schema");
    let update = env::var_os("UPDATE_SCHEMAS").is_some();
    let mut files = Vec::new();
    for (name, schema) in generate() {
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if update {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == text,
            "docs/schema/{name}.json: is outdated: UPDATE_SCHEMAS=1 cargo test -p lab --lib schema rewrites it"
        );
        files.push(path.file_name().unwrap().to_owned());
    }
    let mut kept: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    kept.sort();
    assert_eq!(kept, files, "no other file");
}

#[test]
fn every_scenario_names_its_schema_for_editors() {
    for entry in fs::read_dir(checkout().join("scenarios")).unwrap() {
        let path = entry.unwrap().path().join("scenario.yaml");
        if let Ok(text) = fs::read_to_string(&path) {
            assert!(text.starts_with(MODELINE), "{} does not begin with {MODELINE}", path.display());
        }
    }
}
