use pretty_assertions::assert_eq;

use super::*;

fn objects(name: &str, text: &str) -> Objects {
    Objects::read(&[SourceFile { name: name.into(), text: text.into() }]).unwrap()
}

fn mode(mode: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default}}\n\
         spec: {{mtls: {{mode: {mode}}}}}\n"
    )
}

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: server}\nspec: {ports: [{port: 80}]}\n";

fn done(done: &[(Key, What)]) -> Vec<String> {
    done.iter().map(|(key, what)| format!("{key} {what}")).collect()
}

#[test]
fn an_object_that_is_replaced_keeps_its_age() {
    let mut all = objects("app.yaml", &format!("{}---\n{SERVICE}", mode("PERMISSIVE")));
    let applied = all.apply(objects("strict.yaml", &mode("STRICT")));
    assert_eq!(done(&applied), ["peerauthentication.security.istio.io/default configured"]);
    let names: Vec<String> = all.keys().map(|key| key.to_string()).collect();
    assert_eq!(names, ["peerauthentication.security.istio.io/default", "service/server"]);
    assert_eq!(all.0[0].file, "strict.yaml");
}

#[test]
fn the_same_object_again_is_unchanged_and_a_new_one_created() {
    let mut all = objects("app.yaml", SERVICE);
    let again = all.apply(objects("app.yaml", &format!("{SERVICE}---\n{}", mode("STRICT"))));
    assert_eq!(done(&again), ["service/server unchanged", "peerauthentication.security.istio.io/default created"]);
}

#[test]
fn what_is_left_of_an_earlier_version_of_a_file_does_not_claim_a_place_in_the_new_one() {
    let mut all = objects("app.yaml", &format!("{}---\n{SERVICE}", mode("STRICT")));
    all.apply(objects("app.yaml", SERVICE));
    let places: Vec<_> = all.0.iter().map(|one| format!("{}#{}", one.file, one.document)).collect();
    assert_eq!(places, ["app.yaml (applied earlier)#1", "app.yaml#1"]);
}

#[test]
fn objects_are_deleted_by_kind_namespace_and_name() {
    let mut all = objects("app.yaml", &format!("{}---\n{SERVICE}", mode("STRICT")));
    let key = all.keys().next().unwrap();
    let elsewhere = Key { namespace: "elsewhere".into(), ..key.clone() };
    assert_eq!(all.delete(&[elsewhere]), []);
    assert_eq!(all.delete(std::slice::from_ref(&key)), [key]);
    assert_eq!(all.keys().count(), 1);
}

#[test]
fn with_a_namespace_goes_all_that_is_in_it() {
    let text = "\
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: inside, namespace: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: outside}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: default}}
";
    let mut all = objects("app.yaml", text);
    let names = |keys: Vec<Key>| keys.into_iter().map(|key| format!("{}/{}", key.kind, key.name)).collect::<Vec<_>>();
    let shop = all.keys().next().unwrap();
    assert_eq!(names(all.delete(&[shop])), ["Namespace/shop", "Pod/inside"]);
    assert_eq!(names(all.keys().collect()), ["Pod/outside", "Namespace/default"]);
}

#[test]
fn a_namespace_is_set_only_where_none_is_written_and_a_kind_has_one() {
    let text = format!("{SERVICE}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n");
    let mut all = objects("app.yaml", &text);
    all.put_in("shop");
    let namespaces: Vec<_> = all.0.iter().map(|one| one.object.pointer("/metadata/namespace").cloned()).collect();
    assert_eq!(namespaces, [Some("shop".into()), None]);
}

#[test]
fn kinds_are_found_by_the_words_that_kubectl_accepts() {
    for (word, kind) in [
        ("peerauthentication", "PeerAuthentication"),
        ("PeerAuthentications", "PeerAuthentication"),
        ("pa", "PeerAuthentication"),
        ("deployments.apps", "Deployment"),
        ("authorizationpolicies", "AuthorizationPolicy"),
        ("serviceentries", "ServiceEntry"),
        ("svc", "Service"),
        ("endpoints", "Endpoints"),
        ("gw", "Gateway"),
        ("gateways.networking.istio.io", "Gateway"),
    ] {
        assert_eq!(kind_of_word(word), Some(kind), "{word}");
    }
    assert_eq!(kind_of_word("ingress"), None);
}
