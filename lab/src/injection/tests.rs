use mesh::SourceFile;

use super::hint;
use crate::manifests;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n";

fn hint_for(text: &str) -> Option<String> {
    let (mesh, _) = manifests::resolve(&[SourceFile { name: "a.yaml".into(), text: text.into() }]).unwrap();
    hint(&mesh)
}

#[test]
fn manifests_without_a_sidecar_get_a_hint_whose_yaml_injects_one() {
    let hint = hint_for(POD).unwrap();
    assert!(hint.starts_with("no pod has a sidecar (a.default: neither its namespace nor its labels ask"), "{hint}");
    let (_, yaml) = hint.split_once('\n').unwrap();
    assert_eq!(hint_for(&format!("{POD}---\n{yaml}\n")), None);
}

#[test]
fn manifests_without_pods_get_no_hint() {
    assert_eq!(hint_for("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"), None);
}
